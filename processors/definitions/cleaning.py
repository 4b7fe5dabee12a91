"""From a definition in JSON to the column values of a Processor."""

import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import Field
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from processors import schedules
from processors.definitions import key_limits, parsing
from processors.definitions.findings import Findings, InvalidDefinition
from processors.definitions.parsing import Unfit, Whole
from processors.handlers import Handler, InvalidOptions, registry
from processors.handlers.options import reference
from processors.models.processor import SLUG, Misfire, Processor, TriggerKind
from processors.schedules import InvalidSchedule
from processors.sources.inspection import inspect_source
from processors.sources.overlap import may_share_rows
from processors.storable import first_trouble, name_trouble

SLUG_CHARACTERS = 80
WEEK_SECONDS = 7 * 24 * 3600
LIMITS = {
    "parallelism": Whole(1, 1000),
    "concurrency": Whole(1, 256),
    "batch_size": Whole(1, 1000),
    "record_timeout_seconds": Whole(1, 86_400),
    "max_attempts": Whole(1, 50),
}
BREAKER = {
    "failures": Whole(1, 10_000),
    "share_percent": Whole(0, 100),
    "window": Whole(1, 10_000),
    "crashes": Whole(1, 1000),
}
RECORDS_PER_CYCLE = Whole(
    1, 10**9, gettext_lazy("A whole number from 1 to 1000000000, or nothing for no limit.")
)
TRIGGER_FIELDS = {
    "interval": ("kind", "pause_seconds"),
    "cron": ("kind", "cron", "time_zone", "misfire"),
    "arrival": ("kind",),
    "manual": ("kind",),
}
SOURCE_KINDS = ("inbox", "table")
TOPIC = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
FIELDS = (
    "slug",
    "name",
    "description",
    "handler",
    "options",
    "source",
    "queue",
    "trigger",
    *LIMITS,
    "records_per_cycle",
    "rate_limits",
    "blackouts",
    "backoff",
    "breaker",
)


def clean(data: Mapping[str, object], *, existing: Processor | None = None) -> dict[str, Any]:
    """The column values of a complete processor; what is left out gets its default.

    `existing` is the processor that will be changed. Raises InvalidDefinition with everything
    that is wrong. Cost: a table source is tried against its database.
    """
    if not isinstance(data, Mapping):
        raise InvalidDefinition(
            {"": [_("A definition is an object with slug, handler and source.")]}
        )
    return Cleaning(data, existing).run()


def default(column: str) -> Any:
    """What the model gives a column that nobody mentions."""
    field = Processor._meta.get_field(column)  # noqa: SLF001 - Django's documented name
    return cast("Field[Any, Any]", field).get_default()


def printable(text: object) -> str:
    """Any text as one that every terminal and page can show, cut to a sentence's length."""
    shown = str(text).replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()
    return shown[:200]


def is_slug(text: str) -> bool:
    """Whether the model takes it as a slug."""
    try:
        SLUG(text)
    except ValidationError:
        return False
    return len(text) <= SLUG_CHARACTERS


class Cleaning:
    """One definition on its way into columns; each method cleans a field and its neighbours."""

    def __init__(self, data: Mapping[str, object], existing: Processor | None) -> None:
        self.data = data
        self.existing = existing
        self.found = Findings()
        self.columns: dict[str, Any] = {}

    def run(self) -> dict[str, Any]:
        """Field by field, then what must fit together."""
        self.refuse_unstorable()
        self.found.refuse_unknown(self.data, FIELDS)
        self.clean_slug()
        self.clean_name()
        self.take("description", parsing.description, default("description"))
        handler = self.clean_handler()
        self.clean_options(handler)
        self.clean_queue()
        self.clean_limits()
        self.take("rate_limits", parsing.rate_limits, default("rate_limits"))
        self.take("blackouts", parsing.blackouts, default("blackouts"))
        self.clean_backoff()
        self.clean_breaker()
        self.clean_source()
        self.check_key_limits()
        self.clean_trigger()
        self.check_effects(handler)
        if self.found.errors:
            raise InvalidDefinition(self.found.errors)
        return self.columns

    def refuse_unstorable(self) -> None:
        """What no database can hold is told first: the rest would stumble over it."""
        for field, value in self.data.items():
            if isinstance(value, float):
                continue  # the limit of its field says more
            trouble = name_trouble(field, "the definition") or first_trouble(value, str(field))
            if trouble:
                self.found.refuse(printable(field), printable(trouble))
        if self.found.errors:
            raise InvalidDefinition(self.found.errors)

    def take(self, field: str, parse: Callable[[object], Any], missing: Any) -> None:
        """Parse one field into the column of its name."""
        value = self.data.get(field)
        self.columns[field] = missing
        if value is None:
            return
        try:
            self.columns[field] = parse(value)
        except Unfit as error:
            self.found.refuse(field, str(error))

    def others(self) -> list[Processor]:
        """Every other processor."""
        found = Processor.objects.all()
        return list(found.exclude(pk=self.existing.pk) if self.existing else found)

    def clean_slug(self) -> None:
        """The name in addresses and commands; made from the name where it is left out."""
        slug = self.data.get("slug") or slugify(str(self.data.get("name") or ""))[:80].strip("-")
        self.columns["slug"] = slug
        if not isinstance(slug, str) or not is_slug(slug):
            self.found.refuse(
                "slug",
                _("Give a slug of at most 80 lower case letters, digits and single hyphens."),
            )
        elif any(other.slug == slug for other in self.others()):
            self.found.refuse(
                "slug", _("A processor with the slug '%(slug)s' exists already.") % {"slug": slug}
            )

    def clean_name(self) -> None:
        """What people read; no two that look the same."""
        in_words = str(self.columns["slug"]).replace("-", " ").capitalize()
        self.take("name", parsing.name, in_words[: parsing.NAME_CHARACTERS])
        likeness = parsing.likeness(self.columns["name"])
        for other in self.others():
            if parsing.likeness(other.name) == likeness:
                self.found.refuse(
                    "name", _("A processor named '%(name)s' exists already.") % {"name": other.name}
                )

    def clean_handler(self) -> Handler | None:
        """One of the registered handlers: nobody types an import path."""
        name = self.data.get("handler")
        handler = registry.find(name) if isinstance(name, str) else None
        self.columns["handler"] = handler.name if handler else ""
        if handler is None:
            self.found.refuse("handler", self.handler_problem(name))
        return handler

    def handler_problem(self, name: object) -> str:
        """Why there is no such handler."""
        if self.existing is not None and name == self.existing.handler:
            return _("Handler '%(name)s' is no longer installed on this server.") % {"name": name}
        known = ", ".join(handler.name for handler in registry.all()) or _("none is installed")
        if not name:
            return _("Choose a handler: %(known)s.") % {"known": known}
        return _("Unknown handler '%(given)s'. Choose one of: %(known)s.") % {
            "given": str(name)[:100],
            "known": known,
        }

    def clean_options(self, handler: Handler | None) -> None:
        """An object that the handler accepts, without secrets written out."""
        self.take("options", parsing.options, {})
        given = self.columns["options"]
        for option in parsing.clear_secrets(given):
            self.found.refuse(
                f"options.{option}",
                _("Put secrets into the environment and name them here (env:NAME)."),
            )
        for option, value in given.items():
            if reference(value) in settings.OWN_SECRETS:
                self.found.refuse(
                    f"options.{option}",
                    _("%(reference)s is Recordmill's own: give the handler another variable.")
                    % {"reference": reference(value)},
                )
        if handler is None or "options" in self.found.errors:
            return
        try:
            handler.check_options(given)
        except InvalidOptions as error:
            for option, sentences in error.errors.items():
                for sentence in sentences:
                    self.found.refuse(f"options.{option}", sentence)

    def clean_queue(self) -> None:
        """One of the configured queues."""
        queue = self.data.get("queue") or default("queue")
        self.columns["queue"] = queue
        if queue not in settings.QUEUES:
            self.found.refuse(
                "queue",
                _("Unknown queue '%(given)s'. Choose one of: %(known)s.")
                % {"given": str(queue)[:80], "known": ", ".join(settings.QUEUES)},
            )

    def clean_limits(self) -> None:
        """Whole numbers within their limits."""
        for field, limit in LIMITS.items():
            self.take(field, limit.parse, default(field))
        if self.data.get("records_per_cycle") == "":
            self.columns["records_per_cycle"] = None
        else:
            self.take("records_per_cycle", RECORDS_PER_CYCLE.parse, None)

    def clean_backoff(self) -> None:
        """The first and the longest wait before a retry."""
        given = self.data.get("backoff") or {}
        if not isinstance(given, Mapping):
            return self.found.refuse("backoff", _("Give base_seconds and cap_seconds."))
        self.found.refuse_unknown(given, ("base_seconds", "cap_seconds"), "backoff.")
        base, cap = (self.wait(given, part) for part in ("base", "cap"))
        if base is not None and cap is not None and base > cap:
            self.found.refuse(
                "backoff.base_seconds",
                _("The first wait (%(base)s s) is longer than the longest (%(cap)s s).")
                % {"base": f"{base:g}", "cap": f"{cap:g}"},
            )
        elif cap == 0:
            self.found.refuse("backoff.cap_seconds", _("The longest wait must be more than 0 s."))
        return None

    def wait(self, given: Mapping[str, object], part: str) -> float | None:
        """One of the two waits; None where it was refused."""
        value = given.get(f"{part}_seconds", default(f"backoff_{part}_seconds"))
        try:
            number = parsing.seconds(value, WEEK_SECONDS, _("From 0 seconds to 7 days (604800)."))
        except Unfit as error:
            self.found.refuse(f"backoff.{part}_seconds", str(error))
            return None
        self.columns[f"backoff_{part}_seconds"] = number
        return number

    def clean_breaker(self) -> None:
        """When the machine shall stop the processor."""
        given = self.data.get("breaker") or {}
        if not isinstance(given, Mapping):
            return self.found.refuse(
                "breaker", _('Give {"on": false}, or some of on, ') + ", ".join(BREAKER) + "."
            )
        self.found.refuse_unknown(given, ("on", *BREAKER), "breaker.")
        on = given.get("on", default("breaker_on"))
        self.columns["breaker_on"] = on
        if not isinstance(on, bool):
            self.found.refuse("breaker.on", _("true or false."))
        for part, limit in BREAKER.items():
            self.take_part(given, part, limit)
        if self.columns["breaker_failures"] > self.columns["breaker_window"]:
            self.found.refuse(
                "breaker.failures",
                _(
                    "It could never trip: %(breaker_failures)s failures among the last "
                    "%(breaker_window)s outcomes."
                )
                % {
                    "breaker_failures": self.columns["breaker_failures"],
                    "breaker_window": self.columns["breaker_window"],
                },
            )
        return None

    def take_part(self, given: Mapping[str, object], part: str, limit: Whole) -> None:
        """One number of the breaker."""
        column = f"breaker_{part}"
        self.columns[column] = default(column)
        if given.get(part) is None:
            return
        try:
            self.columns[column] = limit.parse(given[part])
        except Unfit as error:
            self.found.refuse(f"breaker.{part}", str(error))

    def clean_source(self) -> None:
        """Where the records come from."""
        given = self.data.get("source")
        kind = given.get("kind") if isinstance(given, Mapping) else None
        self.columns |= {"source": {}, "source_kind": kind, "topic": ""}
        if not isinstance(given, Mapping):
            return self.found.refuse("source", _('Give a source, such as {"kind": "inbox"}.'))
        if kind not in SOURCE_KINDS:
            return self.found.refuse(
                "source.kind",
                _("Unknown kind of source '%(given)s'. Choose one of: %(known)s.")
                % {"given": str(kind)[:80], "known": ", ".join(SOURCE_KINDS)},
            )
        return self.clean_inbox(given) if kind == "inbox" else self.clean_table(given)

    def clean_inbox(self, given: Mapping[str, Any]) -> None:
        """Our own table, by topic or by slug."""
        self.found.refuse_unknown(given, ("kind", "topic"), "source.")
        topic = given.get("topic") or None
        if topic is not None and not (isinstance(topic, str) and TOPIC.fullmatch(topic)):
            return self.found.refuse(
                "source.topic",
                _("A topic is 1 to 80 letters, digits, dots, hyphens or underscores."),
            )
        self.columns |= {"source": {"kind": "inbox", "topic": topic}, "topic": topic or ""}
        return None

    def clean_table(self, given: Mapping[str, Any]) -> None:
        """A table of the user's, tried against its database."""
        inspected = inspect_source(given)
        for path, sentences in inspected.problems.items():
            for sentence in sentences:
                self.found.refuse(f"source.{path}", sentence)
        self.columns["source"] = inspected.normal
        if inspected.problems:
            return
        for other in self.others():
            if may_share_rows(inspected.normal, other.source):
                self.found.refuse(
                    "source.table",
                    _(
                        "Processor '%(name)s' already takes these rows. Give each its own word for "
                        "new, or filters of which only one can hold for a row."
                    )
                    % {"name": other.name},
                )

    def check_key_limits(self) -> None:
        """What a limit is counted by must be there to be counted."""
        limits, source = self.columns["rate_limits"], self.columns["source"]
        for trouble in key_limits.troubles(limits, source, self.existing):
            self.found.refuse("rate_limits", trouble)

    def clean_trigger(self) -> None:
        """When a cycle begins; left out: on arrival for an inbox, after a pause for a table."""
        is_inbox = self.columns["source_kind"] == "inbox"
        given = self.data.get("trigger") or {"kind": "arrival" if is_inbox else "interval"}
        kind = given.get("kind") if isinstance(given, Mapping) else None
        columns = ("pause_seconds", "cron", "time_zone", "misfire")
        self.columns |= {column: default(column) for column in columns}
        self.columns["trigger_kind"] = kind
        if not isinstance(given, Mapping) or kind not in list(TRIGGER_FIELDS):
            return self.found.refuse(
                "trigger.kind",
                _("Choose one of: %(known)s.") % {"known": ", ".join(TriggerKind.values)},
            )
        self.found.refuse_unknown(given, TRIGGER_FIELDS[str(kind)], "trigger.")
        if kind == "arrival" and not is_inbox:
            self.found.refuse(
                "trigger.kind",
                _(
                    "Only an inbox knows when a record arrives; choose interval (after a pause), "
                    "cron (at set times) or manual (only by hand)."
                ),
            )
        if kind == "interval":
            self.clean_pause(given)
        elif kind == "cron":
            self.clean_cron(given)
        return None

    def clean_pause(self, given: Mapping[str, Any]) -> None:
        """The pause between two cycles."""
        try:
            self.columns["pause_seconds"] = schedules.check_pause(
                given.get("pause_seconds", default("pause_seconds"))
            )
        except InvalidSchedule as error:
            self.found.refuse("trigger.pause_seconds", str(error))

    def clean_cron(self, given: Mapping[str, Any]) -> None:
        """The set times, their zone, and what becomes of missed ones."""
        zone = str(given.get("time_zone") or default("time_zone"))
        self.take_schedule("cron", schedules.check_cron, str(given.get("cron") or ""))
        self.take_schedule("time_zone", schedules.check_zone, zone)
        misfire = given.get("misfire") or default("misfire")
        self.columns["misfire"] = misfire
        if misfire not in Misfire.values:
            self.found.refuse(
                "trigger.misfire",
                _("Choose one of: %(known)s.") % {"known": ", ".join(Misfire.values)},
            )

    def take_schedule(self, field: str, check: Callable[[str], str], value: str) -> None:
        """One part of a cron trigger, in its usual writing."""
        try:
            self.columns[field] = check(value)
        except InvalidSchedule as error:
            self.found.refuse(f"trigger.{field}", str(error))

    def check_effects(self, handler: Handler | None) -> None:
        """What a handler promises must be possible with this source and these limits."""
        if handler is None or handler.effects != "database":
            return
        database = self.columns["source"].get("database", "default")
        if database != "default":
            self.found.refuse(
                "source.database",
                _(
                    "Handler '%(name)s' works inside our own transaction (effects='database'): "
                    "its table must be in 'default', not in '%(database)s'."
                )
                % {"name": handler.name, "database": database},
            )
        if self.columns["concurrency"] != 1:
            self.found.refuse(
                "concurrency",
                _(
                    "Handler '%(name)s' works inside one transaction (effects='database'): its "
                    "concurrency is 1. Raise parallelism instead."
                )
                % {"name": handler.name},
            )
