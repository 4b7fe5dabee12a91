"""B100: a wrong command line is one line and an exit code, and changes nothing."""

import os
import signal
import subprocess
import sys

import pytest
from django.core.management import ManagementUtility
from django.db import connections

from processors.models import Event, Processor
from tests.factories import make_batch, make_processor, make_record, make_run
from tests.management.conftest import Call, Refuse, call, refuse
from tests.servers import ROOT
from tests.waiting import wait_until

__all__ = ["call", "refuse"]

pytestmark = pytest.mark.django_db(databases=["default", "shop"])


@pytest.fixture(autouse=True)
def _connections_stay_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command closes them at its end, and with them the transaction of a test."""
    monkeypatch.setattr(type(connections), "close_all", lambda *_: None)


def run_as_shell(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """A command with its own exit, in this process: exit code, output, errors."""
    code = 0
    try:
        ManagementUtility(["manage.py", *arguments]).execute()
    except SystemExit as ending:
        code = int(ending.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


WRONG = [
    ("processor", "shwo", "orders"),
    ("processor",),
    ("processor", "show"),
    ("processor", "show", "one", "two"),
    ("processor", "retry"),
    ("processor", "retry", "orders", "--since", "yesterday"),
    ("processor", "run", "orders", "--timeout", "5"),
    ("processor", "run", "orders", "--wait", "--timeout", "soon"),
    ("processor", "show", "orders", "--runs", "-1"),
    ("processor", "show", "\udcff"),
    ("publish",),
    ("prune", "--runs-days", "0"),
    ("tick", "--seconds", "NaN"),
    ("check_ledger", "now"),
]


@pytest.mark.parametrize("line", WRONG, ids=lambda line: ascii(" ".join(line)))
def test_a_wrong_command_line_is_told_in_one_line(
    capsys: pytest.CaptureFixture[str], line: tuple[str, ...]
) -> None:
    make_processor("orders")

    code, out, err = run_as_shell(capsys, *line)

    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("error: ")
    assert not Event.objects.exists()


UNKNOWN = [
    ("processor", "show", "ordres"),
    ("processor", "start", "ordres"),
    ("processor", "retry", "ordres", "--dry-run"),
    ("processor", "dump", "orders", "ordres"),
    ("publish", "ordres", os.devnull),
]


@pytest.mark.parametrize("line", UNKNOWN, ids=" ".join)
def test_an_unknown_name_is_told_in_one_line(
    capsys: pytest.CaptureFixture[str], line: tuple[str, ...]
) -> None:
    make_processor("orders")

    code, out, err = run_as_shell(capsys, *line)

    assert code == 1
    assert out == ""
    assert err.count("\n") == 1
    assert "Did you mean 'orders'?" in err


@pytest.mark.parametrize("verb", ["retry", "discard"])
def test_a_dry_run_says_what_would_happen_and_does_nothing(call: Call, verb: str) -> None:
    processor = make_processor("orders")
    done = {"retry": "retried", "discard": "discarded"}[verb]

    nothing = call("processor", verb, "orders", "--dry-run")
    make_record(processor, state="dead")
    one = call("processor", verb, "orders", "--dry-run")

    assert nothing == f"0 failed records would be {done}."
    assert one.startswith(f"1 failed record would be {done}.")
    assert not Event.objects.exists()


@pytest.mark.parametrize(("verb", "state"), [("start", "started"), ("stop", "stopped")])
def test_waiting_for_a_state_that_is_there_already_is_no_error(
    call: Call, refuse: Refuse, verb: str, state: str
) -> None:
    make_processor("orders", state=state, trigger_kind="manual")

    said = call("processor", verb, "orders", "--wait", "--timeout", "5")

    assert f"is {state} already." in said
    assert "already" in refuse("processor", verb, "orders")
    assert Processor.objects.get().state == state


@pytest.mark.django_db(databases=["default", "shop"], transaction=True)
def test_ctrl_c_twice_leaves_a_legal_state(environment: dict[str, str]) -> None:
    processor = make_processor("orders", state="started", trigger_kind="manual")
    make_batch(make_run(processor))  # which is waited for
    waiting = subprocess.Popen(
        [sys.executable, "manage.py", "processor", "stop", "orders", "--wait"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: Event.objects.filter(action="stop").exists(), message="nothing happened")

    for _ in range(2):
        waiting.send_signal(signal.SIGINT)
    _, err = waiting.communicate(timeout=60)

    assert waiting.returncode in (130, -signal.SIGINT)
    assert "Traceback" not in err
    assert Processor.objects.get().state == "stopped"
