"""Failpoints are for test runs only, and a mistyped one is refused."""

import subprocess
import sys

import pytest

from processors import control, failpoints
from processors.models import Batch
from processors.states import CloseReason
from tests.conftest import StartWorker
from tests.servers import ROOT
from tests.stories import act, counters, define, fill_inbox, handled_keys, numbered, wait_for_end

FAILPOINT = "outcome.after_fence:kill9:2"


@pytest.mark.parametrize("text", ["nowhere:kill9", "begin.after", "begin.after:explode"])
def test_a_mistyped_failpoint_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"RECORDMILL_FAILPOINT is '{text}'"):
        failpoints.arm(text)


@pytest.mark.parametrize(("testing", "armed"), [("1", FAILPOINT), ("0", "")])
def test_a_failpoint_is_armed_in_test_runs_only(testing: str, armed: str) -> None:
    say = "from config import settings; print(settings.FAILPOINT)"
    environment = {"RECORDMILL_TESTING": testing, "DEBUG": "1", "RECORDMILL_FAILPOINT": FAILPOINT}

    said = subprocess.run(
        [sys.executable, "-c", say], cwd=ROOT, env=environment, capture_output=True, check=True
    )

    assert said.stdout.decode().strip() == armed


def test_a_failpoint_strikes_once_in_a_real_worker(
    start_worker: StartWorker, clean_ledger: None
) -> None:
    processor = define("effect", batch_size=10)
    fill_inbox(processor, numbered(30))
    worker = start_worker(RECORDMILL_FAILPOINT=FAILPOINT)
    run = control.run_once(processor.pk, act())

    wait_for_end(run)

    assert Batch.objects.filter(close_reason=CloseReason.REAPED).count() == 1
    assert counters(run)["done"] == 30
    assert handled_keys() == sorted(numbered(30))
    assert worker.is_running()
