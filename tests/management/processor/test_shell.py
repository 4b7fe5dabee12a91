"""`manage.py processor` from a shell: output, errors and exit codes."""

import json

import pytest

from tests.conftest import Manage, StartWorker
from tests.factories import make_processor, make_record, make_table_source
from tests.management.processor.conftest import ORDERS

pytestmark = pytest.mark.django_db(databases=["default", "shop"])


def test_from_a_shell_an_error_is_one_line_and_exit_code_1(manage: Manage) -> None:
    make_processor("orders")

    ended = manage("processor", "show", "ordes")

    assert ended.returncode == 1
    assert ended.stderr == "error: No processor 'ordes'. Did you mean 'orders'?\n"


def test_definitions_come_from_standard_input_as_well(manage: Manage) -> None:
    ended = manage("processor", "load", "-", stdin=json.dumps(ORDERS))

    assert (ended.returncode, ended.stdout) == (0, "orders: created\n")


@pytest.mark.slow
def test_a_run_with_failures_ends_with_exit_code_1(
    manage: Manage, start_worker: StartWorker
) -> None:
    processor = make_processor("orders")
    for _ in range(3):
        make_record(processor)  # without XML: rejected
    start_worker("default")

    ended = manage("processor", "run", "orders", "--wait", "--json", "--timeout", "60")

    assert (ended.returncode, json.loads(ended.stdout)["dead"]) == (1, 3)
    assert ended.stderr == "error: Records failed in run 1: 3 dead.\n"
    assert manage("check_ledger", "--at-rest").returncode == 0


@pytest.mark.slow
def test_a_run_over_a_table_leaves_the_ledger_in_order(
    manage: Manage, start_worker: StartWorker
) -> None:
    rows = make_table_source(50)
    make_processor("rows", source=rows, trigger_kind="interval", breaker_on=False)
    start_worker("default")

    ended = manage("processor", "run", "rows", "--wait", "--timeout", "60")

    assert ended.stdout.startswith("Run 1 finished: 50 claimed, 50 dead.")
    checked = manage("check_ledger", "--at-rest", "--all")
    assert (checked.returncode, checked.stdout[:23]) == (0, "The ledger is in order ")
