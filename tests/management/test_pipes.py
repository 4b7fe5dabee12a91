"""Commands in a shell whose reader, disk or terminal is not there."""

import os
import subprocess
import sys

import pytest

from tests.servers import ROOT
from tests.stories import define

SHOW = f"{sys.executable} manage.py processor show story"


@pytest.mark.parametrize(
    ("shell", "code", "told"),
    [
        pytest.param(f"{SHOW}; echo $? >&2", 141, "", id="a reader that went away"),
        pytest.param(
            f"{SHOW} >/dev/full; echo $? >&2",
            1,
            "error: the output could not be written: No space left on device.\n",
            id="a full disk",
        ),
        pytest.param(f"{SHOW} >&-; echo $? >&2", 0, "", id="an output that is closed"),
    ],
)
def test_a_command_that_nobody_can_read_ends_without_a_traceback(
    environment: dict[str, str], shell: str, code: int, told: str
) -> None:
    define("echo")
    reader, writer = os.pipe()
    os.close(reader)

    done = subprocess.run(
        ["bash", "-c", shell],
        cwd=ROOT,
        env=environment,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(writer)

    assert done.stderr == f"{told}{code}\n"
