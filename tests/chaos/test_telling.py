"""The chaos tells the truth about what it saw."""

from tests.chaos.faults import Struck
from tests.chaos.logs import surprises
from tests.chaos.scene import Fault
from tests.chaos.table import rows

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
