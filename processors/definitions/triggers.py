"""When a cycle begins."""

from collections.abc import Callable, Mapping
from typing import Any

from django.utils.translation import gettext as _

from processors import schedules
from processors.cron import InvalidSchedule
from processors.definitions.draft import Draft, default
from processors.models.processor import Misfire, TriggerKind

TRIGGER_FIELDS = {
    "interval": ("kind", "pause_seconds"),
    "cron": ("kind", "cron", "time_zone", "misfire"),
    "arrival": ("kind",),
    "manual": ("kind",),
}


class Triggers(Draft):
    """What begins cycles, and how they follow each other."""

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
