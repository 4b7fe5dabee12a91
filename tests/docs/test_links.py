"""What README and docs/ point at exists: links, files, functions, commands, verbs."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import get_commands

from processors.management.commands.processor import Command as ProcessorCommand
from tests import bootstrap
from tests.servers import ROOT

pytestmark = bootstrap.once("a page points where it points")

PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/**/*.md")])
# Made from a real run, and written by a command: they come later than what names them.
MADE_LATER = ("docs/images/", "docs/commands.md", "docs/settings.md")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
CODE = re.compile(r"`([^`\n]+)`")
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"[\w.-]+(?:/[\w.-]+)*(?:\.(?:py|md|toml|json|service)|/)")
# Where a document's short names are looked for.
PLACES = ("", "processors/", "docs/")
# Files of the reader's own, or made when something runs.
THEIRS = {"handlers.py", "models.py", "urls.py", "var/"}


def page_name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def is_made_later(path: Path) -> bool:
    return page_name(path).startswith(MADE_LATER)


def named_files(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Files in running text, with the names behind them: `protocol/leases.py: claim, fence`."""
    for code in CODE.findall(FENCED.sub("", page.read_text())):
        file, _, names = code.partition(": ")
        if FILE.fullmatch(file) and file not in THEIRS:
            yield file, [name.strip() for name in names.split(",") if name]


def find(file: str) -> Path | None:
    """A file by its path or, within the description of a room, by its bare name."""
    found = [ROOT / place / file for place in PLACES]
    if "/" not in file:
        found += sorted((ROOT / "processors").rglob(file))
    return next((path for path in found if path.exists()), None)


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    links = [link for link in LINK.findall(page.read_text()) if "://" not in link]
    targets = {link: (page.parent / link).resolve() for link in links}

    broken = [n for n, to in targets.items() if not to.exists() and not is_made_later(to)]

    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_file_and_function_that_is_named_exists(page: Path) -> None:
    missing = []
    for file, names in named_files(page):
        path = find(file)
        text = path.read_text() if path is not None and path.is_file() else ""
        if path is None and not file.startswith(MADE_LATER):
            missing.append(file)
        missing += [f"{file}: {name}" for name in names if not is_defined(name, text)]

    assert missing == []


def is_defined(name: str, text: str) -> bool:
    last = re.escape(name.rpartition(".")[2])
    return bool(re.search(rf"^\s*(?:async )?(?:def|class) {last}\b|^{last} = ", text, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_command_that_is_named_exists(page: Path) -> None:
    named = set(re.findall(r"manage\.py ([a-z]\w*)", page.read_text()))

    assert named - set(get_commands()) == set()


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_verb_of_the_processor_command_exists(page: Path) -> None:
    parser = ProcessorCommand().create_parser("manage.py", "processor")
    [verbs] = [action.choices for action in parser._actions if action.dest == "verb"]

    named = set(re.findall(r"manage\.py processor ([a-z-]+)", page.read_text()))

    assert verbs is not None
    assert named - set(verbs) == set()


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_target_of_make_that_is_named_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    named = set(re.findall(r"`make ([a-z-]+)`|^make ([a-z-]+)", page.read_text(), re.MULTILINE))

    assert {a or b for a, b in named} - targets == set()


def test_the_index_of_the_readme_names_every_page() -> None:
    linked = set(LINK.findall((ROOT / "README.md").read_text()))

    pages = {page_name(page) for page in ROOT.glob("docs/*.md")}

    assert pages - linked == set()


def test_decisions_are_numbered_without_a_gap() -> None:
    numbers = [int(page.name[:4]) for page in sorted(ROOT.glob("docs/decisions/*.md"))]

    assert numbers == list(range(1, len(numbers) + 1))
