"""What holds for the repository as a whole: documents and code say the same."""

import io
import re
from pathlib import Path

import pytest
from django.core.management import call_command

from tests import bootstrap

ROOT = Path(__file__).resolve().parent.parent
NAME = r"[A-Z][A-Z_]+"
# Given by make and the shell, or made by the launcher for its own Procfile: nobody sets them.
NOT_SETTINGS = {"MAKELEVEL", "PATH", "PYTHONUNBUFFERED", "WORKER_QUEUES", "DJANGO_SETTINGS_MODULE"}


def python_files(*rooms: str) -> list[Path]:
    return [path for room in rooms for path in sorted((ROOT / room).rglob("*.py"))]


def names_in(pattern: str, *files: Path) -> set[str]:
    return {name for file in files for name in re.findall(pattern, file.read_text(), re.MULTILINE)}


def variables_read() -> set[str]:
    """Every variable that config/ and deploy/ read, `DATABASE_URL_` for all its aliases."""
    patterns = (
        rf'\benv\.\w+\(\s*"({NAME})"',
        rf'\bvalues\.get\("({NAME})"\)',
        rf'os\.environ(?:\.get\(|\[)"({NAME})"',
        rf'read_number\("({NAME})"',
    )
    files = python_files("config", "deploy")
    return {name for pattern in patterns for name in names_in(pattern, *files)} - NOT_SETTINGS


def test_docs_settings_lists_exactly_the_variables_that_are_read() -> None:
    documented = names_in(rf"^\| `({NAME})", ROOT / "docs" / "settings.md")

    assert documented == variables_read()


def test_the_example_environment_lists_exactly_the_variables_that_are_read() -> None:
    shown = names_in(rf"^#? ?({NAME})\w*=", ROOT / ".env.example")

    # An alias is written out there: DATABASE_URL_SHOP.
    shown = {"DATABASE_URL_" if name.startswith("DATABASE_URL_") else name for name in shown}
    assert shown == variables_read() - {"RECORDMILL_TESTING", "RECORDMILL_FAILPOINT"}


def test_only_config_reads_the_environment() -> None:
    readers = [
        str(path.relative_to(ROOT))
        for path in python_files("processors", "demo")
        if re.search(r"\bos\.(environ|getenv)\b", path.read_text())
    ]

    assert readers == []


@bootstrap.once("models and migrations are the same on both")
@pytest.mark.django_db
def test_no_migration_is_missing() -> None:
    output = io.StringIO()

    try:
        call_command("makemigrations", check=True, dry_run=True, stdout=output)
    except SystemExit:
        pytest.fail(f"A model has changed without a migration:\n{output.getvalue()}")
