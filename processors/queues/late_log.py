"""A log whose lines can be held back until what they tell of is under way."""

import logging
from typing import Any


class LateLog(logging.LoggerAdapter[logging.Logger]):
    """A logger; between `hold` and `tell`, lines of level info wait."""

    def __init__(self, logger: logging.Logger) -> None:
        super().__init__(logger)
        self._holds = False
        self._held: list[tuple[Any, ...]] = []

    def hold(self) -> None:
        """Write no line of level info until `tell`."""
        self._holds = True

    def tell(self) -> None:
        """Write what was held back, and hold nothing back any more."""
        held, self._held, self._holds = self._held, [], False
        for line in held:
            self.logger.info(*line)

    def info(self, msg: object, *args: object, **kwargs: Any) -> None:
        """Now, or when it is time."""
        if self._holds:
            self._held.append((msg, *args))
        else:
            super().info(msg, *args, **kwargs)
