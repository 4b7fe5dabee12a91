"""A signed-in browser on a running site."""

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client

from processors.models import Installation


@pytest.fixture
def visit(
    transactional_db: None,
    live_server: Any,
    open_page: Callable[..., Any],
) -> Callable[..., Any]:
    """Opens an address as the administrator: `visit("/admin/", viewport=…)`."""
    cache.clear()
    from processors.clock import database_now

    Installation.objects.get_or_create(pk=1, defaults={"reaped_at": database_now()})

    def open_one(path: str, **options: Any) -> Any:
        user, _ = User.objects.get_or_create(username="anna", is_staff=True, is_superuser=True)
        client = Client()
        client.force_login(user)
        page = open_page(base_url=live_server.url, **options)
        cookie = client.cookies[settings.SESSION_COOKIE_NAME]
        page.context.add_cookies(
            [{"name": cookie.key, "value": cookie.value, "url": live_server.url}]
        )
        page.goto(path)
        return page

    return open_one
