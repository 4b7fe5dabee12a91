"""What a valid definition is (FAULTS 5.1): every way in says the same."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections

from processors.definitions import InvalidDefinition, clean, dump
from processors.handlers import Handler, registry
from processors.models.processor import Processor

pytestmark = pytest.mark.django_db(databases=["default", "shop"])


@dataclasses.dataclass
class SendOptions:
    """Options of the sample handler."""

    currency: str = "EUR"
    retries: int = 3
    api_key: str = ""


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Three handlers, one for each kind of effect."""
    names = [
        ("sample.send", "outside", SendOptions),
        ("sample.book", "database", None),
        ("sample.pay", "unrepeatable", None),
    ]
    for name, effects, options in names:
        registry.add(Handler(name, name, print, effects, options))  # type: ignore[arg-type]
    yield
    for name, _, _ in names:
        del registry._handlers[name]


def a_definition(**changes: Any) -> dict[str, Any]:
    return {"slug": "orders", "handler": "sample.send", "source": {"kind": "inbox"}, **changes}


def a_table(alias: str = "default", **changes: Any) -> dict[str, Any]:
    """A table source; makes its table."""
    with connections[alias].cursor() as cursor:
        cursor.execute(
            "CREATE TABLE IF NOT EXISTS customer_order "
            "(id integer NOT NULL PRIMARY KEY, status varchar(10), amount integer, result text)"
        )
    return {
        "kind": "table",
        "database": alias,
        "table": "customer_order",
        "key": "id",
        "status": "status",
        **changes,
    }


def errors(existing: Processor | None = None, **changes: Any) -> dict[str, list[str]]:
    with pytest.raises(InvalidDefinition) as caught:
        clean(a_definition(**changes), existing=existing)
    return caught.value.errors


def saved(**changes: Any) -> Processor:
    return Processor.objects.create(**clean(a_definition(**changes)))


# The whole


def test_the_shortest_definition_gets_good_defaults() -> None:
    columns = clean(a_definition())

    assert columns["name"] == "Orders"
    assert columns["trigger_kind"] == "arrival"
    assert columns["queue"] == "default"
    assert columns["batch_size"] == 500
    assert columns["records_per_cycle"] is None
    assert columns["source"] == {"kind": "inbox", "topic": None}
    Processor(**columns).full_clean()


def test_a_table_source_runs_by_default_after_a_pause() -> None:
    columns = clean(a_definition(source=a_table()))

    assert columns["trigger_kind"] == "interval"
    assert columns["source"]["mode"] == "A"
    assert columns["source_kind"] == "table"


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"name": "Ördèrs", "description": "All of them", "options": {"currency": "CHF"}},
        {"source": {"kind": "inbox", "topic": "orders.new"}, "trigger": {"kind": "manual"}},
        {"trigger": {"kind": "cron", "cron": "*/5 * * * *", "time_zone": "Europe/Berlin"}},
        {"records_per_cycle": 10, "backoff": {"base_seconds": 0.5, "cap_seconds": 60}},
    ],
)
def test_cleaning_a_dump_gives_the_same_columns(changes: dict[str, Any]) -> None:
    columns = clean(a_definition(**changes))
    processor = Processor.objects.create(**columns)

    assert clean(dump(processor), existing=processor) == columns
    assert dump(processor) == dump(Processor(**clean(dump(processor), existing=processor)))


def test_a_dumped_table_source_has_no_derived_fields() -> None:
    source = a_table(filter=[["amount", ">", 0]], order=["-amount"], result="result")
    processor = saved(source=source, trigger={"kind": "interval", "pause_seconds": "15"})

    dumped = dump(processor)

    assert not {"mode", "key_type", "status_type"} & set(dumped["source"])
    assert dumped["source"]["order"] == ["-amount"]
    assert dumped["trigger"] == {"kind": "interval", "pause_seconds": 15}
    assert dumped["backoff"] == {"base_seconds": 10, "cap_seconds": 3600}
    assert clean(dumped, existing=processor)["source"] == processor.source


def test_everything_that_is_wrong_is_told_at_once() -> None:
    found = errors(batch_size=0, handler="os.system", queue="fast", trigger={"kind": "never"})

    assert set(found) == {"batch_size", "handler", "queue", "trigger.kind"}


def test_the_text_of_an_error_has_a_line_per_sentence() -> None:
    with pytest.raises(InvalidDefinition) as caught:
        clean(a_definition(batch_size=0, max_attempts=0))

    assert str(caught.value) == (
        "batch_size: A whole number from 1 to 1000.\nmax_attempts: A whole number from 1 to 50."
    )


def test_an_unknown_field_names_the_one_that_was_meant() -> None:
    assert errors(batchsize=5)["batchsize"] == [
        "Unknown field 'batchsize'. Did you mean 'batch_size'?"
    ]


@pytest.mark.parametrize("data", [None, [], "x", 42])
def test_something_else_than_an_object_is_no_definition(data: Any) -> None:
    with pytest.raises(InvalidDefinition):
        clean(data)


# B1 to B4: the name


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


# B6 to B12: numbers


@pytest.mark.parametrize(
    "value",
    [0, -1, 1.5, 5.0, "1e3", "１０", " 10 ", 2**63, float("nan"), True, "", [], "5\n"],  # noqa: RUF001
)
def test_b6_only_a_whole_number_in_range_is_a_batch_size(value: object) -> None:
    assert errors(batch_size=value) == {"batch_size": ["A whole number from 1 to 1000."]}


def test_b6_a_number_may_come_as_text_from_a_form() -> None:
    assert clean(a_definition(batch_size="5"))["batch_size"] == 5


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("parallelism", [1, 1000], [0, 1001]),
        ("concurrency", [1, 256], [0, 257]),
        ("record_timeout_seconds", [1, 86_400], [0, 86_401]),
        ("max_attempts", [1, 50], [0, 10**6]),
        ("records_per_cycle", [None, 1, 10**9], [0, 10**9 + 1]),
    ],
)
def test_b7_b9_b10_limits_have_ranges(field: str, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        assert clean(a_definition(**{field: value}))[field] == value
    for value in bad:
        assert list(errors(**{field: value})) == [field]


def test_b11_the_first_wait_is_not_longer_than_the_longest() -> None:
    found = errors(backoff={"base_seconds": 600, "cap_seconds": 300})

    assert found["backoff.base_seconds"] == [
        "The first wait (600 s) is longer than the longest (300 s)."
    ]


@pytest.mark.parametrize(
    "backoff",
    [
        {"cap_seconds": 0, "base_seconds": 0},
        {"base_seconds": -1},
        {"cap_seconds": 604_801},
        {"base_seconds": float("nan")},
        {"base": 1},
        5,
    ],
)
def test_b11_impossible_waits_are_refused(backoff: Any) -> None:
    assert errors(backoff=backoff)


@pytest.mark.parametrize("pause", [-1, 10 * 366 * 86_400, "5m", 0.1, True])
def test_b12_a_pause_has_a_range(pause: object) -> None:
    found = errors(trigger={"kind": "interval", "pause_seconds": pause})

    assert list(found) == ["trigger.pause_seconds"]


# B13 to B16: the handler and its options


@pytest.mark.parametrize("handler", ["os.system", "a.b.c", "handlers.Order; DROP", 7])
def test_b13_an_unknown_handler_lists_the_known_ones(handler: object) -> None:
    [sentence] = errors(handler=handler)["handler"]

    assert sentence.startswith(f"Unknown handler '{handler}'. Choose one of: ")
    assert "sample.book, sample.pay, sample.send" in sentence


def test_b14_a_handler_that_was_removed_says_so() -> None:
    processor = Processor(pk=1, slug="orders", name="Orders", handler="sample.old")

    found = errors(existing=processor, handler="sample.old")

    assert found["handler"] == ["Handler 'sample.old' is no longer installed on this server."]


def test_b15_broken_json_is_located() -> None:
    [sentence] = errors(options='{\n "a": }')["options"]

    assert "line 2, column 7" in sentence


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ([1], "options"),
        ({"retries": "many"}, "options.retries"),
        ({"retrys": 3}, "options.retrys"),
    ],
)
def test_b15_options_must_fit_the_handler(options: Any, path: str) -> None:
    assert list(errors(options=options)) == [path]


def test_b16_a_secret_is_named_not_written() -> None:
    assert errors(options={"api_key": "s3cr3t"})["options.api_key"] == [
        "Put secrets into the environment and name them here (env:NAME)."
    ]
    assert clean(a_definition(options={"api_key": "env:PARTNER_KEY"}))["options"]["api_key"]


# Queue, trigger, source


def test_an_unknown_queue_lists_the_known_ones() -> None:
    [sentence] = errors(queue="fast")["queue"]

    assert sentence == "Unknown queue 'fast'. Choose one of: default, high, low."


@pytest.mark.parametrize(
    ("trigger", "path"),
    [
        ({"kind": "cron", "cron": "61 * * * *"}, "trigger.cron"),
        ({"kind": "cron"}, "trigger.cron"),
        ({"kind": "cron", "cron": "0 * * * *", "time_zone": "Europe/Berln"}, "trigger.time_zone"),
        ({"kind": "cron", "cron": "0 * * * *", "misfire": "all"}, "trigger.misfire"),
        ({"kind": "manual", "cron": "0 * * * *"}, "trigger.cron"),
        ({"kind": ["cron"]}, "trigger.kind"),
        ("cron", "trigger.kind"),
    ],
)
def test_a_wrong_trigger_is_refused(trigger: Any, path: str) -> None:
    assert list(errors(trigger=trigger)) == [path]


def test_only_an_inbox_is_triggered_by_arrival() -> None:
    assert list(errors(source=a_table(), trigger={"kind": "arrival"})) == ["trigger.kind"]


@pytest.mark.parametrize(
    ("source", "path"),
    [
        (None, "source"),
        ("inbox", "source"),
        ({"kind": "folder"}, "source.kind"),
        ({"kind": ["inbox"]}, "source.kind"),
        ({"kind": "inbox", "topic": "a b"}, "source.topic"),
        ({"kind": "inbox", "topik": "a"}, "source.topik"),
    ],
)
def test_a_wrong_source_is_refused(source: Any, path: str) -> None:
    assert path in errors(source=source)


def test_problems_of_a_table_are_told_by_their_path() -> None:
    found = errors(source=a_table(words={"new": "NEW", "done": "NEW"}, payload=["nothing"]))

    assert set(found) == {"source.words.done", "source.payload"}


def test_a_handler_in_our_transaction_needs_a_table_of_ours() -> None:
    assert list(errors(handler="sample.book", source=a_table("shop"))) == ["source.database"]
    assert clean(a_definition(handler="sample.book", source=a_table()))


def test_a_handler_in_our_transaction_works_one_by_one() -> None:
    assert list(errors(handler="sample.book", concurrency=2)) == ["concurrency"]
    assert clean(a_definition(handler="sample.pay", concurrency=2))


def test_b40_two_processors_do_not_take_the_same_rows() -> None:
    first = saved(source=a_table())

    [said] = errors(slug="more", source=a_table())["source.table"]
    assert said.startswith("Processor 'Orders' already takes these rows. Give each its own word")
    assert clean(a_definition(source=a_table()), existing=first)


def test_b40_another_new_word_takes_other_rows() -> None:
    saved(source=a_table())
    words = {"new": "AGAIN", "claimed": "TAKEN", "done": "DONE", "failed": "ERROR"}

    assert clean(a_definition(slug="more", source=a_table(words=words)))


# The circuit breaker


@pytest.mark.parametrize(
    ("breaker", "path"),
    [
        ([], None),
        ("off", "breaker"),
        ({"on": "no"}, "breaker.on"),
        ({"failures": 0}, "breaker.failures"),
        ({"failures": 200}, "breaker.failures"),
        ({"share_percent": 101}, "breaker.share_percent"),
        ({"crashes": "five"}, "breaker.crashes"),
        ({"failure": 5}, "breaker.failure"),
        ({"on": False, "failures": 3, "window": 10}, None),
    ],
)
def test_a_breaker_is_judged(breaker: object, path: str | None) -> None:
    definition = {
        "slug": "s",
        "handler": "handling.echo",
        "source": {"kind": "inbox"},
        "breaker": breaker,
    }

    try:
        refused = set()
        clean(definition)
    except InvalidDefinition as error:
        refused = set(error.errors)

    assert refused == ({path} if path else set())
