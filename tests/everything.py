"""All tests on both databases, as `make test` runs them: `python -m tests.everything [ARGS…]`.

Four pytests go side by side, on each database one for the tests that wait for processes or a
browser and one for all others: while some wait, the others have the cores. What the first one
says is seen as it says it, what the others say when they are through.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from tempfile import TemporaryFile
from typing import IO

import pytest

from deploy.leash import leash

# Who asks for one of these fixtures waits most of the time.
PATIENT = {"environment", "trial", "browser"}
# Database, and whether the tests are patient; the longest first.
PARTS = (("postgres", "no"), ("postgres", "yes"), ("sqlite", "no"), ("sqlite", "yes"))


# As a plugin of each pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--patient", choices=("yes", "no"), help="only, or none of, those that wait")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    wanted = config.getoption("--patient") == "yes"
    left = [item for item in items if is_patient(item) != wanted]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if is_patient(item) == wanted]


def is_patient(item: pytest.Item) -> bool:
    """Whether it waits for processes or a browser."""
    return not PATIENT.isdisjoint(getattr(item, "fixturenames", ()))


# As what starts them


class Part:
    """One of the pytests."""

    def __init__(
        self, database: str, patient: str, arguments: Sequence[str], output: IO[bytes] | None
    ) -> None:
        self.name = f"{database}, {'those that wait' if patient == 'yes' else 'all others'}"
        self._output = output
        command = [sys.executable, "-m", "pytest", "-p", "tests.everything", "--patient", patient]
        self._process = subprocess.Popen(
            [*command, *arguments],
            env=os.environ | {"TEST_DATABASE": database},
            stdout=output,
            stderr=subprocess.STDOUT if output else None,
            preexec_fn=leash(),
        )

    def wait(self) -> int:
        """Its exit code, when it is through; what it said is shown then, unless it was seen."""
        code = self._process.wait()
        if self._output:
            print(f"== tests on {self.name}", flush=True)
            self._output.seek(0)
            sys.stdout.buffer.write(self._output.read())
            sys.stdout.flush()
        return code


def main(arguments: Sequence[str]) -> str | None:
    """Run all; a sentence about those that failed, None where all is well."""
    with ExitStack() as stack:
        shown: list[IO[bytes] | None] = [None]
        shown += [stack.enter_context(TemporaryFile()) for _ in PARTS[1:]]
        parts = [Part(*part, arguments, output) for part, output in zip(PARTS, shown, strict=True)]
        print(f"== tests on {parts[0].name}; the rest goes on beside them", flush=True)
        try:
            codes = {part.name: part.wait() for part in parts}
        except KeyboardInterrupt:  # which all of them heard
            for part in parts:
                part.wait()
            return "interrupted"
    found_none = pytest.ExitCode.NO_TESTS_COLLECTED
    if set(codes.values()) == {found_none}:
        return "no test has that name"
    failed = [name for name, code in codes.items() if code not in (0, found_none)]
    return f"tests failed on: {'; '.join(failed)}" if failed else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
