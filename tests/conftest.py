"""Fixtures: the servers of the run, and processes that see the test's database and Redis.

A test with worker processes asks for `environment`, `start_worker` or `start_scheduler`. It then
runs without a surrounding transaction, so that what it writes is seen by others.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest
import redis
from django.conf import settings
from django.db import connections
from django.test import TransactionTestCase
from hypothesis import HealthCheck
from hypothesis import settings as making_up

from tests import bootstrap
from tests.forge import Forges
from tests.servers import ROOT, PostgresServer, RedisServer, Scheduler, Worker

COMMAND_SECONDS = 120
PATIENCE_MS = 60_000  # of a browser, on a machine that has much else to do

# What is made up is the same in each run, except where somebody looks for more (`make model`), and
# a machine that stands still for a moment is no fault.
making_up.register_profile(
    "steady",
    deadline=None,
    database=None,
    derandomize="MODEL_EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
making_up.load_profile("steady")


class StartWorker(Protocol):
    def __call__(self, *queues: str, **env: str) -> Worker: ...


class StartScheduler(Protocol):
    def __call__(self, *, interval: int = 1, **env: str) -> Scheduler: ...


class Manage(Protocol):
    def __call__(
        self, *arguments: str, stdin: str = "", **env: str
    ) -> subprocess.CompletedProcess[str]: ...


@pytest.fixture(scope="session")
def postgres() -> PostgresServer | None:
    """The run's Postgres, started; None on SQLite."""
    if bootstrap.POSTGRES is not None and bootstrap.POSTGRES.process is None:
        bootstrap.POSTGRES.start()
    return bootstrap.POSTGRES


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those with a browser last: its loop goes on in the tests' own thread once it was opened.
    Django's connections belong to a loop there; a fork has none, and would find those of before.
    """
    items.sort(key=lambda item: "browser" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session", autouse=True)
def _quick_emptying() -> Iterator[None]:
    from tests.emptying import empty, renew_connections

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", empty)
        patch.setattr(TransactionTestCase, "_should_reload_connections", renew_connections)
        yield


@pytest.fixture(scope="session")
def django_db_modify_db_settings(postgres: PostgresServer | None) -> None:
    """pytest-django's hook before it makes the test databases: the server must be up."""


@pytest.fixture
def redis_server() -> RedisServer:
    """The run's Redis, running; a test that killed it leaves the next one a fresh start."""
    server = bootstrap.REDIS
    if server.process is None or server.process.poll() is not None:
        server.start()
    return server


@pytest.fixture(autouse=True)
def _empty_redis(redis_server: RedisServer) -> None:
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()


def _url_of(alias: str) -> str:
    """Where an alias points now: its test database once that is made."""
    return bootstrap.database_url(alias, str(connections[alias].settings_dict["NAME"]))


@pytest.fixture
def short_lease(settings: Any) -> None:
    """Leases of four seconds, in this process and in those that the test starts."""
    settings.LEASE_SECONDS = 4


@pytest.fixture
def environment(transactional_db: None, redis_server: RedisServer) -> dict[str, str]:
    """Variables for processes that shall see this test's databases and Redis."""
    known = os.environ | {
        "DATABASE_URL": _url_of("default"),
        "DATABASE_URL_SHOP": _url_of("shop"),
        "REDIS_URL": redis_server.url,
        "HANDLER_APPS": ",".join(settings.HANDLER_APPS),
        "LEASE_SECONDS": str(settings.LEASE_SECONDS),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "PYTHONUNBUFFERED": "1",
    }
    known.pop("PYTEST_CURRENT_TEST", None)  # else no two tests had the same environment
    return known


@pytest.fixture(scope="session")
def forges() -> Iterator[Forges]:
    """Where the run's workers are forked, once their environment is known."""
    known = Forges()
    yield known
    known.end()


@pytest.fixture
def _ending() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def start_worker(
    environment: dict[str, str], tmp_path: Path, forges: Forges, _ending: ExitStack
) -> StartWorker:
    """Starts `manage.py rqworker QUEUE…`, listening when this returns; ended with the test."""

    def start(*queues: str, **env: str) -> Worker:
        log = _new_log(tmp_path, "worker")
        worker = Worker(*queues, env=environment | env, log=log, forges=forges)
        _ending.callback(worker.end)
        worker.wait_for_log("Listening on")
        return worker

    return start


@pytest.fixture
def start_scheduler(
    environment: dict[str, str], tmp_path: Path, forges: Forges, _ending: ExitStack
) -> StartScheduler:
    """Starts `manage.py rqscheduler`; ended with the test."""

    def start(*, interval: int = 1, **env: str) -> Scheduler:
        log = _new_log(tmp_path, "scheduler")
        words = environment | env
        scheduler = Scheduler(env=words, log=log, interval=interval, forges=forges)
        _ending.callback(scheduler.end)
        return scheduler

    return start


def _new_log(directory: Path, name: str) -> Path:
    return directory / f"{name}-{len(list(directory.glob(f'{name}-*.log'))) + 1}.log"


@pytest.fixture
def manage(environment: dict[str, str], forges: Forges) -> Manage:
    """Runs a command of `manage.py` as an operator does; output and exit code come back."""

    def run(*arguments: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        if forge := forges.forge_for(environment | env):
            return forge.run(arguments, stdin=stdin, seconds=COMMAND_SECONDS)
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=environment | env,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium under Playwright. Missing: skipped on a desk, a failure where CI is set."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        message = "No chromium on PATH: install it to run the browser's tests."
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    from playwright.sync_api import sync_playwright

    # Playwright keeps an event loop in this thread, which Django would take for async code.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    # While it runs, this thread has other connections than before and after; whoever comes then
    # would not find them to close them.
    connections.close_all()
    with sync_playwright() as playwright:
        # No GPU where tests run: else its part is played by a program that is slower than none.
        args = ["--no-sandbox", "--disable-gpu"]
        chromium = playwright.chromium.launch(executable_path=program, args=args)
        yield chromium
        chromium.close()
        connections.close_all()


@pytest.fixture
def console() -> Iterator[list[str]]:
    """What browsers report: errors, and what the security policy refused. Must end empty."""
    said: list[str] = []
    yield said
    assert said == []


@pytest.fixture
def open_page(browser: Any, console: list[str]) -> Iterator[Callable[..., Any]]:
    """Opens a page in a context of its own, as another person's browser: `open_page(locale=…)`."""
    contexts = []

    def open_one(**options: Any) -> Any:
        contexts.append(browser.new_context(**options))
        contexts[-1].set_default_timeout(PATIENCE_MS)
        page = contexts[-1].new_page()
        page.on(
            "console", lambda message: console.extend([message.text] * (message.type == "error"))
        )
        page.on("pageerror", lambda error: console.append(str(error)))
        return page

    yield open_one
    for context in contexts:
        context.close()


@pytest.fixture
def clean_ledger(transactional_db: None) -> Iterator[None]:
    """After the test, every question about the ledger must be answered well."""
    from processors.ledger_check import QUESTIONS, check

    yield
    breaches = check(QUESTIONS)
    assert not breaches, "\n".join(map(str, breaches))
