"""Values whose name says that they are secret are not shown, whoever looks."""

from collections.abc import Mapping
from typing import Any

from processors.definitions.parsing import SECRET_NAME

MASK = "•••"


def masked(value: Any) -> Any:
    """The same value with secrets hidden, at any depth."""
    if isinstance(value, Mapping):
        return {
            name: MASK if hides(str(name), part) else masked(part) for name, part in value.items()
        }
    if isinstance(value, list | tuple):
        return [masked(part) for part in value]
    return value


def hides(name: str, part: Any) -> bool:
    """Whether a value is to be hidden; nothing hides that there is none."""
    return SECRET_NAME.search(name) is not None and part not in (None, "")


def unmasked(edited: Any, stored: Any) -> Any:
    """What a person edited, with each mask that was left in place turned back into its secret."""
    if isinstance(edited, dict):
        old = stored if isinstance(stored, Mapping) else {}
        return {
            name: old[name] if part == MASK and name in old else unmasked(part, old.get(name))
            for name, part in edited.items()
        }
    if isinstance(edited, list):
        old_list = stored if isinstance(stored, list) else []
        return [
            unmasked(part, old_list[at] if at < len(old_list) else None)
            for at, part in enumerate(edited)
        ]
    return edited
