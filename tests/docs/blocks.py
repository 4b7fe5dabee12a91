"""The fenced code blocks of our documents, and how to run them.

The words after the language say what a block is: `file=invoices/handlers.py` is (a part of) a
file, `exit=1` is the exit code of a console block's last command. Code hosts show neither.
"""

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.servers import ROOT

# Without a language: drawings.
FENCE = re.compile(r"^```\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One block; `words` are those behind its language."""

    language: str
    words: Mapping[str, str]
    text: str


def blocks(document: Path) -> Iterator[Block]:
    for language, words, text in BLOCK.findall(document.read_text()):
        yield Block(language, dict(word.split("=", 1) for word in words.split()), text)


def write_files(found: list[Block], directory: Path) -> None:
    """Write every block that is a file; one that names the same file again is its next part."""
    for block in found:
        if "file" in block.words:
            path = directory / block.words["file"]
            path.parent.mkdir(parents=True, exist_ok=True)
            before = path.read_text() + "\n\n" if path.exists() else ""
            path.write_text(before + block.text)


@dataclass(frozen=True)
class Command:
    """A line that a reader types, what he then reads, and the exit code."""

    line: str
    output: str
    exit_code: int


def commands(block: Block) -> Iterator[Command]:
    parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]
    for n, part in enumerate(parts, 1):
        line, _, output = part.partition("\n")
        code = int(block.words.get("exit", "0")) if n == len(parts) else 0
        yield Command(line, output, code)


def run(command: Command, env: dict[str, str]) -> None:
    """Run it as its reader would, in the clone; an `export` changes `env`."""
    if command.line.startswith("export "):
        name, _, value = command.line.removeprefix("export ").partition("=")
        env[name] = value.replace("~", env["HOME"])
        return
    line = command.line.replace(".venv/bin/python", sys.executable)
    done = subprocess.run(
        line,
        shell=True,
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == command.exit_code, f"$ {command.line}\n{done.stdout}"
    assert is_like(done.stdout, command.output), f"$ {command.line}\n{done.stdout}"


def is_like(said: str, shown: str) -> bool:
    """Whether a command said what the document shows; `...` stands for anything."""
    pattern = ".*".join(re.escape(part) for part in shown.strip().split("..."))
    return re.fullmatch(pattern, said.strip(), re.DOTALL) is not None
