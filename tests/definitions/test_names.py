"""A processor's name and slug (B1 to B4)."""

import pytest

from processors.definitions import clean
from tests.definitions.conftest import a_definition, errors, saved

pytestmark = pytest.mark.django_db(databases=["default", "shop"])


@pytest.mark.parametrize("name", ["", "   ", "\u200b\u200b", " \u2060\t", 7])
def test_b1_an_empty_name_is_refused(name: object) -> None:
    assert errors(name=name)["name"] == ["Give the processor a name."]


def test_b2_a_long_name_is_counted() -> None:
    assert errors(name="x" * 10_000)["name"] == ["At most 80 characters (this has 10,000)."]


@pytest.mark.parametrize("name", ["café", "CAFÉ", "cafe\u0301", " café\u200b ", "саfé"])  # noqa: RUF001
def test_b3_a_name_that_looks_like_another_is_refused(name: str) -> None:
    saved(slug="cafe", name="Café")

    assert errors(name=name)["name"] == ["A processor named 'Café' exists already."]


@pytest.mark.parametrize("name", ["<script>", "{{7*7}}", "%s", "../../x", "=cmd()"])
def test_b4_any_text_is_a_name_and_its_slug_is_safe(name: str) -> None:
    columns = clean(a_definition(name=name, slug=""))

    assert columns["name"] == name
    assert columns["slug"] in ("script", "77", "s", "x", "cmd")


@pytest.mark.parametrize("slug", ["Orders", "a b", "../x", "ö", "-", "x" * 81, 7, "a\n"])
def test_b4_an_unsafe_slug_is_refused(slug: object) -> None:
    assert list(errors(slug=slug, name="Orders")) == ["slug"]


def test_a_slug_is_used_once() -> None:
    processor = saved()

    assert errors(name="Others")["slug"] == ["A processor with the slug 'orders' exists already."]
    assert clean(a_definition(), existing=processor)["slug"] == "orders"
