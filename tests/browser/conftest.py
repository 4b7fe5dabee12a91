"""Somebody signed in, in a browser on a running site.

A click returns when its answer has begun to arrive: what the next page says is waited for.
"""

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from playwright.sync_api import expect

from processors.models import Installation
from tests.conftest import PATIENCE_MS

Visit = Callable[..., Any]
expect.set_options(timeout=PATIENCE_MS)

# Pages poll ten times as often as for people; all other waiting takes as long as it takes.
HASTE = """{
  const patient = window.setTimeout;
  window.setTimeout = (act, wait, ...given) =>
    patient(act, act.name === "poll" ? wait / 10 : wait, ...given);
}"""


def session_of(user: User, url: str) -> dict[str, str]:
    """The cookie by which a browser is signed in as this person at this site."""
    client = Client()
    client.force_login(user)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    return {"name": cookie.key, "value": cookie.value, "url": url}


@pytest.fixture
def visit_by(transactional_db: None, live_server: Any, open_page: Callable[..., Any]) -> Visit:
    """Opens an address as somebody: `visit_by(user, "/admin/", viewport=…)`."""
    cache.clear()
    Installation.make()

    def open_one(user: User, path: str, **options: Any) -> Any:
        page = open_page(base_url=live_server.url, **options)
        page.add_init_script(HASTE)
        page.context.add_cookies([session_of(user, live_server.url)])
        page.goto(path)
        return page

    return open_one


@pytest.fixture
def visit(visit_by: Visit) -> Visit:
    """Opens an address as the administrator: `visit("/admin/", viewport=…)`."""

    def open_one(path: str, **options: Any) -> Any:
        user, _ = User.objects.get_or_create(username="anna", is_staff=True, is_superuser=True)
        return visit_by(user, path, **options)

    return open_one
