"""Definitions from a file into processors: create or change by slug, all of them or none."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.core.management.base import CommandError
from django.db import transaction
from django.utils.text import slugify

from processors import editing
from processors.control import Act
from processors.definitions import InvalidDefinition, clean
from processors.definitions.cleaning import is_slug, printable
from processors.models import Processor
from processors.storable import BadJson, parsed


@dataclass(frozen=True)
class Loaded:
    """What became of one definition: `created`, `changed` or `unchanged`, and which columns."""

    slug: str
    outcome: str
    fields: tuple[str, ...] = ()


def load(definitions: Iterable[object], act: Act) -> list[Loaded]:
    """Create or change processors; with one bad definition none is. Raises CommandError."""
    with transaction.atomic():
        return [load_one(definition, act, n) for n, definition in enumerate(definitions, 1)]


def load_one(definition: object, act: Act, number: int) -> Loaded:
    """One definition, the `number`th of its file, in the caller's transaction."""
    slug = slug_of(definition)
    existing = find(slug)
    try:
        columns = clean(definition, existing=existing)  # type: ignore[arg-type]
    except InvalidDefinition as error:
        raise CommandError(refusal(slug, number, error)) from error
    if existing is None:
        return Loaded(editing.create(columns, act, action="load").slug, "created")
    fields = tuple(name for name, value in columns.items() if getattr(existing, name) != value)
    editing.change(existing.pk, columns, act, action="load")
    return Loaded(existing.slug, "changed" if fields else "unchanged", fields)


def slug_of(definition: object) -> object:
    """Its slug, made from the name where it is left out, as `clean` does."""
    if not isinstance(definition, Mapping):
        return None
    return definition.get("slug") or slugify(str(definition.get("name") or ""))


def find(slug: object) -> Processor | None:
    """The processor to change, locked; None where there is none yet."""
    if not isinstance(slug, str) or not is_slug(slug):
        return None
    return Processor.objects.select_for_update(no_key=True).filter(slug=slug).first()


def refusal(slug: object, number: int, error: InvalidDefinition) -> str:
    """Everything that is wrong, one line each; nothing was saved."""
    about = printable(slug) if isinstance(slug, str) and slug else f"definition {number}"
    lines = [
        f"{about}: {path}: {sentence}" if path else f"{about}: {sentence}"
        for path, found in error.errors.items()
        for sentence in found
    ]
    return "\n".join([*lines, "Nothing was loaded."])


def parse_definitions(text: str, name: str) -> list[object]:
    """The definitions of a JSON text: a list, or a single one. Raises CommandError."""
    try:
        value = parsed(text)
    except BadJson as error:
        place = "," if str(error).startswith("line ") else ":"
        raise CommandError(f"{name}{place} {error} Nothing was loaded.") from error
    return value if isinstance(value, list) else [value]
