"""`make run` and `make demo`: everything on this machine, from nothing but this clone.

Entry point: `python -m deploy.local run|demo`. All it writes is in `var/` (or VAR_DIR).
"""

import argparse
import fcntl
import hashlib
import os
import secrets
import shlex
import shutil
import signal
import socket
import string
import subprocess
import sys
import time
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from dotenv import load_dotenv

from deploy.embedded import EmbeddedRedis, NoRedisServer, free_port
from deploy.leash import die_with_parent, leash
from deploy.supervisor import Child, Supervisor, python

ROOT = Path(__file__).resolve().parent.parent
# A record in hand gets this long to finish when everything is stopped.
GRACE_SECONDS = 30.0
WEB_START_SECONDS = 60.0
MB = 2**20
LEAST_MB = 100  # free where everything is written; doctor warns below it


class CannotStart(Exception):
    """The message is one line for the person at the terminal."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="deploy.local", description=__doc__)
    parser.add_argument("what", choices=["run", "demo"])
    what = parser.parse_args().what
    load_dotenv(ROOT / ".env", interpolate=False)
    if "MAKELEVEL" in os.environ:
        # When make itself is killed, nobody is left to pass Ctrl-C on.
        die_with_parent(os.getppid(), signal.SIGTERM)
    try:
        Launcher(demo=what == "demo").run()
    except (CannotStart, NoRedisServer) as error:
        sys.exit(f"error: {error}")


class Interrupted(Exception):
    """Ctrl-C or SIGTERM came while things were still starting."""


class Launcher:
    """One local installation: its environment, its database, its processes."""

    def __init__(self, *, demo: bool) -> None:
        self.demo = demo
        self.var = Path(os.environ.get("VAR_DIR") or ROOT / "var").resolve()
        self.port = read_number("PORT", 8000, maximum=65535)
        self.workers = read_number("WORKERS", 2, maximum=100)
        self.supervisor = Supervisor(ROOT, grace_seconds=GRACE_SECONDS)

    def run(self) -> None:
        refuse_taken_port(self.port)
        self.var.mkdir(parents=True, exist_ok=True)
        refuse_full_disk(self.var)
        with lock(self.var / "local.lock"):
            redis = None if os.environ.get("REDIS_URL") else EmbeddedRedis(self.var / "redis")
            env = self.build_environment(redis)
            self.supervisor.install_signals()
            try:
                self.start(env, redis)
                self.supervisor.run()
            except Interrupted:
                print("Stopped before everything was up.", flush=True)
            finally:
                self.supervisor.stop()

    def build_environment(self, redis: EmbeddedRedis | None) -> dict[str, str]:
        """This process's environment, with a value for everything a local run needs.

        What was made up is also written to `local.env`, so that `manage.py` in another terminal
        speaks to the same installation.
        """
        made_up = {
            "VAR_DIR": str(self.var),
            "PORT": str(self.port),
            "SECRET_KEY": keep_secret_key(self.var / "secret_key"),
            "ALLOWED_HOSTS": "localhost,127.0.0.1,[::1]",
            "INSECURE_HTTP": "1",
            # Lines about each job would push the address off the screen.
            "LOG_LEVEL": "WARNING",
            "WORKER_QUEUES": "high default low",
        }
        if queues := os.environ.get("QUEUES"):
            made_up["WORKER_QUEUES"] = queues.replace(",", " ")
        if redis is not None:
            made_up["REDIS_URL"] = redis.url
        if self.demo:
            made_up["DEMO_PARTNER_URL"] = f"http://127.0.0.1:{free_port()}/notify"
        given = {name: value for name, value in os.environ.items() if value}
        write_private(
            self.var / "local.env",
            "".join(f"{name}='{value}'\n" for name, value in made_up.items() if name not in given),
        )
        # `python` and `gunicorn` of the Procfile are those of our own virtual environment.
        path = f"{Path(sys.executable).parent}{os.pathsep}{given.get('PATH', os.defpath)}"
        return made_up | given | {"PATH": path, "PYTHONUNBUFFERED": "1"}

    def start(self, env: dict[str, str], redis: EmbeddedRedis | None) -> None:
        """Bring everything up in the order of need, then say where it is."""
        if redis is not None:
            self.start_redis(redis, env)
        self.manage(env, "migrate", "--noinput", "--verbosity", "0")
        self.collect_static(env)
        if self.demo:
            self.supervisor.add_stage([Child("partner", partner_command(env), env)])
            self.manage(env, "seed_demo", "--verbosity", "0")
        self.supervisor.add_stage(read_procfile(env, workers=self.workers))
        self.wait_for_web()
        print(f"\n  Recordmill is at http://127.0.0.1:{self.port}/   (Ctrl-C ends it)", flush=True)
        print(f"  {self.login_hint()}\n", flush=True)

    def start_redis(self, redis: EmbeddedRedis, env: dict[str, str]) -> None:
        """Start our own server under the supervisor; unreadable data of another version goes."""
        for last_try in (False, True):
            redis.prepare()
            child = Child("redis", redis.command, env)
            self.supervisor.add_stage([child])
            assert child.process is not None
            try:
                redis.wait_until_ours(child.process)
            except NoRedisServer:
                self.supervisor.stop()
                self.supervisor.stages.clear()
                if last_try:
                    raise
                redis.forget()
            else:
                return

    def collect_static(self, env: dict[str, str]) -> None:
        """Gather static files, unless those gathered last are still the same."""
        stamp = self.var / "static.stamp"
        state = fingerprint_of_static()
        if stamp.is_file() and stamp.read_text() == state:
            return
        self.manage(env, "collectstatic", "--noinput", "--verbosity", "0")
        stamp.write_text(state)

    def manage(self, env: dict[str, str], *arguments: str) -> None:
        """Run one command of `manage.py` to its end. Raises CannotStart, Interrupted."""
        command = python("manage.py", *arguments)
        result = subprocess.run(command, cwd=ROOT, env=env, check=False, preexec_fn=leash())
        if self.supervisor.signals:
            raise Interrupted
        if result.returncode:
            raise CannotStart(f"`manage.py {' '.join(arguments)}` failed; its lines above say why.")

    def wait_for_web(self) -> None:
        """Return when the port answers, keeping an eye on the children meanwhile."""
        deadline = time.monotonic() + WEB_START_SECONDS
        while not is_answering(self.port):
            if self.supervisor.signals:
                raise Interrupted
            if time.monotonic() > deadline:
                raise CannotStart("The web server does not answer; its lines above say why.")
            self.supervisor.look_after_children()

    def login_hint(self) -> str:
        password = self.var / "demo-password"
        if self.demo and password.is_file():
            others = "or, with fewer rights, as viewer, operator or editor"
            return f"Log in as admin ({others}), password {password.read_text().strip()}"
        return "No login yet? .venv/bin/python manage.py createsuperuser"


def partner_command(env: dict[str, str]) -> list[str]:
    """The demo's web service, on the port that its callers are told."""
    port = urlsplit(env["DEMO_PARTNER_URL"]).port
    return python("-m", "demo.partner", "--port", str(port))


def read_number(name: str, default: int, *, maximum: int) -> int:
    word = os.environ.get(name) or str(default)
    if not word.isdigit() or not 0 < int(word) <= maximum:
        raise CannotStart(f"{name} is '{word}': write a number from 1 to {maximum}.")
    return int(word)


def refuse_taken_port(port: int) -> None:
    with socket.socket() as probe:
        # As the web server does: a port in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise CannotStart(
                f"Port {port} cannot be used ({error.strerror}): set PORT to a free one, "
                f"for example PORT={port + 1}."
            ) from None


def refuse_full_disk(place: Path) -> None:
    """Rather a line now than a traceback from the middle of a migration."""
    left = shutil.disk_usage(place).free // MB
    if left < LEAST_MB:
        raise CannotStart(
            f"The disk of {place} has only {left} MB left, {LEAST_MB} are needed: make room, "
            "or let VAR_DIR name a directory elsewhere."
        )


def is_answering(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def lock(path: Path) -> IO[str]:
    """Hold the file until it is closed; only one run per clone. The kernel frees a dead run's."""
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise CannotStart(
            f"Recordmill already runs in this clone ({path} is locked): stop it, "
            "or use another clone with another PORT."
        ) from None
    return file


def keep_secret_key(path: Path) -> str:
    """The key of this clone, made at the first start."""
    if not path.is_file():
        write_private(path, secrets.token_urlsafe(48))
    return path.read_text().strip()


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.touch(mode=0o600)
    fresh.write_text(text)
    fresh.replace(path)


def read_procfile(env: dict[str, str], *, workers: int) -> list[Child]:
    """The Procfile's lines as children, the worker's as often as asked."""
    children = []
    for line in (ROOT / "deploy" / "Procfile").read_text().splitlines():
        name, command = line.split(":", 1)
        words = shlex.split(string.Template(command).substitute(env))
        words[0] = str(Path(sys.executable).parent / words[0])
        count = workers if name == "worker" else 1
        names = [name] if count == 1 else [f"{name}.{number + 1}" for number in range(count)]
        children += [Child(each, words, env) for each in names]
    return children


def fingerprint_of_static() -> str:
    """Changes when a static file of ours or a package that brings some does."""
    digest = hashlib.sha256((ROOT / "requirements.txt").read_bytes())
    for path in sorted(ROOT.glob("static/**/*")) + sorted(ROOT.glob("*/static/**/*")):
        stat = path.stat()
        digest.update(f"{path}:{stat.st_mtime_ns}:{stat.st_size}\n".encode())
    return digest.hexdigest()


if __name__ == "__main__":
    main()
