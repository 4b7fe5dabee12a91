"""docs/first-handler.md and the README's example do what they say: every block is run."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from processors.testing import run_handler
from tests import bootstrap
from tests.docs.blocks import Block, blocks, commands, run, write_files
from tests.servers import ROOT, RedisServer, Worker

TUTORIAL = ROOT / "docs" / "first-handler.md"
README = ROOT / "README.md"


@pytest.fixture
def desk(tmp_path: Path, redis_server: RedisServer) -> dict[str, str]:
    """The environment of a reader with a home and an installation of his own."""
    env = os.environ | {
        "HOME": str(tmp_path),
        "VAR_DIR": str(tmp_path / "var"),
        "DATABASE_URL": f"sqlite:///{tmp_path / 'recordmill.sqlite3'}",
        "REDIS_URL": redis_server.url,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": str(tmp_path / "plugins"),
        "HANDLER_APPS": "demo",
    }
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"], cwd=ROOT, env=env, check=True
    )
    return env


@bootstrap.once("a reader's installation is on SQLite")
@pytest.mark.slow
def test_every_block_of_the_tutorial_does_what_the_tutorial_says(
    desk: dict[str, str], tmp_path: Path
) -> None:
    found = list(blocks(TUTORIAL))
    plugins = tmp_path / "plugins"
    write_files(found, plugins)
    (plugins / "invoices" / "__init__.py").touch()
    worker = Worker(env=desk | {"HANDLER_APPS": "demo,invoices"}, log=tmp_path / "worker.log")

    try:
        worker.wait_for_log("Listening on")
        for command in (each for block in consoles(found) for each in commands(block)):
            run(command, desk)
    finally:
        worker.stop(seconds=5)


def consoles(found: list[Block]) -> list[Block]:
    return [block for block in found if block.language == "console"]


def test_the_tutorial_holds_no_block_that_nothing_runs() -> None:
    idle = [b for b in blocks(TUTORIAL) if "file" not in b.words and b.language != "console"]

    assert idle == []


def test_the_readmes_example_is_a_handler_that_works(tmp_path: Path) -> None:
    write_files(list(blocks(README)), tmp_path)
    path = tmp_path / "stock" / "handlers.py"
    spec = importlib.util.spec_from_file_location("stock_example.handlers", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    done = run_handler(module.check_stock, payload={"sku": "PA-1001", "left": 3})
    skipped = run_handler(module.check_stock, payload={"sku": "PA-1001", "left": 40})
    dead = run_handler(module.check_stock, payload={"left": 3})

    assert (done.kind, done.result) == ("done", {"order": 17})
    assert (skipped.kind, dead.kind) == ("skipped", "dead")
