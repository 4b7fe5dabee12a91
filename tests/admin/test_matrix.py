"""Who may ask what: every address, by GET and POST, as every role. An address that is not in the
table fails the build, and so does a role that is let in or kept out against it."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.core import serializers
from django.test import Client
from django.urls import URLResolver, get_resolver

from processors.acts import by_command_line
from processors.definitions import dump
from processors.models import (
    Attempt,
    Batch,
    BulkAct,
    Event,
    Installation,
    Processor,
    Record,
    Run,
    Version,
)
from tests import bootstrap
from tests.admin.conftest import a_batch, a_failed_record, a_processor, a_run, an_active_run
from tests.admin.test_roles import make_roles

pytestmark = pytest.mark.django_db

Rights = tuple[str, ...]
EVERYBODY: Rights = ("everybody",)
STAFF: Rights = ()
NOBODY: Rights = ("nobody",)

SEE = ("view_processor",)
OPERATE = (*SEE, "operate_processor")
TUNE = (*SEE, "tune_processor")
DEAD = ("view_record", "manage_dead_records")
LOG = "admin.view_logentry"
QUEUES = ("view_queues", "manage_queues")

# Address → rights for GET, rights for POST. All of them are needed.
TABLE: dict[str, tuple[Rights, Rights]] = {
    "": (EVERYBODY, EVERYBODY),
    "healthz": (EVERYBODY, NOBODY),
    "readyz": (EVERYBODY, NOBODY),
    "admin/": (STAFF, STAFF),
    "admin/login/": (EVERYBODY, EVERYBODY),
    "admin/logout/": (NOBODY, STAFF),
    "admin/password_change/": (STAFF, STAFF),
    "admin/password_change/done/": (STAFF, NOBODY),
    "admin/autocomplete/": (NOBODY, NOBODY),  # no field of ours asks for it
    "admin/jsi18n/": (STAFF, NOBODY),
    "admin/r/<path:content_type_id>/<path:object_id>/": (STAFF, STAFF),
    "admin/schedule/": (SEE, SEE),
    "admin/health/": (("view_health",), ("view_health",)),
    "admin/times/": (NOBODY, STAFF),
    "admin/pause-all/": (("operate_processor",), ("operate_processor",)),
    "admin/resume-all/": (NOBODY, ("operate_processor",)),
    "admin/bulk/<int:pk>/": (("manage_dead_records",), ("manage_dead_records",)),
    "admin/queues/": (("view_queues",), ("view_queues",)),
    "admin/queues/jobs/": (("view_queues",), ("view_queues",)),
    "admin/queues/do/<slug:verb>/": (NOBODY, QUEUES),
    "admin/processors/event/": (("view_event",), ("view_event",)),
    "admin/processors/event/<path:object_id>/change/": (("view_event",), ("view_event",)),
    "admin/processors/event/<path:object_id>/history/": (("view_event", LOG), ("view_event", LOG)),
    "admin/processors/processor/": (SEE, SEE),
    "admin/processors/processor/add/": (("add_processor",), ("add_processor",)),
    "admin/processors/processor/schedule-preview/": (SEE, SEE),
    "admin/processors/processor/<path:object_id>/change/": (SEE, (*SEE, "change_processor")),
    "admin/processors/processor/<path:object_id>/history/": ((*SEE, LOG), (*SEE, LOG)),
    "admin/processors/processor/<path:object_id>/delete/": (
        (*SEE, "delete_processor"), (*SEE, "delete_processor"),
    ),
    **{
        f"admin/processors/processor/<int:pk>/{verb}/": (NOBODY, OPERATE)
        for verb in ("start", "stop", "pause", "resume", "run-once", "clear-fault",
                     "clear-and-start")
    },
    "admin/processors/processor/<int:pk>/run-with/": (OPERATE, OPERATE),
    "admin/processors/processor/<int:pk>/add-records/": (
        (*SEE, "add_record"), (*SEE, "add_record"),
    ),
    "admin/processors/processor/<int:pk>/force-stop/": (
        (*SEE, "force_stop_processor"), (*SEE, "force_stop_processor"),
    ),
    "admin/processors/processor/export/": (SEE, SEE),
    "admin/processors/processor/<int:pk>/export/": (SEE, SEE),
    "admin/processors/processor/import/": (("add_processor",), ("add_processor",)),
    "admin/processors/processor/<int:pk>/versions/": (SEE, SEE),
    "admin/processors/processor/<int:pk>/versions/<int:number>/": (SEE, SEE),
    "admin/processors/processor/<int:pk>/versions/<int:number>/revert/": (
        NOBODY, (*SEE, "change_processor"),
    ),
    "admin/processors/processor/<int:pk>/limits/": (TUNE, TUNE),
    "admin/processors/processor/<int:pk>/limits/undo/": (NOBODY, TUNE),
    "admin/processors/processor/<int:pk>/access/": (
        (*SEE, "administer_processors"), (*SEE, "administer_processors"),
    ),
    "admin/processors/record/": (("view_record",), ("view_record",)),
    "admin/processors/record/<path:object_id>/change/": (("view_record",), ("view_record",)),
    "admin/processors/record/<path:object_id>/history/": (
        ("view_record", LOG), ("view_record", LOG),
    ),
    "admin/processors/record/<int:pk>/retry/": (NOBODY, DEAD),
    "admin/processors/record/<int:pk>/discard/": (NOBODY, DEAD),
    "admin/processors/record/<int:pk>/settle/": (NOBODY, DEAD),
    "admin/processors/record/<int:pk>/reprocess/": (NOBODY, ("view_record", "reprocess_record")),
    "admin/processors/record/<int:pk>/edit/": (
        (*DEAD, "edit_payload", "view_payload"), (*DEAD, "edit_payload", "view_payload"),
    ),
    "admin/processors/record/many/<slug:what>/": (NOBODY, DEAD),
    "admin/processors/run/": (("view_run",), ("view_run",)),
    "admin/processors/run/<path:object_id>/change/": (("view_run",), ("view_run",)),
    "admin/processors/run/<path:object_id>/history/": (("view_run", LOG), ("view_run", LOG)),
    "admin/processors/attempt/": (("view_attempt",), ("view_attempt",)),
    "admin/processors/attempt/<path:object_id>/change/": (("view_attempt",), ("view_attempt",)),
    "admin/processors/attempt/<path:object_id>/history/": (
        ("view_attempt", LOG), ("view_attempt", LOG),
    ),
    **{
        f"admin/processors/{model}/export.csv": ((f"view_{model}",), NOBODY)
        for model in ("attempt", "event", "record", "run")
    },
    "admin/processors/record/errors.csv": (("view_record",), NOBODY),
    "admin/processors/run/purge/": (NOBODY, ("view_run", "delete_run")),
    # History is neither added nor deleted by anybody.
    **{
        f"admin/processors/{model}/{what}/": (NOBODY, NOBODY)
        for model in ("attempt", "event", "record", "run")
        for what in ("add", "<path:object_id>/delete")
    },
    # Users and groups: superusers alone.
    **{
        f"admin/auth/{model}/{what}": ((f"auth.{right}_{model}",), (f"auth.{right}_{model}",))
        for model in ("user", "group")
        for what, right in (
            ("", "view"), ("add/", "add"), ("<path:object_id>/change/", "view"),
            ("<path:object_id>/delete/", "delete"), ("<path:object_id>/history/", "view"),
        )
    },
    "admin/auth/user/<id>/password/": (("auth.change_user",), ("auth.change_user",)),
    # Django's own: a redirect from an older kind of address, the pages of an app, and the rest.
    **{
        f"admin/{model}/<path:object_id>/": (STAFF, STAFF)
        for model in ("auth/user", "auth/group", *(
            f"processors/{name}" for name in ("attempt", "event", "processor", "record", "run")
        ))
    },
    "admin/^(?P<app_label>auth|processors)/$": (SEE, SEE),
    "admin/(?P<url>.*)$": (NOBODY, NOBODY),
    # The demo's pages are for its visitors.
    "demo/": (EVERYBODY, EVERYBODY),
    "demo/register/": (EVERYBODY, EVERYBODY),
    "demo/register/<uuid:key>/": (EVERYBODY, NOBODY),
}  # fmt: skip

ROLES = ("stranger", "no rights", "Viewer", "Operator", "Editor", "Admin", "superuser")


def routes(patterns: Any, before: str = "") -> Iterator[str]:
    for pattern in patterns:
        here = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, here)
        else:
            yield here


def test_every_address_is_in_the_table() -> None:
    known = set(routes(get_resolver().url_patterns))

    assert known - set(TABLE) == set(), "say in TABLE who may ask for it"
    assert set(TABLE) - known == set(), "these are no addresses any more"


@pytest.fixture
def objects() -> dict[str, Any]:
    """Something behind every address."""
    make_roles()
    Installation.make()
    processor = a_processor()
    run = a_run(processor, done=3, dead=1, claimed=4)
    record = a_failed_record(processor, run)
    a_batch(an_active_run(processor, 2), claimed=3)
    event = Event.objects.create(
        processor=processor, subject="processor", action="start", actor="anna", at=run.started_at
    )
    Version.keep(processor, dump(processor), "create", by_command_line().at(run.started_at))
    act = BulkAct.objects.create(what="retry", words="all", actor="anna", expected=1,
                                 started_at=run.started_at, seen_at=run.started_at)  # fmt: skip
    return {"processor": processor, "run": run, "record": record, "event": event, "bulk": act,
            "attempt": record.history.get(),
            "user": User.objects.create_user("target"), "group": Group.objects.first()}  # fmt: skip


def address(route: str, objects: dict[str, Any]) -> str:
    """An address that leads to something that exists."""
    name = next((name for name in objects if f"/{name}/" in route), "")
    pk = str(objects[name].pk) if name else ""
    for part, value in {
        "<path:content_type_id>": str(ContentType.objects.get_for_model(Processor).pk),
        "<int:pk>": pk, "<path:object_id>": pk or str(objects["processor"].pk), "<id>": pk,
        "<int:number>": "1", "<slug:verb>": "resume", "<slug:what>": "retry",
        "<uuid:key>": "00000000-0000-0000-0000-000000000000",
        "^(?P<app_label>auth|processors)/$": "processors/", "(?P<url>.*)$": "nothing/here/",
    }.items():  # fmt: skip
        route = route.replace(part, value)
    query = "?queue=default" if route.endswith("/jobs/") else ""
    return f"/{route}{query}"


def sign_in(role: str) -> tuple[Client, User | None]:
    client = Client(raise_request_exception=False)
    if role == "stranger":
        return client, None
    user = User.objects.create_user(role, is_staff=True, is_superuser=role == "superuser")
    user.groups.set(Group.objects.filter(name=role))
    client.force_login(user)
    return client, user


def may(user: User | None, rights: Rights) -> bool:
    if rights in (EVERYBODY, NOBODY) or user is None:
        return rights == EVERYBODY
    return user.has_perms(right if "." in right else f"processors.{right}" for right in rights)


def outcome(answer: Any) -> str:
    if answer.status_code == 302 and "/admin/login/" in answer["Location"]:
        return "sign in"
    if answer.status_code == 302 and "/logout/" in answer.wsgi_request.path:
        return "sign in"  # nobody to sign out: Django leads to the first page
    return "refused" if answer.status_code in (403, 404, 405) else str(answer.status_code)


IN_ONE_RUN = bootstrap.once("rights are the same on both")


# Who may do everything opens every page on both databases.
@pytest.mark.slow
@pytest.mark.parametrize(
    "role", [pytest.param(role, marks=[IN_ONE_RUN] * (role != "superuser")) for role in ROLES]
)
def test_each_role_is_let_in_and_kept_out_as_the_table_says(
    objects: dict[str, Any], role: str
) -> None:
    wrong, (client, user) = [], sign_in(role)
    for route, rights in TABLE.items():
        for verb, needed in zip(("GET", "POST"), rights, strict=True):
            url = address(route, objects)
            got = outcome(client.generic(verb, url))
            # 503: /readyz and the demo say that nobody works here.
            expected = "200 302 400 503" if may(user, needed) else "sign in refused"
            if route == "admin/logout/" and user is not None:
                client.force_login(user)
            if got not in expected:
                wrong.append(f"{role}: {verb} {url} was {got}, not one of {expected}")
    assert not wrong, "\n".join(wrong)


def test_the_pages_of_the_queue_library_are_not_there(admin: Client) -> None:
    for path in ("/admin/django_rq/dashboard/", "/django-rq/", "/django-rq/stats.json", "/rq/"):
        assert admin.get(path).status_code == 404, path


MODELS = (
    Processor,
    Version,
    Run,
    Batch,
    Record,
    Attempt,
    Event,
    BulkAct,
    Installation,
    Group,
    LogEntry,
)


def everything() -> str:
    """All that an act could change, as text."""
    rows = [row for model in MODELS for row in model.objects.order_by("pk")]
    return str(serializers.serialize("json", rows))


@pytest.mark.slow
def test_s23_nothing_but_a_post_changes_anything(objects: dict[str, Any]) -> None:
    client, _ = sign_in("superuser")
    before = everything()

    for verb in ("GET", "DELETE"):
        for route in TABLE:
            if route not in ("admin/logout/", "demo/register/"):
                client.generic(verb, address(route, objects))

    assert everything() == before
