"""Filling an installation with the demo's data."""

import io
import stat
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command

from demo.accounts import ROLES, ensure_roles, ensure_superuser
from demo.models import ShopOrder
from processors.models import Processor, Record

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_directory(settings: object, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path  # type: ignore[attr-defined]


def seed(*arguments: str) -> str:
    out = io.StringIO()
    call_command("seed_demo", "--orders", "60", *arguments, stdout=out)
    return out.getvalue()


def test_a_new_installation_gets_everything_and_only_registrations_are_started() -> None:
    said = seed()

    states = dict(Processor.objects.values_list("slug", "state"))
    assert states == {"orders": "stopped", "registrations": "started", "partner": "stopped"}
    assert ShopOrder.objects.filter(status="NEW", result=None).count() == 60
    assert Record.objects.filter(processor__slug="partner").count() == 200
    assert "Login: admin / " in said


def test_a_second_call_adds_nothing_and_keeps_what_was_changed() -> None:
    first = seed()
    Processor.objects.filter(slug="partner").update(concurrency=3)
    ShopOrder.objects.filter(order_no="SO-2026-000001").update(status="DONE")

    second = seed()

    assert Processor.objects.get(slug="partner").concurrency == 3
    assert ShopOrder.objects.get(order_no="SO-2026-000001").status == "DONE"
    assert (ShopOrder.objects.count(), Record.objects.count()) == (60, 200)
    assert "0 new, 200 known" in second
    assert first.splitlines()[-1] == second.splitlines()[-1]


def test_the_partners_address_follows_its_argument_and_nothing_else_changes() -> None:
    seed()
    Processor.objects.filter(slug="partner").update(concurrency=3)

    seed("--partner-url", "http://127.0.0.1:9999/notify")

    partner = Processor.objects.get(slug="partner")
    assert partner.options["url"] == "http://127.0.0.1:9999/notify"
    assert partner.concurrency == 3


def test_a_negative_number_of_orders_is_refused() -> None:
    with pytest.raises(CommandError, match="--orders is -1"):
        call_command("seed_demo", "--orders", "-1")


def test_a_made_up_password_is_kept_where_only_its_owner_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "var" / "demo-password"

    password = ensure_superuser(file)

    user = get_user_model().objects.get(username="admin")
    assert user.is_superuser
    assert password is not None
    assert user.check_password(password)
    assert file.read_text() == f"{password}\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_given_password_is_set_and_written_nowhere(tmp_path: Path) -> None:
    file = tmp_path / "demo-password"
    ensure_superuser(file)

    assert ensure_superuser(file, "correct horse") == "correct horse"

    assert get_user_model().objects.get().check_password("correct horse")
    assert not file.exists()


def test_a_password_that_its_owner_changed_is_neither_shown_nor_reset(tmp_path: Path) -> None:
    file = tmp_path / "demo-password"
    ensure_superuser(file)
    user = get_user_model().objects.get()
    user.set_password("my own")
    user.save()

    assert ensure_superuser(file) is None

    user.refresh_from_db()
    assert user.check_password("my own")


def test_each_role_has_an_account_in_its_group_and_keeps_its_own_password() -> None:
    for name in ROLES:
        Group.objects.get_or_create(name=name.capitalize())
    ensure_roles("correct horse")
    user = get_user_model().objects.get(username="operator")
    assert user.check_password("correct horse")
    assert user.is_staff
    assert not user.is_superuser
    assert [group.name for group in user.groups.all()] == ["Operator"]

    user.set_password("my own")
    user.save()
    ensure_roles("correct horse")

    user.refresh_from_db()
    assert user.check_password("my own")
