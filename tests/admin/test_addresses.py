"""Who may send what to which address of the processors' admin; one that is not listed fails."""

from typing import Any

import pytest
from django.contrib import admin as site
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import NoReverseMatch, reverse

from processors.admin.buttons import VERBS
from processors.models import Processor
from tests.admin.conftest import a_processor, a_run
from tests.admin.test_roles import ROLES, a_member, make_roles
from tests.admin.test_versions import change

pytestmark = pytest.mark.django_db

EVERYONE = set(ROLES)
OPERATORS, EDITORS, ADMINS = {"Operator", "Admin"}, {"Editor", "Admin"}, {"Admin"}
NOBODY: set[str] = set()

# Name of the address: who may GET it, who may POST to it.
MAY: dict[str, tuple[set[str], set[str]]] = {
    "changelist": (EVERYONE, EVERYONE),  # a POST without an act is a look
    "add": (EDITORS, EDITORS),
    "change": (EVERYONE, EDITORS),
    "delete": (EDITORS, EDITORS),
    "history": (ADMINS, ADMINS),
    "access": (ADMINS, ADMINS),
    "schedule-preview": (EVERYONE, EVERYONE),
    **dict.fromkeys(VERBS, (NOBODY, OPERATORS)),
    "run-with": (OPERATORS, OPERATORS),
    "force-stop": (ADMINS, ADMINS),
    "add-records": (OPERATORS, OPERATORS),
    "limits": (OPERATORS | EDITORS, OPERATORS | EDITORS),
    "limits_undo": (NOBODY, OPERATORS | EDITORS),
    "versions": (EVERYONE, EVERYONE),
    "version": (EVERYONE, EVERYONE),
    "version_revert": (NOBODY, EDITORS),
    "export": (EVERYONE, EVERYONE),
    "export-all": (EVERYONE, EVERYONE),
    "import": (EDITORS, EDITORS),
}
REFUSED = {403, 405}


def names() -> set[str]:
    """Every named address of the processors' admin."""
    found = site.site._registry[Processor].get_urls()
    return {pattern.name.removeprefix("processors_processor_") for pattern in found if pattern.name}


def address(name: str, processor: Processor) -> str:
    for args in ((processor.pk, 1), (processor.pk,), ()):
        try:
            return reverse(f"admin:processors_processor_{name}", args=args)
        except NoReverseMatch:
            continue
    raise AssertionError(name)


@pytest.fixture
def processor(db: None) -> Processor:
    """One with history, so that no role can delete it on the way."""
    make_roles()
    found = change(a_processor(), batch_size=50)
    a_run(found)
    return found


def test_every_address_says_who_may_use_it(processor: Processor) -> None:
    assert names() == set(MAY)


@pytest.mark.parametrize("role", [*ROLES, "nobody"])
def test_each_role_reaches_its_addresses_and_no_other(processor: Processor, role: str) -> None:
    client = a_member(role) if role != "nobody" else a_member()

    wrong = [
        f"{method} {name}: {status}"
        for name, rights in MAY.items()
        for method, roles in zip(("get", "post"), rights, strict=True)
        if ((status := ask(client, method, address(name, processor))) not in REFUSED)
        != (role in roles)
    ]

    assert not wrong


def ask(client: Client, method: str, url: str) -> int:
    answer: Any = getattr(client, method)(url)
    return int(answer.status_code)


def test_strangers_are_sent_to_the_sign_in_page(processor: Processor) -> None:
    for name in MAY:
        for method in ("get", "post"):
            answer = getattr(Client(), method)(address(name, processor))
            assert "/admin/login/" in answer["Location"], (method, name)


def test_whoever_is_outside_its_groups_finds_none_of_its_addresses(processor: Processor) -> None:
    processor.groups.add(Group.objects.create(name="A"))
    client = a_member("Operator", "Editor")
    url_of_it = f"/{processor.pk}/"
    hidden = {404, 405, 302}  # Django's own page for deleting leads to the overview

    for name in MAY:
        url = address(name, processor)
        if url_of_it in url:
            assert {ask(client, "get", url), ask(client, "post", url)} <= hidden, name
    assert Processor.objects.get().state == "stopped"
