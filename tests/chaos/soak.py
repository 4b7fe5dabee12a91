"""The soup for long, with gauges: its figures at the end."""

from collections.abc import Iterator

from tests.chaos.gauges import Gauges, first_and_last, growths, least, p95, peak
from tests.chaos.regular import Regular
from tests.chaos.soup import Soup

CHECK_SECONDS = 180.0
NAMES = {
    "claim_blocks": "blocks read to claim a record, most",
    "redis_keys": "Redis keys, most",
    "redis_mb": "Redis memory MB, most",
    "redis_clients": "connections to Redis, most",
    "sessions": "sessions of Postgres, most",
    "dead_rows": "dead rows of the hot tables, most",
    "index_mb": "indexes of the hot tables MB, most",
}

Figures = list[tuple[str, str, str]]


class Soak(Soup):
    """As the soup; faults are rarer, what must happen regularly does."""

    check_seconds = CHECK_SECONDS

    def prepare(self) -> None:
        super().prepare()
        self.gauges = Gauges(self.striker.scene)
        seconds = self.plan.regular_seconds or self.plan.seconds
        self.regular = Regular(self.striker, self.crew, seconds, self.plan.database)

    def turn(self, records: int) -> None:
        super().turn(records)
        self.regular.turn(records)
        self.gauges.turn()

    def figures(self) -> Figures:
        """What it was in the first third, and in the last."""
        return [*self._compared(), *self._growths()]

    def _compared(self) -> Iterator[tuple[str, str, str]]:
        first, last = first_and_last(self.gauges.samples)
        yield "claim ms, p95", shown(p95(first)), shown(p95(last))
        for name, words in NAMES.items():
            yield words, shown(peak(first, name)), shown(peak(last, name))
        # The least: an empty table weighs much for each of its records.
        words = "bytes of the hot tables for a record, least"
        name = "bytes_a_record"
        yield words, shown(least(first, name)), shown(least(last, name))

    def _growths(self) -> Iterator[tuple[str, str, str]]:
        for found in growths(self.gauges.samples):
            name = f"{found.post}, growth an hour, over {found.minutes:.0f} minutes"
            yield (
                name,
                f"{found.mb_an_hour:+.1f} MB",
                f"{found.descriptors_an_hour:+.1f} descriptors",
            )


def shown(value: float | None) -> str:
    """A figure."""
    return "-" if value is None else f"{value:,.1f}"
