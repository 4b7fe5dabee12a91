"""Keeps processes running: one that ends, with whatever code, is started again, without limit.

RQ's workers end with code 0 on some faults (a Redis restart under load ends them all), so neither
the code nor the number of restarts may be a reason to give up.

One thread and one loop: children are forked without other threads about, and the kernel's wish
"die with your parent" holds as long as this thread does.
"""

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

from deploy.leash import kill_session, leash

FIRST_DELAY_SECONDS = 1.0
LONGEST_DELAY_SECONDS = 30.0
# A process that lived this long was well; its next restart is quick again.
WELL_AFTER_SECONDS = 20.0
LOOK_SECONDS = 0.2


class Child:
    """One process kept running, and when it may start again."""

    def __init__(self, name: str, command: Sequence[str], env: Mapping[str, str]) -> None:
        self.name = name
        self.command = list(command)
        self.env = dict(env)
        self.process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0
        self.start_at = 0.0
        self.delay_seconds = FIRST_DELAY_SECONDS
        self.unfinished_line = b""

    def start(self, directory: Path) -> int:
        """Start it in a session of its own, so that the terminal's Ctrl-C reaches us alone.

        Returns the descriptor to read its output from, the caller's to close.
        """
        self.started_at = time.monotonic()
        output, its_end = os.pipe()
        self.process = subprocess.Popen(
            self.command,
            env=self.env,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=its_end,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=leash(),
        )
        os.close(its_end)
        return output

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def plan_restart(self) -> float:
        """Set the next start, later each time while it keeps failing; returns the wait (s)."""
        now = time.monotonic()
        if now - self.started_at > WELL_AFTER_SECONDS:
            self.delay_seconds = FIRST_DELAY_SECONDS
        wait = self.delay_seconds
        self.start_at = now + wait
        self.delay_seconds = min(self.delay_seconds * 2, LONGEST_DELAY_SECONDS)
        return wait


class Supervisor:
    """Runs children until SIGINT, SIGTERM or SIGHUP; a second signal cuts their grace short.

    Children are stopped in stages, the last stage first, each given `grace_seconds`: workers
    finish the record in hand while what they talk to still stands.
    """

    def __init__(self, directory: Path, *, grace_seconds: float) -> None:
        self.directory = directory
        self.grace_seconds = grace_seconds
        self.stages: list[list[Child]] = []
        self.signals = 0
        self._output = selectors.DefaultSelector()

    def install_signals(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.signals += 1

    def add_stage(self, children: Sequence[Child]) -> None:
        """Start `children`; they count as needing all stages before this one."""
        self.stages.append(list(children))
        for child in children:
            self._start(child)

    def run(self) -> None:
        """Keep all children running until a signal comes; stopping them is another call."""
        while not self.signals:
            self.look_after_children()

    def look_after_children(self) -> None:
        """One turn: pass output on, note ends, start what is due."""
        self._pass_output_on(LOOK_SECONDS)
        for child in self._children():
            if child.process is not None and not child.is_running():
                self._note_end(child)
            if child.process is None and time.monotonic() >= child.start_at:
                self._start(child)

    def stop(self) -> None:
        """End all children, last stage first, and whatever they left behind."""
        for stage in reversed(self.stages):
            running = [child for child in stage if child.is_running()]
            for child in running:
                self._send(child, signal.SIGTERM)
            deadline = time.monotonic() + self.grace_seconds
            while any(child.is_running() for child in running):
                if time.monotonic() > deadline or self.signals > 1:
                    break
                self._pass_output_on(LOOK_SECONDS)
            for child in stage:
                self._finish(child)

    def _children(self) -> list[Child]:
        return [child for stage in self.stages for child in stage]

    def _start(self, child: Child) -> None:
        output = child.start(self.directory)
        self._output.register(output, selectors.EVENT_READ, child)

    def _note_end(self, child: Child) -> None:
        assert child.process is not None
        code = child.process.returncode
        # What it left, a work horse say, must not go on beside its successor.
        kill_session(child.process.pid)
        child.process = None
        self.say(f"{child.name} ended with code {code}; starts again in {child.plan_restart():g} s")

    def _send(self, child: Child, number: int) -> None:
        if child.process is not None:
            child.process.send_signal(number)

    def _finish(self, child: Child) -> None:
        if child.process is None:
            return
        if child.is_running():
            self.say(f"{child.name} did not end in time and is killed")
            child.process.kill()
        child.process.wait()
        kill_session(child.process.pid)
        child.process = None
        self._pass_output_on(0)

    def _pass_output_on(self, wait_seconds: float) -> None:
        if not self._output.get_map():
            time.sleep(wait_seconds)
            return
        for key, _ in self._output.select(wait_seconds):
            self._read(key.fd, key.data)

    def _read(self, descriptor: int, child: Child) -> None:
        chunk = os.read(descriptor, 65536)
        *lines, child.unfinished_line = (child.unfinished_line + chunk).split(b"\n")
        for line in lines:
            self._print(child.name, line.decode(errors="replace"))
        if not chunk:
            self._output.unregister(descriptor)
            os.close(descriptor)

    def _print(self, name: str, line: str) -> None:
        print(f"{name:<11}| {line}", flush=True)

    def say(self, text: str) -> None:
        self._print("recordmill", text)


def python(*arguments: str) -> list[str]:
    """A command of this same Python."""
    return [sys.executable, *arguments]
