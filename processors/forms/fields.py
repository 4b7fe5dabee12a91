"""The fields of a processor's form.

No rule lives here: every field takes any text, and what `definitions.clean` refuses is placed
beside the field it speaks of.
"""

from collections.abc import Collection
from typing import Any

from django import forms
from django.conf import settings
from django.db import IntegrityError
from django.db.models import Q
from django.forms.boundfield import BoundField
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from processors import control, editing
from processors.definitions import InvalidDefinition, clean, digest
from processors.definitions.parsing import NAME_CHARACTERS
from processors.forms.typed import BREAKER, WORDS, build, initial_values
from processors.handlers import registry
from processors.models import Processor
from processors.models.processor import Misfire, TriggerKind
from processors.sources.introspection import aliases

# Where a sentence about a part of the definition belongs on the page.
FIELD_OF = {
    "source": "source_kind",
    "source.kind": "source_kind",
    "source.words": "word_new",
    **{f"source.words.{word}": f"word_{word}" for word in WORDS},
    "trigger": "trigger_kind",
    "trigger.kind": "trigger_kind",
    "backoff": "backoff_base_seconds",
    "backoff.base_seconds": "backoff_base_seconds",
    "backoff.cap_seconds": "backoff_cap_seconds",
    "breaker": "breaker_on",
    **{f"breaker.{part}": f"breaker_{part}" for part in ("on", *BREAKER)},
}

TABLE_FIELDS = (
    "database", "table", "key", "status", *(f"word_{word}" for word in WORDS),
    "payload", "result", "error", "filter", "order",
)  # fmt: skip
SOURCE_FIELDS = ("source_kind", *TABLE_FIELDS)


def text(label: Any, help_text: Any = "", *, rows: int = 0, strip: bool = True) -> forms.CharField:
    """A field that takes any text."""
    widget = forms.Textarea(attrs={"rows": rows}) if rows else forms.TextInput()
    return forms.CharField(
        label=label, help_text=help_text, required=False, strip=strip, widget=widget
    )


def whole(label: Any, help_text: Any = "") -> forms.CharField:
    """A number as it was typed: the definition's rules judge it, blanks and all."""
    field = text(label, help_text, strip=False)
    field.widget.attrs["inputmode"] = "numeric"
    field.widget.attrs["size"] = 8
    return field


def choice(label: Any, help_text: Any = "") -> forms.CharField:
    """A list to choose from; what is not on it is refused by the definition's rules."""
    return forms.CharField(label=label, help_text=help_text, required=False, widget=forms.Select())


class ProcessorForm(forms.Form):
    """A definition to fill in."""

    name = text(_("Name"), _("What people read, at most 80 characters."))
    slug = text(
        _("Slug"),
        _("The name in commands and web addresses; left empty, it is made from the name."),
    )
    description = text(_("Description"), _("What it is for, in a sentence."), rows=2)
    handler = choice(_("Handler"), _("The function that treats each record; see below."))
    options = text(
        _("Options"),
        _(
            'What the handler is told, as JSON: {"currency": "EUR"}. Put secrets into the '
            "environment and name them here (env:NAME)."
        ),
        rows=4,
    )

    source_kind = choice(_("Records come from"))
    topic = text(
        _("Topic"), _("Inboxes with the same topic all get what is published under it. Optional.")
    )
    database = choice(_("Database"))
    table = text(_("Table"), _("Preview shows what would be taken from it."))
    key = text(_("Key column"), _("Unique and never empty: whole number, text or UUID."))
    status = text(_("Status column"), _("Holds the words below and says what became of a row."))
    word_new = text(_("Word for new"), _("Rows with this status are taken."), strip=False)
    word_claimed = text(_("Word for in hand"), _("Written when a worker takes a row."), strip=False)
    word_done = text(_("Word for done"), strip=False)
    word_failed = text(_("Word for failed"), _("Written after the last attempt."), strip=False)
    word_skipped = text(
        _("Word for skipped"), _("Optional; without it, skipped rows get the word for done."),
        strip=False,
    )  # fmt: skip
    payload = text(
        _("Payload columns"),
        _("What the handler sees, with commas between; left empty, every other column."),
    )
    result = text(_("Result column"), _("Gets what the handler returns, as JSON. Optional."))
    error = text(_("Error column"), _("Gets the last error's text. Optional."))
    filter = text(
        _("Only rows where"),
        _(
            "One condition a line: column, operator, value, such as “amount > 0”, "
            "“country in DE, AT” or “deleted_at is null”. All of them must hold."
        ),
        rows=3,
    )
    order = text(
        _("Order"), _("Columns with commas between, “-column” for the largest first; else by key.")
    )

    trigger_kind = choice(_("A cycle begins"))
    pause_seconds = whole(_("Pause"), _("Seconds between the end of a cycle and the next one."))
    cron = text(
        _("Cron"), _("Minute, hour, day, month, weekday: “*/5 * * * *” is every five minutes.")
    )
    time_zone = text(_("Time zone"), _("A place such as Europe/Berlin, or UTC."))
    misfire = choice(_("Missed times"), _("When nothing could run at a set time."))

    queue = choice(_("Queue"), _("Workers that listen to it take the work."))
    parallelism = whole(_("Parallelism"), _("Batches at once, over all workers."))
    concurrency = whole(_("Concurrency"), _("Records at once within a batch."))
    batch_size = whole(_("Batch size"), _("Records that a worker takes at a time."))
    records_per_cycle = whole(_("Records per cycle"), _("Left empty: no limit."))
    rate_limits = text(
        _("Rate limits"),
        _(
            "One a line, such as “100/s” or “1,000/h” (s, min, h, d). All of them hold, for all "
            "workers together."
        ),
        rows=2,
    )
    blackouts = text(
        _("Blackouts"),
        _(
            "One a line: when no records are taken, such as “Mon-Fri 08:00-10:00”, "
            "“daily 22:00-06:00”, “12-25” or “2026-12-24..2027-01-01 Europe/Berlin”."
        ),
        rows=2,
    )
    record_timeout_seconds = whole(_("Time limit per record"), _("Seconds."))
    max_attempts = whole(_("Attempts"), _("How often a record is tried before it is dead."))
    backoff_base_seconds = whole(_("First wait before a retry"), _("Seconds; doubles each time."))
    backoff_cap_seconds = whole(_("Longest wait"), _("Seconds."))

    breaker_on = choice(
        _("Stop by itself"), _("When going on would do harm; then a person looks and starts it.")
    )
    breaker_failures = whole(_("After failures"), _("So many different records failed…"))
    breaker_share_percent = whole(
        _("Share of failures"), _("…and so many percent of the newest outcomes; 0: any share.")
    )
    breaker_window = whole(_("Outcomes looked at"), _("The newest ones, over runs and workers."))
    breaker_crashes = whole(
        _("After lost workers"),
        _("So many different records in a row ended their worker's process."),
    )

    seen = forms.CharField(required=False, widget=forms.HiddenInput())
    operation = forms.UUIDField(required=False, widget=forms.HiddenInput())

    groups = (
        (_("What it does"), "", ("name", "slug", "description", "handler", "options")),
        (_("Where records come from"), "", ("source_kind",)),
        ("", "only-inbox", ("topic",)),
        ("", "only-table", TABLE_FIELDS),
        (_("When a cycle begins"), "", ("trigger_kind",)),
        ("", "only-interval", ("pause_seconds",)),
        ("", "only-cron", ("cron", "time_zone", "misfire")),
        ("", "", ("blackouts",)),
        (
            _("Limits"),
            "columns",
            ("queue", "parallelism", "concurrency", "batch_size", "records_per_cycle",
             "record_timeout_seconds", "rate_limits"),
        ),
        (
            _("Retries"),
            "columns",
            ("max_attempts", "backoff_base_seconds", "backoff_cap_seconds"),
        ),
        (
            _("Circuit breaker"),
            "columns",
            ("breaker_on", *(f"breaker_{part}" for part in BREAKER)),
        ),
    )  # fmt: skip

    def __init__(
        self,
        data: Any = None,
        *,
        existing: Processor | None = None,
        like: Processor | None = None,
        may_change_source: bool = True,
    ) -> None:
        self.existing = existing
        self.columns: dict[str, Any] = {}
        self.definition: dict[str, Any] = {}
        initial = initial_values(existing)
        if like is not None:
            initial |= values_like(like, () if may_change_source else SOURCE_FIELDS)
        super().__init__(data, initial=initial)
        if not may_change_source:
            self.keep_source()
        self.fill_choices()

    def keep_source(self) -> None:
        """For who may not say where records come from: what is sent for these fields is ignored."""
        for name in SOURCE_FIELDS:
            self.fields[name].disabled = True
        self.fields["source_kind"].help_text = _("You do not have the right to change it.")

    def fill_choices(self) -> None:
        """What can be chosen on this installation, now."""
        handlers = [(one.name, f"{one.label} ({one.name})") for one in registry.all()]
        gone = self.existing.handler if self.existing else ""
        if gone and gone not in dict(handlers):
            handlers.append((gone, _("%(name)s (no longer installed)") % {"name": gone}))
        self.choose("handler", [("", _("Choose…")), *handlers])
        self.choose("source_kind", [("inbox", _("Its own inbox")), ("table", _("A table"))])
        self.choose("database", [(alias, alias) for alias in aliases()])
        self.choose("queue", [(name, name) for name in settings.QUEUES])
        self.choose("trigger_kind", [(kind.value, kind.label) for kind in TriggerKind])
        self.choose("breaker_on", [("yes", _("Yes")), ("no", _("No"))])
        self.choose("misfire", [(one.value, one.label) for one in Misfire])

    def choose(self, name: str, choices: list[tuple[Any, Any]]) -> None:
        """Give a field its list; a value that is not on it stays visible."""
        current = self[name].value()
        if current and current not in dict(choices):
            choices = [*choices, (current, current)]
        self.fields[name].widget.choices = choices

    def sections(self) -> list[tuple[Any, str, list[BoundField]]]:
        """Title, class and fields of each part of the page."""
        return [(title, kind, [self[name] for name in names]) for title, kind, names in self.groups]

    def clean(self) -> dict[str, Any]:
        """The whole definition, judged; what is wrong goes to its fields."""
        super().clean()
        if not self.errors:
            self.definition = build(self.cleaned_data)
            try:
                self.columns = clean(self.definition, existing=self.existing)
            except InvalidDefinition as found:
                self.place(found.errors)
        return self.cleaned_data

    def place(self, errors: dict[str, list[str]]) -> None:
        """Each sentence beside its field, others on top with the name of what they speak of."""
        for path, sentences in errors.items():
            field = field_of(path, self.fields)
            for sentence in sentences:
                option = path.removeprefix("options.")
                words = f"{option}: {sentence}" if path.startswith("options.") else sentence
                self.add_error(field, words if field else f"{path}: {sentence}")

    def check_seen(self) -> bool:
        """Whether the definition is still the one that the page showed; else says who was first."""
        if self.existing is None or self.fits(self.existing):
            return True
        self.add_error(None, str(editing.ChangedMeanwhile(self.existing)))
        return False

    def save(self, act: control.Act) -> Processor | None:
        """Write it; None, with an error on the page, where somebody was first."""
        try:
            if self.existing is None:
                return editing.create(self.columns, act)
            return editing.change(self.existing.pk, self.columns, act, fits=self.fits)
        except IntegrityError:
            self.add_error("slug", _("A processor with this slug was saved in this moment."))
        except editing.ChangedMeanwhile as conflict:
            self.add_error(None, str(conflict))
        return None

    def fits(self, processor: Processor) -> bool:
        """Whether a processor still says what the page showed."""
        return bool(self.cleaned_data["seen"] == digest(processor))


def values_like(processor: Processor, without: Collection[str]) -> dict[str, Any]:
    """What the form of a new processor shows that shall do as another one, under a free name."""
    values = initial_values(processor)
    for number in range(1, 1000):
        ending = _("copy") if number == 1 else _("copy %(number)s") % {"number": number}
        name = f"{processor.name[: NAME_CHARACTERS - 12]} ({ending})"
        slug = slugify(name)
        if not Processor.objects.filter(Q(name=name) | Q(slug=slug)).exists():
            break
    values |= {"name": name, "slug": slug, "seen": ""}
    return {field: value for field, value in values.items() if field not in without}


def field_of(path: str, fields: dict[str, forms.Field]) -> str | None:
    """The form's field for a path of the definition, None where it has none."""
    if path.partition(".")[0] == "options":
        return "options"
    name = FIELD_OF.get(path) or path.rpartition(".")[2]
    return name if name in fields else None
