"""A month of believable history for the pictures: rows as the product would have written them.

Only for `make screenshots`, in the demo of this clone: `python -m docs.picture_history`; with
`work` something runs and something is paused while the pictures are taken.
"""

import os
import random
import sys
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DAYS = 30
SEED = 7
NOTIFICATIONS = 60_000
# Name, what it is for, cron, records of a usual run, seconds a record takes, share of bad runs.
PROCESSORS = (
    ("Nightly price update", "Apply the suppliers' price lists", "0 3 * * *", 4_200, 0.02, 0.06),
    ("Fetch exchange rates", "Rates of the central bank", "15 16 * * 1-5", 42, 0.1, 0.15),
    ("Import bank statements", "Post booking lines", "*/30 * * * *", 380, 0.05, 0.04),
    ("Export to the warehouse", "Write changed rows as files", "0 */4 * * *", 2_600, 0.03, 0.0),
    ("Geocode shipments", "Resolve delivery addresses to places", "10 */2 * * *", 610, 0.08, 0.3),
    ("Send dunning letters", "Letters for invoices that are overdue", "0 8 * * 1-5", 90, 0.6, 0.04),
    ("Archive old tickets", "Tickets that were closed two years ago", "30 1 * * 6", 900, 0.05, 0.0),
)  # fmt: skip
ERRORS = (
    ("GeocodingError", "No match for 'Main Street 7, 1234 Springfield'"),
    ("ReadTimeout", "The partner did not answer within 10 seconds."),
    ("ValidationError", "VAT number DE12345678 has the wrong length."),
    ("KeyError", "'postal_code'"),
)
PAYLOAD = {
    "customer": "Springfield Books",
    "country": "DE",
    "xml": '<?xml version="1.0"?><shipment no="S-1041"><to><street>Main Street 7</street>'
    '<city>1234 Springfield</city></to><weight unit="kg">2.4</weight></shipment>',
}
TRACEBACK = """Traceback (most recent call last):
  File "/srv/shop/handlers.py", line 41, in geocode
    place = find(record.payload["xml"])
  File "/srv/shop/places.py", line 18, in find
    raise %s(address)
%s
"""


def fill() -> None:
    """Once; a clone that has the history already is left alone."""
    from processors.models import Processor

    if Processor.objects.filter(slug="nightly-price-update").exists():
        return
    dice = random.Random(SEED)
    for row in PROCESSORS:
        fill_one(dice, *row)
    fill_act(Processor.objects.get(slug="geocode-shipments"))


def fill_one(
    dice: random.Random, name: str, about: str, cron: str, records: int, seconds: float, bad: float
) -> None:
    """A processor with its runs."""
    from processors import schedules
    from processors.clock import database_now
    from processors.models import Processor

    now = database_now()
    processor = Processor.objects.create(
        slug=name.lower().replace(" ", "-"), name=name, description=about,
        handler="demo.price_order", source={"kind": "inbox", "topic": None}, cron=cron,
        trigger_kind="cron", time_zone="Europe/Berlin", state="started",
        next_due_at=schedules.next_slot(cron, "Europe/Berlin", now),
    )  # fmt: skip
    slot = now - timedelta(days=DAYS)
    while (slot := schedules.next_slot(cron, "Europe/Berlin", slot)) < now - timedelta(minutes=20):
        processor.last_seq += 1
        add_run(dice, processor, slot, int(records * dice.uniform(0.7, 1.3)), seconds, bad)
    processor.save()


def fill_act(processor: Any) -> None:
    """An operator's act on many records, which is through."""
    from processors.clock import database_now
    from processors.models import BulkAct

    end = database_now() - timedelta(hours=3)
    BulkAct.objects.create(
        what="retry", words=f"processor {processor.name}, error GeocodingError", actor="anna",
        reason="The map service is back", expected=9_120, moved={str(processor.pk): 9_118},
        started_at=end - timedelta(minutes=2), seen_at=end, ended_at=end,
    )  # fmt: skip


def add_run(
    dice: random.Random, processor: Any, start: datetime, records: int, seconds: float, bad: float
) -> None:
    """One run as it ended, with some of its failed records."""
    from processors.models import Batch, Run, RunHour

    failed = dice.randint(1, 9) if dice.random() < bad else 0
    end = start + timedelta(seconds=records * seconds * dice.uniform(0.8, 1.2) / 4)
    counters = {"claimed": records, "done": records - failed, "dead": failed}
    run = Run.objects.create(
        processor=processor, seq=processor.last_seq, slot=start, trigger="schedule",
        actor="recordmill", state="finished", started_at=start, ended_at=end, expected=records,
        config={"queue": "default"}, **counters,
    )  # fmt: skip
    RunHour.count(run)
    batch = Batch.objects.create(
        run=run, slot=0, state="closed", close_reason="completed", owner="worker-1",
        lease_until=end, opened_at=start, closed_at=end, remaining=[], **counters,
    )  # fmt: skip
    for number in range(failed):
        add_failure(dice, run, batch, number)


def add_failure(dice: random.Random, run: Any, batch: Any, number: int) -> None:
    """A dead letter."""
    from processors.handlers.outcomes import Outcome
    from processors.models import Attempt, Record
    from processors.sources.fingerprints import fingerprint

    kind, message = dice.choices(ERRORS, weights=(6, 4, 2, 1))[0]
    same = fingerprint(Outcome("dead", error_type=kind, message=message))
    record = Record.objects.create(
        processor=run.processor, key=f"INV-{run.pk * 97 % 900_000 + number:06}", state="dead",
        payload=PAYLOAD, attempts=1, last_error=message, error_type=kind,
        fingerprint=same, available_at=run.started_at, created_at=run.started_at,
        settled_at=run.ended_at,
    )  # fmt: skip
    Attempt.objects.create(
        processor=run.processor, record=record, run=run, batch=batch, visit=1, number=1,
        outcome="dead", error_type=kind, message=message, owner="worker-1", at=run.ended_at,
        fingerprint=same, duration_seconds=0.2, traceback=TRACEBACK % (kind, f"{kind}: {message}"),
        log=["asked the map service", "no answer that fits"],
    )  # fmt: skip


def work() -> None:
    """Some minutes' work for the demo's slow processor, and one that somebody has paused."""
    from demo.notifications import sample_notifications
    from processors import control, publish
    from processors.acts import Refused, by_command_line
    from processors.clock import database_now
    from processors.models import Processor

    again = f"{database_now():%H%M%S}"  # keys that are not known yet
    items = sample_notifications(NOTIFICATIONS)
    publish("partner", ({**one, "key": f"{again}-{one['key']}"} for one in items))
    act = by_command_line("The warehouse is being moved")
    paused = Processor.objects.filter(slug="export-to-the-warehouse", state="started").first()
    if paused is not None:
        control.pause(paused.pk, act)
    with suppress(Refused):  # it is at work already
        control.run_once(Processor.objects.get(slug="partner").pk, act)


def main() -> int:
    """In the environment that the demo runs with."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    work() if "work" in sys.argv else fill()
    return 0


if __name__ == "__main__":
    sys.exit(main())
