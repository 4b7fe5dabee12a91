"""Fills a new installation with the demo's data; run again, it only adds what is missing."""

import io
import json
import tempfile
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import CommandError, call_command
from django.core.management.base import BaseCommand
from django.db import transaction

from demo.accounts import USER_NAME, ensure_roles, ensure_superuser
from demo.models import ShopOrder
from demo.notifications import sample_notifications
from demo.orders import generate
from processors import publish

DEFINITIONS = Path(__file__).resolve().parents[2] / "definitions"
NOTIFICATIONS = 200
ROWS_AT_ONCE = 500  # about 1 MB of XML per statement


class Command(BaseCommand):
    help = "Create the demo's orders, processors, notifications and login. Safe to repeat."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--orders", type=int, default=5_000, help="sample orders (5000)")
        parser.add_argument(
            "--partner-url",
            default=settings.DEMO_PARTNER_URL,
            help="where notify_partner posts to, such as http://127.0.0.1:8099/notify",
        )
        parser.add_argument("--password", default="", help="of the login; otherwise one is made up")

    is_quiet = False

    def handle(
        self, *, orders: int, partner_url: str, password: str, verbosity: int, **_: Any
    ) -> None:
        if orders < 0:
            raise CommandError(f"--orders is {orders}: give zero or more.")
        self.is_quiet = verbosity == 0
        self.say(create_orders(orders))
        for slug in ("orders", "registrations", "partner"):
            self.say(load_processor(slug))
        if partner_url:
            point_partner_at(partner_url)
        published = publish("partner", sample_notifications(NOTIFICATIONS))
        self.say(f"Notifications: {published.new} new, {published.known} known.")
        self.say(self.login(password))

    def say(self, text: str) -> None:
        if not self.is_quiet:
            self.stdout.write(text)

    def login(self, given: str) -> str:
        file = settings.VAR_DIR / "demo-password"
        password = ensure_superuser(file, given)
        if password is None:
            return f"Login: {USER_NAME} / (the password that was set for it)"
        others = ", ".join(ensure_roles(password))
        return f"Login: {USER_NAME} / {password} (for fewer rights: {others}, same password)"


def create_orders(count: int) -> str:
    """Fill the shop's table once: rows that are there are somebody's, treated or not."""
    with transaction.atomic():
        if ShopOrder.objects.exists():
            return "Orders: there are some already."
        rows = (
            ShopOrder(
                order_no=order.order_no, customer=order.customer, xml=order.xml, amount=order.amount
            )
            for order in generate(count)
        )
        ShopOrder.objects.bulk_create(rows, batch_size=ROWS_AT_ONCE)
    return f"Orders: {count} created."


def load_processor(slug: str) -> str:
    """Load a definition once: what its operator changed since is kept."""
    if is_known(slug):
        return f"Processor {slug}: there already."
    call_command("processor", "load", str(DEFINITIONS / f"{slug}.json"), stdout=io.StringIO())
    if slug == "registrations":
        # A visitor's registration must not wait for an operator; the others show how to start.
        call_command("processor", "start", slug, "--reason", "demo", stdout=io.StringIO())
    return f"Processor {slug}: loaded."


def is_known(slug: str) -> bool:
    try:
        call_command("processor", "show", slug, "--json", stdout=io.StringIO())
    except CommandError:
        return False
    return True


def point_partner_at(url: str) -> None:
    """Change nothing of the partner's processor but the address of its web service."""
    out = io.StringIO()
    call_command("processor", "dump", "partner", stdout=out)
    definitions = json.loads(out.getvalue())
    [definition] = definitions if isinstance(definitions, list) else [definitions]
    if definition["options"].get("url") == url:
        return
    definition["options"]["url"] = url
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "partner.json"
        file.write_text(json.dumps(definition))
        call_command("processor", "load", str(file), stdout=io.StringIO())
