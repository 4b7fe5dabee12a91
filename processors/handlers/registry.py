"""Which handlers this installation has; filled when each app's `handlers` module is imported."""

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

if TYPE_CHECKING:
    from processors.handlers.contract import Handler


class DuplicateHandler(ValueError):
    """Two functions claim the same handler name."""


class Registry:
    """Handlers by name."""

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}
        # Why an app's `handlers` module could not be imported, by the app's label.
        self.failures: dict[str, str] = {}

    def add(self, handler: "Handler") -> None:
        """Register; the same function again (a reload) replaces itself."""
        known = self._handlers.get(handler.name)
        if known is not None and known.function.__module__ != handler.function.__module__:
            raise DuplicateHandler(
                f"Handler {handler.name!r} is defined in {known.function.__module__} and in "
                f"{handler.function.__module__}: rename one of the functions."
            )
        self._handlers[handler.name] = handler

    def find(self, name: str) -> "Handler | None":
        """The handler of that name, None where this installation has none."""
        return self._handlers.get(name)

    def is_in_broken_app(self, name: str) -> bool:
        """Whether the handler is missing because its app could not be imported."""
        return name.partition(".")[0] in self.failures

    def why_missing(self, name: str) -> str:
        """Why there is no handler of that name, as a sentence."""
        label = name.partition(".")[0]
        if self.is_in_broken_app(name):
            return _("The handlers of app '%(label)s' could not be imported: %(why)s.") % {
                "label": label,
                "why": self.failures[label],
            }
        return _("Its app is not in HANDLER_APPS, or the function was renamed or removed.")

    def all(self) -> "list[Handler]":
        """Every handler, sorted by name."""
        return [self._handlers[name] for name in sorted(self._handlers)]


registry = Registry()
