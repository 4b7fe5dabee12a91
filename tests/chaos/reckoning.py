"""What became of every record that the publisher was told is stored."""

from collections import Counter
from dataclasses import dataclass, field

from django.db.models import Count, Sum

from processors import dead_letters
from processors.acts import by_command_line
from processors.models import Attempt, Event, Processor, Record, Run
from processors.protocol.reaping import MAX_CRASHES
from processors.states import RecordState
from tests.chaos.far_end import FarEnd
from tests.chaos.people import TABLES
from tests.handling.models import Effect
from tests.tables import Table

OPEN = (RecordState.READY, RecordState.CLAIMED)
OUTSIDE = ("slow", "elsewhere")


@dataclass
class Reckoning:
    """The figures at the end; `wrong` says what is not as it must be, a line each."""

    records: int = 0
    lost: int = 0
    doubled: int = 0
    repeated_outside: int = 0
    set_aside: int = 0
    crashes: int = 0
    runs: int = 0
    wrong: list[str] = field(default_factory=list)


def open_records() -> int:
    """Records that wait or are in hand, in inboxes and tables."""
    waiting = Record.objects.filter(processor__source_kind="inbox", state__in=OPEN).count()
    for alias in TABLES.values():
        sql = "SELECT count(*) FROM goods WHERE status NOT IN ('DONE', 'ERROR')"
        waiting += Table.existing(alias).fetch(sql)[0][0]
    return waiting


def retry_those_set_aside() -> None:
    """Killed three times from outside, an innocent record waits for a person: here he is."""
    dead = Record.objects.filter(state=RecordState.DEAD, crashes__gte=MAX_CRASHES)
    for record in dead.exclude(payload__has_key="die").select_related("processor"):
        selection = dead_letters.Selection(ids=(record.pk,))
        by = by_command_line("killed by the chaos, not by itself")
        dead_letters.retry(record.processor_id, by, selection)


def reckon(sent: dict[str, list[str]], far_end: FarEnd) -> Reckoning:
    """Count everything; nothing may change any more."""
    found = Reckoning(
        records=sum(map(len, sent.values())),
        repeated_outside=far_end.repeated,
        set_aside=Event.objects.filter(action="retry").count(),
        crashes=Attempt.objects.filter(outcome="crashed").count(),
        runs=Run.objects.count(),
    )
    for slug, keys in sent.items():
        check_keys(found, slug, keys)
        check_effects(found, slug, far_end)
        check_counters(found, slug)
    return found


def fates(slug: str) -> dict[str, str]:
    """The end of every record, by its key: done, skipped, dead, or what it is still in."""
    if slug in TABLES:
        rows = Table.existing(TABLES[slug]).fetch("SELECT id, status FROM goods")
        words = {"DONE": "done", "ERROR": "dead"}
        return {str(key): words.get(status, status) for key, status in rows}
    rows_of = Record.objects.filter(processor__slug=slug)
    return dict(rows_of.values_list("key", "state"))


def check_keys(found: Reckoning, slug: str, sent: list[str]) -> None:
    """No loss: what was stored has ended; nothing is there that nobody sent."""
    ended = {key for key, fate in fates(slug).items() if fate in ("done", "skipped", "dead")}
    lost = [key for key in sent if key not in ended]
    found.lost += len(lost)
    if lost:
        found.wrong.append(f"{slug}: {len(lost)} records are through nowhere: {lost[:5]}")
    dead = {key for key, fate in fates(slug).items() if fate == "dead"}
    if slug != "flaky" and dead:
        found.wrong.append(f"{slug}: {len(dead)} records are dead: {sorted(dead)[:5]}")


def check_effects(found: Reckoning, slug: str, far_end: FarEnd) -> None:
    """Done and effect are one, in both directions, and once."""
    done = Counter(key for key, fate in fates(slug).items() if fate == "done")
    effects = effects_of(slug, far_end)
    missing, extra = done - effects, effects - done
    found.lost += missing.total()
    found.doubled += extra.total()
    if missing:
        found.wrong.append(f"{slug}: done without an effect: {sorted(missing)[:5]}")
    if extra:
        found.wrong.append(f"{slug}: effects that are too many: {sorted(extra)[:5]}")


def effects_of(slug: str, far_end: FarEnd) -> Counter[str]:
    """How often each key took effect."""
    processor = Processor.objects.get(slug=slug)
    if slug in OUTSIDE:
        parts = (key.split(":") for key in far_end.calls)  # installation, processor, key, visit
        return Counter(key for _, owner, key, _ in parts if owner == str(processor.pk))
    rows = Effect.objects.filter(run__in=Run.objects.filter(processor=processor).values("pk"))
    counted = rows.values("key").annotate(times=Count("pk"))
    return Counter({row["key"]: row["times"] for row in counted})


def check_counters(found: Reckoning, slug: str) -> None:
    """The runs have counted every success once."""
    counted = Run.objects.filter(processor__slug=slug).aggregate(done=Sum("done"))["done"] or 0
    done = sum(fate == "done" for fate in fates(slug).values())
    if counted != done:
        found.wrong.append(f"{slug}: the runs count {counted} done, there are {done}")
