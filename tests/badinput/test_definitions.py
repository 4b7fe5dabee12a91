"""B1 to B40, B78 to B92: bad definitions are refused alike by the form and `processor load`."""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest
from django.db import connections

from processors.forms import ProcessorForm
from processors.models import Processor
from tests import bootstrap
from tests.badinput.conftest import is_for_people
from tests.factories import make_processor

pytestmark = pytest.mark.django_db(databases=["default", "shop"])

Load = Callable[[Any], str]
FillIn = Callable[..., str]


def a_definition(**changes: Any) -> dict[str, Any]:
    base = {"slug": "bad", "name": "Bad", "handler": "sample.send", "source": {"kind": "inbox"}}
    return {**base, **changes}


def cron(**changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same schedule for the command and for the form."""
    given = {"kind": "cron", "cron": "0 6 * * *", "time_zone": "UTC", **changes}
    return {"trigger": given}, {"trigger_kind": "cron", **given, "kind": "cron"}


def plain(field: str, value: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    return {field: value}, {field: str(value)}


# Line → what the command is given, what is typed into the form, what both say.
LINES: dict[str, tuple[tuple[dict[str, Any], dict[str, Any]], str]] = {
    "B1 no name": (plain("name", " "), "Give the processor a name."),
    "B1 zero width": (plain("name", "\u200b\u200b"), "Give the processor a name."),
    "B2": (plain("name", "x" * 10_000), "At most 80 characters (this has 10,000)."),
    "B3 case": (plain("name", "TAKEN"), "A processor named 'Taken' exists already."),
    "B3 Cyrillic": (plain("name", "T\u0430ken"), "A processor named 'Taken' exists already."),
    "B4": (plain("slug", "../../x"), "Give a slug of at most 80 lower case letters"),
    **{
        f"B6 {value!r}": (plain("batch_size", value), "A whole number from 1 to 1000.")
        for value in (0, -1, 1.5, "1e3", "\uff11\uff10", " 10 ", 2**63, "NaN", "", "9" * 5000)
        if value != ""
    },
    "B7": (plain("parallelism", 0), "A whole number from 1 to 1000."),
    "B9": (plain("record_timeout_seconds", 0), "A whole number from 1 to 86400."),
    "B10 none": (plain("max_attempts", 0), "A whole number from 1 to 50."),
    "B10 many": (plain("max_attempts", 10**6), "A whole number from 1 to 50."),
    "B11": (
        (
            {"backoff": {"base_seconds": 600, "cap_seconds": 300}},
            {"backoff_base_seconds": "600", "backoff_cap_seconds": "300"},
        ),
        "The first wait (600 s) is longer than the longest (300 s).",
    ),
    "B11 cap 0": (
        (
            {"backoff": {"base_seconds": 0, "cap_seconds": 0}},
            {"backoff_base_seconds": "0", "backoff_cap_seconds": "0"},
        ),
        "The longest wait must be more than 0 s.",
    ),
    **{
        f"B12 B85 {value!r}": (
            (
                {"trigger": {"kind": "interval", "pause_seconds": value}},
                {"trigger_kind": "interval", "pause_seconds": str(value)},
            ),
            "A whole number of seconds from 1 to 31622400 (366 days).",
        )
        for value in (0, -5, 0.1, 10**9, "5m", -1, 315_360_000)
    },
    **{
        f"B13 {value}": (plain("handler", value), f"Unknown handler '{value}'. Choose one of: ")
        for value in ("os.system", "a.b.c", "handlers.Order; DROP")
    },
    "B15 broken": (plain("options", '{"a": 1,}'), "Not valid JSON at line 1, column 9"),
    "B15 a list": (plain("options", "[1]"), "Options are an object"),
    "B16": (
        ({"options": {"password": "hunter2"}}, {"options": '{"password": "hunter2"}'}),
        "Put secrets into the environment and name them here (env:NAME).",
    ),
    "B78 empty": (cron(cron=""), "Use five fields"),
    "B78 four": (cron(cron="* * * *"), "Use five fields: minute hour day month weekday."),
    "B78 61": (cron(cron="61 * * * *"), "Minute must be 0\u201359, got 61."),
    "B78 */0": (cron(cron="*/0 * * * *"), "Minute step must be 1\u201359, got 0."),
    "B78 1-40": (cron(cron="0 0 1-40 * *"), "Day must be 1\u201331, got 40."),
    "B78 H": (cron(cron="H * * * *"), "Use five fields"),
    **{
        f"B79 {text}": (cron(cron=text), "Use five fields: minute hour day month weekday.")
        for text in ("* * * * * *", "* * * * * * *", "@daily", "@reboot")
    },
    "B79 R": (cron(cron="R * * * *"), "Minute must be 0\u201359, got R."),
    "B79 ?": (cron(cron="0 0 ? * *"), "Use five fields"),
    "B80": (cron(cron="0 0 30 2 *"), "This never happens: there is no 30 February."),
    "B80 April": (cron(cron="0 0 31 4 *"), "This never happens: there is no 31 April."),
    "B86 misspelt": (cron(time_zone="Europe/Berln"), "did you mean Europe/Berlin?"),
    **{
        f"B86 {zone}": (cron(time_zone=zone), f"Unknown zone '{zone}'")
        for zone in ("CET", "EST5EDT", "GMT+5", "US/Pacific-New")
    },
}  # fmt: skip


@pytest.fixture(autouse=True)
def taken() -> Processor:
    """A processor that is there before, and stays as it is."""
    return make_processor("taken", name="Taken", handler="sample.send")


@bootstrap.once("what is refused before it is stored is refused alike")
@pytest.mark.parametrize("line", LINES)
def test_the_form_and_the_command_refuse_a_line_in_the_same_words(
    load: Load, fill_in: FillIn, line: str
) -> None:
    (given, typed), sentence = LINES[line]

    assert sentence in load(a_definition(**given))
    assert sentence in fill_in(**typed)
    assert list(Processor.objects.values_list("slug", flat=True)) == ["taken"]


@pytest.mark.parametrize("text", ["0 0 29 2 *", "0 0 13 * 5", "* * * * *"])
def test_b81_b82_b84_rare_and_dense_schedules_are_allowed(
    load: Load, fill_in: FillIn, text: str
) -> None:
    given, typed = cron(cron=text)

    assert load(a_definition(**given)) == ""
    Processor.objects.filter(slug="bad").delete()
    assert fill_in(**typed) == ""


# A table as a source


@pytest.fixture
def orders() -> Iterator[None]:
    """In 'shop': a table, a view, and tables with other keys."""
    with connections["shop"].cursor() as cursor:
        for name in ("orders", "keyless", "pairs"):
            cursor.execute(f"DROP TABLE IF EXISTS {name}")
        cursor.execute(
            "CREATE TABLE orders (id integer NOT NULL PRIMARY KEY, status varchar(10),"
            " amount integer, price real, body text)"
        )
        cursor.execute("CREATE TABLE keyless (ref varchar(20), status varchar(10))")
        cursor.execute("INSERT INTO keyless VALUES ('a', 'NEW'), ('a', 'NEW'), (NULL, 'NEW')")
        cursor.execute(
            "CREATE TABLE pairs (a integer, b integer, status varchar(10), PRIMARY KEY (a, b))"
        )
        cursor.execute("CREATE VIEW seen AS SELECT * FROM orders")
    yield
    with connections["shop"].cursor() as cursor:
        cursor.execute("DROP VIEW seen")


TABLE: dict[str, Any] = {
    "kind": "table", "database": "shop", "table": "orders", "key": "id", "status": "status",
    "words": {"new": "NEW", "claimed": None, "done": "DONE", "failed": "ERROR"},
}  # fmt: skip
TYPED = {
    "source_kind": "table", "database": "shop", "table": "orders", "key": "id", "status": "status",
    "word_new": "NEW", "word_claimed": "", "word_done": "DONE", "word_failed": "ERROR",
    "trigger_kind": "manual",
}  # fmt: skip
NOT_OURS = "Tables of Django, Postgres and of this app can't be sources."


def words(**changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    typed = {f"word_{name}": value for name, value in changes.items()}
    return {"words": {**TABLE["words"], **changes}}, typed


SOURCES: dict[str, tuple[tuple[dict[str, Any], dict[str, Any]], str]] = {
    **{
        f"B25 {name}": (plain("table", name), sentence)
        for name, sentence in {
            "orders; DROP TABLE x": "isn't in database 'shop'",
            '"orders"': "isn't in database 'shop'",
            "orders--": "isn't in database 'shop'",
            "a.b.c.d": "isn't in database 'shop'",
            "pg_catalog.pg_authid": NOT_OURS,
            "auth_user": NOT_OURS,
            "django_session": NOT_OURS,
            "processors_record": NOT_OURS,
        }.items()
    },
    "B26": (plain("table", "order"), "Table 'order' isn't in database 'shop'. Similar: orders."),
    "B27": (plain("table", "seen"), "A source must be a table that can be updated."),
    "B28": (
        ({"table": "keyless", "key": "ref"}, {"table": "keyless", "key": "ref"}),
        "Column 'ref' has 1 duplicate and 1 empty values; a key must be unique and filled.",
    ),
    "B29 float": (plain("key", "price"), "Choose one column of text, whole number or UUID."),
    "B30": (plain("key", "status"), "Key and status must be different columns."),
    "B31 missing": (plain("status", "state"), "Column 'state' isn't in table 'orders'"),
    "B31 type": (plain("status", "price"), "a status is text, a whole number or an enum"),
    "B32 same": (words(done="NEW"), "'NEW' is the word for 'new' already; each needs its own."),
    "B32 long": (
        words(done="PROCESSED_BY_US"),
        "'PROCESSED_BY_US' has 15 characters, the column holds 10.",
    ),
    "B32 empty": (words(new=" "), "Give the word for 'new'."),
    "B33": (plain("table", "x" * 70), "isn't in database|at most 63 bytes"),
    "B36": (plain("database", "erp"), "Unknown database 'erp'. Configured: default, shop."),
    "B38": (
        ({"filter": [["1=1;", "DELETE", "x"]]}, {"filter": "1=1; DELETE FROM x"}),
        "Column '1|Unknown operator",
    ),
    "B39": (
        ({"filter": [["_connector", "=", "OR 1=1"]]}, {"filter": "_connector = OR 1=1"}),
        "Column '_connector' isn't in table 'orders'",
    ),
}  # fmt: skip


@pytest.mark.usefixtures("orders")
@pytest.mark.parametrize("line", SOURCES)
def test_the_form_and_the_command_refuse_a_source_in_the_same_words(
    load: Load, fill_in: FillIn, line: str
) -> None:
    (given, typed), sentence = SOURCES[line]
    allowed = sentence.split("|")

    by_command = load(a_definition(source={**TABLE, **given}))
    by_form = fill_in(**{**TYPED, **typed})

    assert any(one in by_command for one in allowed), by_command
    assert any(one in by_form for one in allowed), by_form
    assert not Processor.objects.filter(slug="bad").exists()


# Whatever stands where: no value is answered with an error of ours

POISON: dict[str, Any] = {
    "NUL": "a\x00b",
    "half a character": "a\ud800b",
    "long": "x" * 100_000,
    "a list": [1, [2, {"a": None}]],
    "an object": {"a": {"b": []}},
    "true": True,
    "minus one": -1,
    "huge": 10**30,
    "a fraction": 0.5,
    "infinite": float("1e400"),
    "right to left": "\u202eabc",
    "empty": "",
    "dots": "../../etc/passwd",
    "markup": "<script>alert(1)</script>{{ 7*7 }}%s",
    "deep": "DEEP",
}  # fmt: skip
PLACES = (
    *("slug", "name", "description", "handler", "queue", "options", "source", "trigger", "backoff"),
    *("parallelism", "concurrency", "batch_size", "records_per_cycle", "max_attempts"),
    *("record_timeout_seconds", "breaker", "unknown"),
    *("source.kind", "source.topic", "options.x", "backoff.base_seconds"),
    *("table.database", "table.table", "table.key", "table.status", "table.words", "table.payload"),
    *("table.words.new", "table.words.claimed", "table.filter", "table.filter.0.2", "table.result"),
    *("table.filter.0.0", "table.filter.0.1", "table.error", "table.order"),
    *("trigger.kind", "cron.cron", "cron.time_zone", "cron.misfire", "interval.pause_seconds"),
)
FRAMES: dict[str, tuple[str, Any]] = {
    "table": ("source", {**TABLE, "filter": [["amount", "=", 1]]}),
    "source": ("source", {"kind": "inbox"}),
    "trigger": ("trigger", {"kind": "manual"}),
    "cron": ("trigger", {"kind": "cron", "cron": "* * * * *"}),
    "interval": ("trigger", {"kind": "interval"}),
    "options": ("options", {}),
    "backoff": ("backoff", {}),
}


def poisoned(place: str, value: Any) -> dict[str, Any]:
    """A definition with the value in that place."""
    frame, *rest = place.split(".")
    if not rest:
        return a_definition(**{place: value})
    field, frame_of = FRAMES[frame]
    whole = part = deepcopy(frame_of)
    for name in rest[:-1]:
        part = part[int(name) if name.isdigit() else name]
    part[int(rest[-1]) if rest[-1].isdigit() else rest[-1]] = value
    return a_definition(**{field: whole})


@pytest.mark.usefixtures("orders")
@pytest.mark.parametrize("place", PLACES)
def test_no_value_in_any_place_of_a_definition_breaks_the_command(load: Load, place: str) -> None:
    for name, value in POISON.items():
        text = json.dumps(poisoned(place, value))
        if name == "deep":
            text = text.replace('"DEEP"', "[" * 20_000 + "]" * 20_000)
        said = load(text.replace("Infinity", "1e400"))
        if not said:
            Processor.objects.get(slug="bad").full_clean()
            Processor.objects.filter(slug="bad").delete()


TEXTS = (
    *("a\x00b", "\u202eabc", "9" * 5_000, "[" * 20_000, "NaN", "<script>{{ 7*7 }}%s"),
    *('{"a": NaN}', '{"a": 1e400}', '{"a": "\\u0000"}', '{"a": "\\ud800"}', '{"a": 1, "a": 2}'),
)


@pytest.mark.slow
@pytest.mark.usefixtures("orders")
@pytest.mark.parametrize("is_table", [False, True])
def test_no_text_in_any_field_breaks_the_form(is_table: bool) -> None:
    empty = ProcessorForm()
    values = {name: empty[name].value() for name in empty.fields}
    values |= {"name": "Bad", "slug": "bad", "handler": "sample.send"} | (TYPED if is_table else {})
    sent = {name: "" if value is None else value for name, value in values.items()}
    names = TYPED if is_table else empty.fields

    for name in names:
        for text in TEXTS:
            form = ProcessorForm({**sent, name: text})
            if form.is_valid():
                Processor(**form.columns).full_clean()
            else:
                assert is_for_people(str(form.errors))
