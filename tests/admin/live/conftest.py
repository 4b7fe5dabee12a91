"""A browser that polls: what it asks, on which pages."""

import re
from typing import Any

from django.test import Client
from django.urls import reverse

POLL = {"X-Live": "1"}
SIGHT = 12  # rows that a screen shows


def poll(client: Client, url: str, **headers: str) -> Any:
    return client.get(url, headers={**POLL, **headers})


def poll_as_seen(client: Client, url: str, html: str, **headers: str) -> Any:
    """As a browser that shows this page asks: with the hash of each region, and the rows in it."""
    shown = "".join(re.findall(r'data-hash="(\w{8})"', html))
    rows = re.findall(r'data-live="([^"]+)"[^>]* data-row|data-live="(state-\d+)"', html)
    asked = {
        "X-Live-Has": shown,
        "X-Live-Rows": ",".join(one or other for one, other in rows[:SIGHT]),
    }
    return poll(client, url, **{**asked, **headers})


def live_pages(history: dict[str, Any]) -> list[str]:
    """One page of each kind; that of the queues is the last."""
    return [
        reverse("admin:index"),
        history["processor"].get_absolute_url(),
        history["active"].get_absolute_url(),
        reverse("admin:processors_processor_changelist"),
        reverse("admin:processors_run_changelist"),
        reverse("admin:processors_record_changelist"),
        reverse("admin:processors_record_change", args=[history["record"].pk]),
        reverse("admin:health"),
        reverse("admin:queues"),
    ]
