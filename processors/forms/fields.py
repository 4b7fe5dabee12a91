"""The fields of a processor's form.

No rule lives here: every field takes any text, and what `definitions.clean` refuses is placed
beside the field it speaks of.
"""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from processors.definitions.limits import BREAKER
from processors.forms.typed import WORDS

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


class DefinitionFields(forms.Form):
    """A definition to fill in; its behaviour is in `processor`."""

    name = text(_("Name"), _("What people read, at most 80 characters."))
    slug = text(
        _("Slug"),
        _("The name in commands and web addresses; left empty, it is made from the name."),
    )
    description = text(_("Description"), _("What it is for, in a sentence."), rows=2)
    handler = choice(_("Handler"), _("The function that treats each record."))
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
    table = text(_("Table"), _("Type a part of its name; the list has what can be a source."))
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
            "workers together. “5/min by customer” holds for each customer by itself: name a field "
            "of the payload, one within another (“customer.id”), or “key” for the record's own."
        ),
        rows=2,
    )
    blackouts = text(
        _("Blackouts"),
        _(
            "One a line: when no records are taken, such as “Mon-Fri 08:00-10:00”, "
            "“daily 22:00-06:00”, “12-25”, “12-24..01-01” (each year) or "
            "“2026-12-24..2027-01-01 Europe/Berlin”."
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

    # Whose options the page drew as fields: what was typed into them is for that handler.
    options_of = forms.CharField(required=False, widget=forms.HiddenInput())
    seen = forms.CharField(required=False, widget=forms.HiddenInput())
    operation = forms.UUIDField(required=False, widget=forms.HiddenInput())

    groups = (
        (_("What it does"), "", ("name", "slug", "description", "handler")),
        ("", "own-options", ()),
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
