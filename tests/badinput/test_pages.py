"""Whatever stands in an address or a field of the pages: never an error of ours, never half saved.

Nothing is listed by hand: the addresses are those of the permission matrix, the names of their
parameters are those that the pages ask for, and the forms are those that they show.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl

import pytest
from django.contrib import admin as site
from django.db import connection, transaction
from django.http import QueryDict
from django.test import Client
from django.utils.datastructures import MultiValueDict

from tests.admin.test_matrix import NOBODY, TABLE, address, everything, objects, sign_in
from tests.badinput.forms_of import Sent, forms_of

pytestmark = pytest.mark.django_db

__all__ = ["objects"]

NUMBER, DIGITS = "9" * 20, "9" * 5_000
IN_ADDRESSES = (NUMBER, DIGITS, "-1[", "\u00b2", "9999-12-31T23:59:59+00:00")
IN_FIELDS = ("\x00", NUMBER, DIGITS, "[", "0001-01-01T00:00", "x" * 100_000)
IN_PATHS = (NUMBER, DIGITS, "%00", "_5F")
# What a list of the admin reads from a copy of the address.
OF_LISTS = ("o", "p", "q", "e", "all", "_facets", "_popup", "_to_field", "pk", "id__regex")
# Fields of many forms, each time with another meaning.
OF_EACH = ("seen", "reason", "limit", "until", "selection", "_selected_action", "payload")


@pytest.fixture
def root(objects: dict[str, Any]) -> Client:
    client, _ = sign_in("superuser")
    return client


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names that the pages look for in an address or a form, while a test goes on."""
    names: set[str] = set()

    def listening(plain: Any) -> Any:
        def look(self: Any, name: Any, *rest: Any, **more: Any) -> Any:
            if isinstance(self, QueryDict):
                names.add(str(name))
            return plain(self, name, *rest, **more)

        return look

    for way in ("get", "getlist", "__getitem__"):
        monkeypatch.setattr(MultiValueDict, way, listening(getattr(MultiValueDict, way)))
    return names


@contextmanager
def nothing_stays() -> Iterator[None]:
    """Each request begins with the same database."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@contextmanager
def writes() -> Iterator[list[str]]:
    """The statements that write, also those that were taken back."""
    found: list[str] = []

    def note(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith(("INSERT", "UPDATE", "DELETE")):
            found.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(note):
        yield found


def told(answer: Any) -> str:
    """A status, and the error behind a 500."""
    cause = answer.exc_info[1] if getattr(answer, "exc_info", None) else ""
    return f"{answer.status_code} {cause!r:.200}"


def pages(objects: dict[str, Any]) -> list[tuple[str, str]]:
    """Each page that can be opened: its route, and an address that leads to something."""
    return [
        (route, address(route, objects))
        for route, (to_get, _) in TABLE.items()
        if to_get != NOBODY and not route.startswith(("demo/", "readyz"))
    ]


def of_list(route: str) -> set[str]:
    """What the list behind a route can be narrowed by."""
    name = route.removeprefix("admin/").rstrip("/").replace("/", ".")
    found = [one for model, one in site.site._registry.items() if model._meta.label_lower == name]
    filters = found[0].list_filter if found else ()
    narrowed = {str(getattr(each, "parameter_name", each)) for each in filters}
    return {*OF_LISTS, *narrowed} if found else set()


@pytest.mark.slow
def test_no_value_in_any_parameter_of_any_page_breaks_it(
    root: Client, objects: dict[str, Any], asked: set[str]
) -> None:
    broken, tried = [], 0
    for route, url in pages(objects):
        asked.clear()
        root.get(url)
        path, _, query = url.partition("?")
        for at, name in enumerate(sorted(asked | of_list(route))):
            bad = {IN_ADDRESSES[at % len(IN_ADDRESSES)], *(() if name in OF_LISTS else (NUMBER,))}
            for value in bad:
                tried += 1
                with nothing_stays():
                    given = {**dict(parse_qsl(query)), name: value}
                    answer = root.get(path, given)
                if answer.status_code not in (200, 302, 304, 400, 404):
                    broken.append(f"{path}?{name}={value[:30]}: {told(answer)}")

    assert not broken, "\n".join(broken)
    assert tried > 150


def test_the_character_nul_is_refused_on_every_page_with_a_sentence(
    root: Client, objects: dict[str, Any]
) -> None:
    for route, url in pages(objects):
        if route.startswith("admin/") and route != "admin/login/":
            answer = root.get(url.partition("?")[0], {"queue": "default", "q": "a\x00"})
            assert answer.status_code == 400, route
            assert "U+0000" in answer.content.decode()


@pytest.mark.slow
def test_no_number_or_word_in_a_path_breaks_a_page(root: Client, objects: dict[str, Any]) -> None:
    broken = []
    for at, route in enumerate(TABLE):
        parts = [part for part in route.split("/") if part.startswith("<")]
        for value in {NUMBER, IN_PATHS[at % len(IN_PATHS)]} if parts else ():
            path = address(route.replace(parts[0], value), objects)
            for verb in ("GET", "POST"):
                with nothing_stays():
                    answer = root.generic(verb, path)
                    if answer.status_code not in (200, 302, 400, 403, 404, 405):
                        broken.append(f"{verb} {path}: {told(answer)}")

    assert not broken, "\n".join(broken)


# Forms


def all_forms(root: Client, objects: dict[str, Any]) -> list[Sent]:
    """The forms of every page, and those of the pages that ask before an act; each kind once."""
    found: dict[tuple[Any, ...], Sent] = {}
    todo = [(url, root.get(url)) for route, url in pages(objects) if route.startswith("admin/")]
    for url, answer in todo:
        for sent in forms_of(url, text_of(answer)):
            kind = (sent.url.partition("?")[0], *sorted(sent.values))
            if kind in found or sent.url.strip("/") in ("admin/logout", "admin/password_change"):
                continue
            found[kind] = sent
            with nothing_stays():
                todo.append((sent.url, root.post(sent.url, sent.values)))
    return list(found.values())


def text_of(answer: Any) -> str:
    is_page = answer.status_code == 200 and "html" in answer.headers.get("Content-Type", "")
    return answer.content.decode() if is_page else ""


def poisoned(sent: Sent, known: set[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """A form with bad values: each field in turn, where it is new; then all fields at once."""
    for at, name in enumerate(sent.values):
        if name in known and name not in OF_EACH:
            continue
        known.add(name)
        value = IN_FIELDS[at % len(IN_FIELDS)]
        yield f"{name}={value[:30]!r}", {**sent.values, name: value}
    for value in (NUMBER, "\x00"):
        yield f"all={value[:30]!r}", dict.fromkeys(sent.values, value)


@pytest.mark.slow
def test_no_value_in_any_field_of_any_form_breaks_it_or_is_half_saved(
    root: Client, objects: dict[str, Any]
) -> None:
    before, broken, known = everything(), list[str](), set[str]()

    for sent in all_forms(root, objects):
        for what, values in poisoned(sent, known):
            with nothing_stays(), writes() as written:
                answer = root.post(sent.url, values)
                if answer.status_code not in (200, 302, 400, 404, 413):
                    broken.append(f"{sent.url} {what}: {told(answer)}")
                elif answer.status_code != 302 and written and everything() != before:
                    broken.append(f"{sent.url} {what}: something was saved")

    assert not broken, "\n".join(broken)
