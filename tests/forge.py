"""Commands of `manage.py` without the second in which Python and Django are loaded.

A forge is a process that has loaded both and waits. Asked for a command, it forks; the child
takes a session, the files it was given and the command's words, and runs `manage.py` from its
first line. What the two have loaded in common, an environment's settings too, is all that such
a command saves. The first one of each environment is still started as an operator starts it.

`python -m tests.forge FD` is the forge; tests meet it through `start`.
"""

import contextlib
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import NoReturn

import manage
from deploy.leash import die_with_parent, leash

MANAGE = Path(manage.__file__).resolve()
FAILPOINT = "RECORDMILL_FAILPOINT"
MOST_FORGES = 3  # each keeps some sixty megabytes
LONGEST = 65_536  # bytes of a command's words


class Forged:
    """A command that a forge began: what tests ask of a `Popen`, of somebody else's child."""

    def __init__(self, args: Sequence[str], report: int) -> None:
        self.args = list(args)
        self.returncode: int | None = None
        self._report = os.fdopen(report, "rb", buffering=0)
        pid = self._report.readline()
        assert pid, "The forge ended before it forked: its trace is among the run's own output."
        self.pid = int(pid)

    def poll(self) -> int | None:
        """Its exit code, negative where a signal ended it; None while it runs."""
        return self._wait(0)

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code. Raises subprocess.TimeoutExpired."""
        code = self._wait(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code

    def _wait(self, seconds: float | None) -> int | None:
        if self.returncode is None and select.select([self._report], [], [], seconds)[0]:
            # Where the forge is gone, what it forked was killed with it.
            self.returncode = int(self._report.readline() or -signal.SIGKILL)
            self._report.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


class Forge:
    """One for each environment, with what it forked."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._door, its = socket.socketpair()
        self._begun: list[Forged] = []
        with its:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.forge", str(its.fileno())],
                cwd=MANAGE.parent,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=leash(),
                pass_fds=[its.fileno()],
            )

    def start(self, arguments: Sequence[str], files: tuple[int, int, int]) -> Forged:
        """Begin `manage.py ARGUMENTS…` with its standard files."""
        told, report = os.pipe()
        try:
            words = json.dumps(list(arguments)).encode()
            socket.send_fds(self._door, [words], [*files, report])
        finally:
            os.close(report)
        self._begun.append(Forged([str(MANAGE), *arguments], told))
        return self._begun[-1]

    def run(
        self, arguments: Sequence[str], *, stdin: str, seconds: float
    ) -> subprocess.CompletedProcess[str]:
        """As `subprocess.run` with its output captured. Raises subprocess.TimeoutExpired."""
        with TemporaryFile("w+") as given, TemporaryFile("w+") as out, TemporaryFile("w+") as err:
            given.write(stdin)
            given.seek(0)
            begun = self.start(arguments, (given.fileno(), out.fileno(), err.fileno()))
            try:
                code = begun.wait(seconds)
            finally:
                begun.kill()
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(begun.args, code, out.read(), err.read())

    def is_idle(self) -> bool:
        """Whether all that it began has ended."""
        self._begun = [each for each in self._begun if each.poll() is None]
        return not self._begun

    def end(self) -> None:
        """End it; what it began and still runs ends with it."""
        self._door.close()
        self._process.kill()
        self._process.wait()


class Forges:
    """Those of a test run, the one used last at the end; None for what came only once."""

    def __init__(self) -> None:
        self._by_env: dict[frozenset[tuple[str, str]], Forge | None] = {}

    def forge_for(self, env: Mapping[str, str]) -> Forge | None:
        """The forge of an environment; None where it comes for the first time."""
        key = frozenset(env.items())
        if key not in self._by_env or FAILPOINT in env:  # which counts in all that are forked
            self._by_env[key] = None
            return None
        forge = self._by_env.pop(key) or Forge(env)
        self._end_idle()
        self._by_env[key] = forge
        return forge

    def _end_idle(self) -> None:
        """So that no more than a few wait for another command."""
        idle = [key for key, forge in self._by_env.items() if forge and forge.is_idle()]
        for key in idle[: max(0, len(idle) + 1 - MOST_FORGES)]:
            self._end(key)

    def _end(self, key: frozenset[tuple[str, str]]) -> None:
        forge, self._by_env[key] = self._by_env[key], None
        if forge is not None:
            forge.end()

    def end(self) -> None:
        """End all of them."""
        for key in self._by_env:
            self._end(key)


# The forge's own process


def main(door: socket.socket) -> list[str]:
    """Fork a child for each command that is asked for; returns in the child, with its words."""
    parent, (bell, ringer) = os.getpid(), os.pipe()
    os.set_blocking(bell, False)
    os.set_blocking(ringer, False)
    signal.set_wakeup_fd(ringer)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    reports: dict[int, int] = {}
    while True:
        ready = select.select([door.fileno(), bell], [], [])[0]
        if bell in ready:
            os.read(bell, 4096)
            tell_ends(reports)
        if door.fileno() not in ready:
            continue
        words, files, *_ = socket.recv_fds(door, LONGEST, 4)
        if not words:
            os._exit(0)
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            door.detach()
            become(parent, files, past=max([*files, *reports.values()]) + 1)
            return list(json.loads(words))
        *own, report = files
        for file in own:
            os.close(file)
        reports[pid] = report
        os.write(report, b"%d\n" % pid)


def tell_ends(reports: dict[int, int]) -> None:
    """Whoever began a command learns how it ended."""
    while reports:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        report = reports.pop(pid)
        with contextlib.suppress(BrokenPipeError):  # nobody asks any more
            os.write(report, b"%d\n" % os.waitstatus_to_exitcode(status))
        os.close(report)


def become(forge: int, files: Sequence[int], *, past: int) -> None:
    """In the child: a session of its own, its files, and none of the forge's, which are all
    below `past`."""
    os.setsid()
    die_with_parent(forge)
    for standard, file in enumerate(files[:3]):
        os.dup2(file, standard)
    os.closerange(3, past)


def load() -> None:
    """What every command loads; no connection is opened and no thread begun."""
    import django
    from django.urls import get_resolver

    django.setup()
    import django_rq.management.commands.rqscheduler
    import django_rq.management.commands.rqworker  # noqa: F401

    import processors.cycle
    import processors.maintenance
    import processors.queues  # noqa: F401

    get_resolver().url_patterns  # noqa: B018 - the checks of every command look at all pages
    gc.freeze()  # collecting what is shared would copy all of it


def run(arguments: list[str]) -> NoReturn:
    """As `python manage.py ARGUMENTS…`."""
    sys.argv = [str(MANAGE), *arguments]
    manage.main()
    sys.exit()


if __name__ == "__main__":
    load()
    run(main(socket.socket(fileno=int(sys.argv[1]))))
