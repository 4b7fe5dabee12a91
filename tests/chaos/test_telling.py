"""The chaos tells the truth about what it saw."""

import os

from processors import control
from processors.models import Attempt
from processors.protocol import claiming, reaping
from processors.protocol.gate import Ask
from processors.protocol.working import source_of
from processors.queues.identity import own_name
from tests.chaos.faults import Struck
from tests.chaos.killings import in_hand_of, untold
from tests.chaos.logs import surprises
from tests.chaos.scene import Fault
from tests.chaos.table import rows
from tests.stories import act, define, fill_inbox, numbered

CHAIN = """2026 ERROR it failed\\nTraceback (most recent call last):\\n  File "a"\\nKeyError: 1
\\nDuring handling of the above exception, another exception occurred:\\n
Traceback (most recent call last):\\n  File "b", line 2\\nValueError: two"""


def test_a_traceback_is_known_by_its_last_line() -> None:
    assert surprises({"worker": CHAIN, "other": "all is well"}) == {"ValueError: two": 1}


def test_what_the_fault_itself_makes_a_library_say_is_expected() -> None:
    log = "Traceback (most recent call last):\\n  File\\nredis.exceptions.ConnectionError: gone"

    assert not surprises({"worker": log})


def test_a_fault_is_over_when_the_next_record_takes_effect() -> None:
    fault = Fault("F1", "a death", lambda _: None)
    history = [Struck(fault, at=10.0, records=5, healed_at=10.0), Struck(fault, 20.0, 7, 22.0)]

    (row,) = rows(history, effects_at=[9.0, 11.0, 25.0])

    assert (row.times, row.records, row.median_seconds, row.longest_seconds) == (2, 12, 2.0, 3.0)


def test_a_death_that_history_does_not_tell_is_seen(transactional_db: None) -> None:
    processor = define("effect", batch_size=2)
    fill_inbox(processor, numbered(2))
    run = control.run_once(processor.pk, act())
    lease = claiming.claim(source_of(run), Ask(run.pk, own_name(), 1))
    assert lease is not None

    killed = in_hand_of(os.getpid())

    assert killed == {lease.batch_id}
    reaping.take_from_dead(own_name())
    assert not untold(killed)
    Attempt.objects.all().delete()
    assert [sentence.partition(":")[0] for sentence in untold(killed)] == [
        f"I17 batch {lease.batch_id}"
    ]
