"""How much at once, how often again, and when to stop: the numbers of a definition."""

from collections.abc import Mapping

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from processors.definitions import parsing
from processors.definitions.draft import Draft, default
from processors.definitions.parsing import Unfit, Whole

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


class Limits(Draft):
    """Numbers, each within its own limits."""

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
