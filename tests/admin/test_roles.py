"""Roles to begin with, and processors that only some people may know of."""

import json
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.contrib.messages import get_messages
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.test import Client
from django.urls import reverse

from processors import editing
from processors.acts import by_user
from processors.definitions import digest
from processors.models import BulkAct, Event, Processor, Record
from tests.admin.conftest import (
    VIEWS,
    SignIn,
    a_failed_record,
    a_processor,
    a_run,
    click,
    said,
)

pytestmark = pytest.mark.django_db

ROLES = ("Viewer", "Operator", "Editor", "Admin")
# What docs/rights.md promises. Admin has all of them.
TABLE: dict[str, set[str]] = {
    "view_processor": {"Viewer", "Operator", "Editor"},
    "view_run": {"Viewer", "Operator", "Editor"},
    "view_record": {"Viewer", "Operator", "Editor"},
    "view_payload": {"Operator"},
    "edit_payload": {"Operator"},
    "operate_processor": {"Operator"},
    "tune_processor": {"Operator", "Editor"},
    "force_stop_processor": set(),
    "manage_dead_records": {"Operator"},
    "reprocess_record": set(),
    "add_processor": {"Editor"},
    "change_processor": {"Editor"},
    "delete_processor": {"Editor"},
    "change_source": set(),
    "administer_processors": set(),
    "add_record": {"Operator"},
    "view_event": set(),
    "view_queues": {"Operator"},
    "manage_queues": set(),
    "view_health": set(),
}  # fmt: skip


@pytest.fixture
def roles() -> None:
    """As after the migration, also where a test before has emptied the tables."""
    make_roles()


def make_roles() -> None:
    migration = import_module("processors.migrations.0003_roles")
    migration.make_roles(apps, SimpleNamespace(connection=connection))


def a_member(*groups: str) -> Client:
    user = User.objects.create_user(f"member-{User.objects.count()}", is_staff=True)
    user.groups.set(Group.objects.filter(name__in=groups))
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.parametrize("codename", TABLE)
def test_each_role_has_its_rights(roles: None, codename: str) -> None:
    permission = Permission.objects.get(codename=codename, content_type__app_label="processors")

    holders = set(permission.group_set.values_list("name", flat=True))

    assert holders == TABLE[codename] | {"Admin"}


def test_no_role_can_make_itself_a_superuser(roles: None) -> None:
    assert not Permission.objects.filter(group__name__in=ROLES, content_type__app_label="auth")


def test_a_changed_group_stays_changed_when_the_migration_runs_again(roles: None) -> None:
    group = Group.objects.get(name="Viewer")
    group.permissions.clear()
    Group.objects.get(name="Editor").delete()

    make_roles()

    assert not group.permissions.exists()
    assert Group.objects.get(name="Editor").permissions.exists()


# Where records come from


def test_who_may_not_change_sources_adds_processors_with_an_inbox_only(roles: None) -> None:
    editor = a_member("Editor")
    url = reverse("admin:processors_processor_add")
    html = editor.get(url).content.decode()
    assert "You do not have the right to change it." in html

    editor.post(url, {"name": "Orders", "handler": "sample.send", "source_kind": "table",
                      "table": "auth_user", "trigger_kind": "manual"})  # fmt: skip

    assert Processor.objects.get().source == {"kind": "inbox", "topic": None}


def test_who_adds_a_processor_is_told_who_can_start_it(roles: None) -> None:
    url = reverse("admin:processors_processor_add")
    typed = {"handler": "sample.send", "source_kind": "inbox", "trigger_kind": "manual"}

    told = [said(a_member(role).post(url, typed | {"name": role})) for role in ("Editor", "Admin")]

    assert told == [
        "Editor was added; it begins when an operator starts it.",
        "Admin was added; start it when you are ready.",
    ]


def test_who_may_not_change_sources_cannot_look_into_tables_through_a_preview(roles: None) -> None:
    processor = a_processor(name="Orders")
    data = {"name": "Orders", "slug": "orders", "handler": "sample.send", "source_kind": "table",
            "database": "default", "table": "auth_user", "trigger_kind": "manual",
            "seen": digest(processor), "_preview": "1"}  # fmt: skip

    html = a_member("Editor").post(processor.get_absolute_url(), data).content.decode()

    assert 'id="preview"' not in html


def test_who_may_not_change_sources_cannot_ask_for_tables_by_an_import(roles: None) -> None:
    url = reverse("admin:processors_processor_import")
    source = {"kind": "table", "table": "nowhere"}
    text = json.dumps({"slug": "t", "handler": "sample.send", "source": source})

    answer = a_member("Editor").post(url, {"text": text})

    assert answer.status_code == 403
    assert "isn&#x27;t in" in a_member("Admin").post(url, {"text": text}).content.decode()


def test_the_rule_holds_beneath_the_form_as_well(roles: None) -> None:
    a_member("Editor")
    act = by_user(User.objects.get())
    columns = {"slug": "t", "source_kind": "table", "source": {"kind": "table"}}

    with pytest.raises(PermissionDenied):
        editing.create(columns, act)
    with pytest.raises(PermissionDenied):
        editing.change(a_processor().pk, columns, act)


# Processors that are kept to groups


@pytest.fixture
def kept(roles: None) -> dict[str, Any]:
    """One processor for group A alone, with a run and a failed record."""
    group = Group.objects.create(name="A")
    processor = a_processor("secret", state="started")
    processor.groups.add(group)
    run = a_run(processor)
    record = a_failed_record(processor, run, "SECRET-1")
    event = Event.objects.create(processor=processor, subject="processor", action="start",
                                 actor="anna", at=run.started_at)  # fmt: skip
    return {"processor": processor, "run": run, "record": record, "event": event}


def page_of(model: str, row: Any) -> str:
    return reverse(f"admin:processors_{model}_change", args=[row.pk])


def test_s19_whoever_is_outside_its_groups_gets_404_for_all_of_a_processor(
    kept: dict[str, Any],
) -> None:
    outside, inside = a_member("Operator"), a_member("Operator", "A")

    for model in ("processor", "run", "record"):
        url = page_of(model, kept[model])
        assert outside.get(url).status_code == 404, url
        assert inside.get(url).status_code == 200, url


def test_s19_an_act_on_it_is_404_as_well(kept: dict[str, Any]) -> None:
    outside, processor = a_member("Operator"), kept["processor"]

    for url in (
        reverse("admin:processors_processor_stop", args=[processor.pk]),
        reverse("admin:processors_record_retry", args=[kept["record"].pk]),
    ):
        assert outside.post(url, click(processor)).status_code == 404

    assert Processor.objects.get(pk=processor.pk).is_started
    assert Record.objects.get(pk=kept["record"].pk).state == "dead"


@pytest.mark.parametrize("model", ["processor", "run", "record", "event"])
def test_no_list_mentions_what_is_hidden(sign_in: SignIn, kept: dict[str, Any], model: str) -> None:
    url = reverse(f"admin:processors_{model}_changelist")

    html = sign_in(*VIEWS).get(url, {"state": "all"} if model == "record" else {}).content.decode()

    assert "Secret" not in html
    assert "SECRET" not in html


@pytest.mark.parametrize("of", ["processor", "run"])
def test_a_question_about_many_records_names_nothing_that_is_hidden(
    kept: dict[str, Any], of: str
) -> None:
    url = reverse("admin:processors_record_many", args=["retry"])

    asked = a_member("Operator").post(url, query_params={of: kept[of].pk}).text

    assert "0 records are tried again" in asked
    assert "Secret" not in asked


@pytest.mark.parametrize("of", ["processor", "run"])
def test_an_act_on_many_hidden_records_is_hidden_as_well(kept: dict[str, Any], of: str) -> None:
    now = kept["run"].started_at
    act = BulkAct.objects.create(
        what="retry", selection={f"{of}_id": kept[of].pk}, words="Secret", actor="anna",
        expected=900, started_at=now, seen_at=now,
    )  # fmt: skip
    outside, inside = a_member("Operator"), a_member("Operator", "A")
    records = reverse("admin:processors_record_changelist")

    assert "Secret" not in outside.get(records).text
    assert outside.get(act.get_absolute_url()).status_code == 404
    assert "Secret" in inside.get(records).text
    assert inside.get(act.get_absolute_url()).status_code == 200


def test_a_bulk_act_reaches_nothing_that_is_hidden(kept: dict[str, Any]) -> None:
    data = {"action": "stop_selected", "_selected_action": [kept["processor"].pk]}

    a_member("Operator").post(reverse("admin:processors_processor_changelist"), data)

    assert Processor.objects.get(pk=kept["processor"].pk).is_started


def test_whoever_administers_sees_all_and_says_who_else_does(kept: dict[str, Any]) -> None:
    admin, processor = a_member("Admin"), kept["processor"]
    url = reverse("admin:processors_processor_access", args=[processor.pk])
    viewer = Group.objects.get(name="Viewer")
    assert admin.get(url).status_code == 200

    answer = admin.post(url, {"groups": [viewer.pk], "reason": "They asked"})

    assert list(processor.groups.all()) == [viewer]
    assert Event.objects.get(action="access").reason == "kept to Viewer: They asked"
    assert "kept to Viewer" in " ".join(map(str, get_messages(answer.wsgi_request)))
    assert a_member("Viewer").get(page_of("processor", processor)).status_code == 200
    assert a_member("Editor", "A").get(url).status_code == 404


def test_whoever_sees_it_without_that_right_cannot_open_it_to_others(kept: dict[str, Any]) -> None:
    url = reverse("admin:processors_processor_access", args=[kept["processor"].pk])

    assert a_member("Editor", "A").post(url, {}).status_code == 403
    assert kept["processor"].groups.exists()


def test_s22_who_is_no_longer_staff_is_out_with_the_next_click(roles: None) -> None:
    client = a_member("Operator")
    url = reverse("admin:processors_run_changelist")
    assert client.get(url).status_code == 200

    User.objects.update(is_staff=False)

    assert client.get(url).status_code == 302


def test_djangos_log_needs_its_right(roles: None) -> None:
    url = reverse("admin:processors_processor_history", args=[a_processor().pk])

    assert a_member("Operator").get(url).status_code == 403
    assert a_member("Admin").get(url).status_code == 200
