"""Definitions from a file into processors: create or change by slug, all of them or none.

Entry points: `parse_definitions`, `load`, and `plan`, which says what `load` would do. The
command `processor load` and the admin's import are the same code.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.utils.text import slugify
from django.utils.translation import gettext as _

from processors import editing
from processors.acts import Act
from processors.definitions import (
    Difference,
    InvalidDefinition,
    clean,
    differences,
    digest,
    dump,
)
from processors.definitions.cleaning import is_slug, printable
from processors.models import Processor
from processors.storable import BadJson, parsed


class NotLoaded(Exception):
    """Nothing was loaded; the text says everything that is wrong, one line each."""


@dataclass(frozen=True)
class Loaded:
    """What became of one definition: `created`, `changed` or `unchanged`, and how."""

    slug: str
    name: str
    outcome: str
    # Columns that were written, derived ones too.
    columns: tuple[str, ...] = ()
    differences: list[Difference] = field(default_factory=list)
    # What the processor said before; empty for a new one.
    seen: str = ""


def load(definitions: Iterable[object], act: Act, *, seen: str | None = None) -> list[Loaded]:
    """Create or change processors; with one bad definition none is.

    `seen` is `fingerprint` of the plan that a person agreed to. Raises NotLoaded, or
    PermissionDenied.
    """
    definitions = list(definitions)
    refuse_twice(definitions)
    with transaction.atomic():
        loaded = [load_one(definition, act, n) for n, definition in enumerate(definitions, 1)]
        if seen is not None and seen != fingerprint(loaded):
            raise NotLoaded(
                _("A definition was changed meanwhile. Look again at what would change.")
            )
    return loaded


def plan(definitions: Iterable[object], act: Act) -> list[Loaded]:
    """What `load` would do now; it is done, and taken back. Raises as `load`."""
    with transaction.atomic():
        planned = load(definitions, act)
        transaction.set_rollback(True)
    return planned


def fingerprint(loaded: Iterable[Loaded]) -> str:
    """Names what was there before, so that nobody agrees to a change of something else."""
    written = json.dumps([(one.slug, one.seen) for one in loaded])
    return hashlib.sha256(written.encode()).hexdigest()[:16]


def load_one(definition: object, act: Act, number: int) -> Loaded:
    """One definition, the `number`th of its file, in the caller's transaction."""
    slug = slug_of(definition)
    existing = find(slug, act)
    if says_where(definition, existing):
        act.require(editing.CHANGE_SOURCE)  # or judging it would tell what tables there are
    try:
        columns = clean(definition, existing=existing)  # type: ignore[arg-type]
    except InvalidDefinition as error:
        raise NotLoaded(refusal(slug, number, error)) from error
    if existing is None:
        made = editing.create(columns, act, action="load")
        return Loaded(made.slug, made.name, "created")
    before, seen = dump(existing), digest(existing)
    changed = tuple(name for name, value in columns.items() if getattr(existing, name) != value)
    now = editing.change(existing.pk, columns, act, action="load")
    outcome = "changed" if changed else "unchanged"
    return Loaded(now.slug, now.name, outcome, changed, differences(before, dump(now)), seen)


def says_where(definition: object, existing: Processor | None) -> bool:
    """Whether it names another table than the processor takes its records from already."""
    source = definition.get("source") if isinstance(definition, Mapping) else None
    if not isinstance(source, Mapping) or source.get("kind") == "inbox":
        return False
    return existing is None or source != dump(existing)["source"]


def slug_of(definition: object) -> object:
    """Its slug, made from the name where it is left out, as `clean` does."""
    if not isinstance(definition, Mapping):
        return None
    return definition.get("slug") or slugify(str(definition.get("name") or ""))


def refuse_twice(definitions: Iterable[object]) -> None:
    """Raise NotLoaded where two are of one slug: only the last would hold, unnoticed."""
    counts = Counter(slug for one in definitions if isinstance(slug := slug_of(one), str) and slug)
    lines = [
        _("%(slug)s: defined %(count)s times.") % {"slug": printable(slug), "count": count}
        for slug, count in counts.items()
        if count > 1
    ]
    if lines:
        raise NotLoaded("\n".join([*lines, _("Nothing was loaded.")]))


def find(slug: object, act: Act) -> Processor | None:
    """The processor to change, locked; None where there is none that this person may know of."""
    if not isinstance(slug, str) or not is_slug(slug):
        return None
    rows = Processor.objects.select_for_update(no_key=True)
    if not act.trusted:
        rows = rows.visible_to(act.actor.user or AnonymousUser())
    found: Processor | None = rows.filter(slug=slug).first()
    return found


def refusal(slug: object, number: int, error: InvalidDefinition) -> str:
    """Everything that is wrong, one line each; nothing was saved."""
    about = printable(slug) if isinstance(slug, str) and slug else f"definition {number}"
    lines = [
        f"{about}: {path}: {sentence}" if path else f"{about}: {sentence}"
        for path, found in error.errors.items()
        for sentence in found
    ]
    return "\n".join([*lines, _("Nothing was loaded.")])


def parse_definitions(text: str, name: str) -> list[object]:
    """The definitions of a JSON text: a list, or a single one. Raises NotLoaded."""
    try:
        value = parsed(text)
    except BadJson as error:
        place = "," if str(error).startswith("line ") else ":"
        raise NotLoaded(
            _("%(name)s%(place)s %(error)s Nothing was loaded.")
            % {"name": name, "place": place, "error": error}
        ) from error
    return value if isinstance(value, list) else [value]
