"""The servers of an installation behind proxies, and Django set up to look past them."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import django
import psycopg2

from tests.proxy import Proxy
from tests.servers import ROOT, PostgresServer, RedisServer

LEASE_SECONDS = 4
INHERITED = ("PATH", "HOME", "LANG", "VIRTUAL_ENV", "PYTHONPATH")


class Site:
    """One installation in a directory of its own; `database` is `postgres` or `sqlite`.

    Workers and schedulers reach the servers through `redis_line`, `line` (our database) and
    `shop_line` (the other one); None where there is no server to reach.
    """

    def __init__(self, database: str) -> None:
        self.database = database
        self.directory = Path(tempfile.mkdtemp(prefix="recordmill-chaos-"))
        self.directory.chmod(0o755)  # Postgres may run under another account
        self.redis = RedisServer(self.directory / "redis", by_port=True)
        self.redis_line = Proxy.before(self.redis.url)
        self.postgres: PostgresServer | None = None
        self.line: Proxy | None = None
        self.shop_line: Proxy | None = None
        if database == "postgres":
            # Durable: what was acknowledged must outlive a crash.
            self.postgres = PostgresServer(self.directory / "postgres", durable=True)
            self.line = Proxy.before(self.postgres.url("recordmill"))
            self.shop_line = Proxy.before(self.postgres.url("shop"))

    def start(self) -> None:
        """Servers, tables, and Django in this process."""
        self.redis.start()
        if self.postgres is not None:
            self.postgres.start()
            for name in ("recordmill", "shop"):
                self._make_database(self.postgres, name)
        os.environ.clear()
        os.environ.update(self.environment(past_the_proxies=True))
        migrate = [sys.executable, "manage.py", "migrate", "--run-syncdb", "--verbosity", "0"]
        subprocess.run(migrate, cwd=ROOT, check=True)
        django.setup()

    @staticmethod
    def _make_database(postgres: PostgresServer, name: str) -> None:
        connection = psycopg2.connect(postgres.url("postgres"))
        connection.autocommit = True
        with contextlib.closing(connection), connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name}")

    def stop(self, *, keep: bool) -> None:
        """End the servers and leave nothing behind, or say where it is."""
        for line in (self.redis_line, self.line, self.shop_line):
            if line is not None:
                line.close()
        self.redis.stop()
        if self.postgres is not None:
            self.postgres.stop()
        if keep:
            print(f"logs and data are in {self.directory}")
        else:
            shutil.rmtree(self.directory, ignore_errors=True)

    def environment(self, *, past_the_proxies: bool = False) -> dict[str, str]:
        """Variables of the product's processes, or of ours that see everything as it is."""
        own, shop = self._url("recordmill"), self._url("shop")
        redis = self.redis.url
        if not past_the_proxies:
            redis = self.redis_line.url(redis)
            own = self.line.url(own) if self.line else own
            shop = self.shop_line.url(shop) if self.shop_line else shop
        return {name: os.environ[name] for name in INHERITED if name in os.environ} | {
            "RECORDMILL_TESTING": "1",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "HANDLER_APPS": "tests.handling",
            "LEASE_SECONDS": str(LEASE_SECONDS),
            "LOG_LEVEL": "CRITICAL" if past_the_proxies else "INFO",
            "PYTHONUNBUFFERED": "1",
            "VAR_DIR": str(self.directory / "var"),
            "DATABASE_URL": own,
            "DATABASE_URL_SHOP": shop,
            "REDIS_URL": redis,
        }

    def _url(self, name: str) -> str:
        if self.postgres is not None:
            return self.postgres.url(name)
        return f"sqlite:///{self.directory / name}.sqlite3"

    @property
    def file(self) -> Path:
        """Where our tables are, on SQLite."""
        return self.directory / "recordmill.sqlite3"
