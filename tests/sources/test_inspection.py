"""A table source against its real database (FAULTS 5.2), on the database of this run."""

from typing import Any

import pytest
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from processors.sources.inspection import InvalidSource, inspect_source, preview
from processors.sources.introspection import (
    UnusableName,
    aliases,
    columns,
    indexes,
    quoted_table,
    tables,
)

pytestmark = pytest.mark.django_db(databases=["default", "shop"])

CUSTOMER_ORDER = """
CREATE TABLE customer_order (
  id integer NOT NULL PRIMARY KEY, status varchar(10), amount integer, customer varchar(40),
  ref varchar(20), lines text, doubled integer GENERATED ALWAYS AS (amount * 2) STORED)
"""
SYSTEM_TABLES = "Tables of Django, Postgres and of this app can't be sources."


@pytest.fixture
def is_postgres() -> bool:
    return connections["shop"].vendor == "postgresql"


@pytest.fixture
def only_on_postgres(is_postgres: bool) -> None:
    if not is_postgres:
        pytest.skip("SQLite has no such thing")


@pytest.fixture
def shop() -> BaseDatabaseWrapper:
    """The database 'shop' with three orders, two of them new."""
    return with_orders("shop")


def with_orders(alias: str) -> BaseDatabaseWrapper:
    connection = connections[alias]
    run(alias, CUSTOMER_ORDER)
    rows = [(1, "NEW", "A-1"), (2, "NEW", "A-2"), (3, "DONE", "A-3")]
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO customer_order (id, status, amount, ref) VALUES (%s, %s, 5, %s)", rows
        )
    return connection


def run(alias: str, *statements: str) -> None:
    with connections[alias].cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def rows(alias: str, sql: str) -> list[Any]:
    with connections[alias].cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def a_source(**changes: Any) -> dict[str, Any]:
    return {
        "kind": "table",
        "database": "shop",
        "table": "customer_order",
        "key": "id",
        "status": "status",
        "words": {"new": "NEW", "claimed": "TAKEN", "done": "DONE", "failed": "ERROR"},
        "payload": ["customer", "amount"],
        **changes,
    }


def words(**changes: Any) -> dict[str, Any]:
    return {**a_source()["words"], **changes}


def problems(**changes: Any) -> dict[str, list[str]]:
    return inspect_source(a_source(**changes)).problems


# What is there


def test_the_configured_databases_are_listed_with_default_first() -> None:
    assert aliases() == ["default", "shop"]


def test_only_tables_of_the_user_are_listed(shop: BaseDatabaseWrapper) -> None:
    run("shop", "CREATE VIEW recent AS SELECT * FROM customer_order")
    run("default", "CREATE TABLE own_things (id integer PRIMARY KEY)")

    assert "customer_order" in tables("shop")
    assert "recent" not in tables("shop")
    assert "own_things" in tables("default")
    assert not [name for name in tables("default") if name.startswith(("processors_", "auth_"))]


def test_columns_are_described(shop: BaseDatabaseWrapper) -> None:
    found = {column.name: column for column in columns("shop", "customer_order")}

    assert found["id"].kind == "integer"
    assert found["id"].unique
    assert not found["id"].nullable
    assert found["status"].length == 10
    assert found["status"].nullable
    assert found["doubled"].generated
    assert not found["amount"].generated


def test_indexes_are_found_by_first_column_and_condition(shop: BaseDatabaseWrapper) -> None:
    run("shop", "CREATE INDEX waiting ON customer_order (id) WHERE status = 'NEW'")

    assert any("status" in index.condition for index in indexes("shop", "customer_order"))


def test_a_name_with_a_quotation_mark_is_never_quoted() -> None:
    for name in ('a"; DROP TABLE x; --', "100%s", "", "a\x00b"):
        with pytest.raises(UnusableName):
            quoted_table("shop", name)


# A good source


def test_a_good_source_is_completed_with_defaults(shop: BaseDatabaseWrapper) -> None:
    found = inspect_source(
        {"kind": "table", **{k: a_source()[k] for k in ("database", "table", "key", "status")}}
    )

    assert found.problems == {}
    assert found.normal["mode"] == "C"
    assert found.normal["key_type"] == "integer"
    assert found.normal["status_type"] == "text"
    assert found.normal["words"] == words(claimed=None)
    assert found.normal["payload"] == ["amount", "customer", "ref", "lines", "doubled"]
    assert found.normal["result"] is None
    assert found.normal["filter"] == []


def test_a_table_in_our_own_database_is_claimed_in_our_transaction() -> None:
    with_orders("default")

    found = inspect_source(a_source(database="default"))

    assert found.problems == {}
    assert found.normal["mode"] == "A"
    assert found.normal["words"] == words()


def test_inspecting_twice_gives_the_same(shop: BaseDatabaseWrapper) -> None:
    once = inspect_source(a_source(filter=[["amount", ">", "0"]], order=["-amount"]))

    twice = inspect_source(once.normal)

    assert twice.problems == {}
    assert twice.normal == once.normal


def test_the_test_claim_leaves_no_trace() -> None:
    with_orders("default")
    before = rows("default", "SELECT * FROM customer_order ORDER BY id")

    assert not inspect_source(a_source(database="default")).problems

    assert rows("default", "SELECT * FROM customer_order ORDER BY id") == before


def test_an_unknown_field_names_the_one_that_was_meant(shop: BaseDatabaseWrapper) -> None:
    assert problems(filtre=[])["filtre"] == ["Unknown field 'filtre'. Did you mean 'filter'?"]


# B25, B26, B27: the table


@pytest.mark.parametrize(
    "name", ["orders; DROP TABLE x", '"customer_order"', "customer_order--", "a.b.c.d", "", None, 7]
)
def test_b25_a_table_that_introspection_does_not_list_is_refused(
    shop: BaseDatabaseWrapper, name: object
) -> None:
    assert problems(table=name)["table"]


@pytest.mark.parametrize(
    "name",
    [
        "pg_catalog.pg_authid",
        "pg_authid",
        "information_schema.tables",
        "sqlite_master",
        "auth_user",
        "django_session",
        "processors_record",
    ],
)
def test_b25_tables_of_django_postgres_and_this_app_are_refused(name: str) -> None:
    assert problems(database="default", table=name)["table"] == [SYSTEM_TABLES]


def test_b26_a_missing_table_names_similar_ones(shop: BaseDatabaseWrapper) -> None:
    assert problems(table="customer_ordr")["table"] == [
        "Table 'customer_ordr' isn't in database 'shop'. Similar: customer_order."
    ]


def test_b27_a_view_is_refused(shop: BaseDatabaseWrapper) -> None:
    run("shop", "CREATE VIEW recent AS SELECT * FROM customer_order")

    assert problems(table="recent")["table"] == [
        "A source must be a table that can be updated. 'recent' is a view."
    ]


@pytest.mark.usefixtures("only_on_postgres")
def test_b27_a_partitioned_table_is_allowed_after_a_test_claim() -> None:
    run(
        "shop",
        "CREATE TABLE parted (id int PRIMARY KEY, status text) PARTITION BY RANGE (id)",
        "CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10)",
        "INSERT INTO parted VALUES (1, 'NEW')",
    )

    assert problems(table="parted", payload=[]) == {}


# B28, B29, B30: the key


def test_b28_duplicate_and_empty_keys_are_counted(shop: BaseDatabaseWrapper) -> None:
    run(
        "shop",
        "UPDATE customer_order SET ref = 'X' WHERE id < 3",
        "UPDATE customer_order SET ref = NULL WHERE id = 3",
        "INSERT INTO customer_order (id, status, ref) VALUES (4, 'NEW', ''), (5, 'NEW', 'X')",
    )

    assert problems(key="ref")["key"] == [
        "Column 'ref' has 2 duplicate and 2 empty values; a key must be unique and filled."
    ]


def test_b28_a_key_that_nothing_keeps_unique_is_a_warning(shop: BaseDatabaseWrapper) -> None:
    found = inspect_source(a_source(key="ref"))

    assert found.problems == {}
    assert "Nothing in the database keeps 'ref' unique; add a unique index." in found.warnings


@pytest.mark.parametrize("kind", ["float", "timestamp", "numeric(5,2)"])
def test_b29_a_key_of_an_inexact_type_is_refused(kind: str) -> None:
    run("shop", f"CREATE TABLE odd (k {kind} PRIMARY KEY, status text)")

    [sentence] = problems(table="odd", key="k", payload=[])["key"]

    assert sentence.startswith("Choose one column of text, whole number or UUID.")


def test_b29_a_composite_key_is_refused(shop: BaseDatabaseWrapper) -> None:
    [sentence] = problems(key=["id", "ref"])["key"]

    assert sentence == "Choose one column of text, whole number or UUID."


@pytest.mark.usefixtures("only_on_postgres")
def test_a_uuid_is_a_key() -> None:
    run("shop", "CREATE TABLE named (id uuid PRIMARY KEY, status text)")

    found = inspect_source(a_source(table="named", payload=[]))

    assert found.problems == {}
    assert found.normal["key_type"] == "uuid"


def test_b30_key_and_status_must_differ(shop: BaseDatabaseWrapper) -> None:
    assert problems(key="status")["key"] == ["Key and status must be different columns."]


# B31, B32: the status and its words


def test_b31_a_missing_status_column_names_the_one_that_was_meant(
    shop: BaseDatabaseWrapper,
) -> None:
    assert problems(status="statsu")["status"] == [
        "Column 'statsu' isn't in table 'customer_order'. Did you mean 'status'?"
    ]


def test_b31_a_generated_status_column_is_refused(shop: BaseDatabaseWrapper) -> None:
    [sentence] = problems(status="doubled")["status"]

    assert sentence == "Column 'doubled' is generated by the database and can't be written."


@pytest.mark.usefixtures("only_on_postgres")
def test_b31_an_array_is_no_status() -> None:
    run("shop", "CREATE TABLE many (id int PRIMARY KEY, status text[])")

    [sentence] = problems(table="many", payload=[])["status"]

    assert sentence.startswith("Column 'status' is text[]")


REJECTING = {
    "sqlite": [
        (
            "CREATE TRIGGER refuse BEFORE UPDATE ON customer_order WHEN NEW.status = 'ERROR' "
            "BEGIN SELECT RAISE(ABORT, 'orders never fail'); END"
        )
    ],
    "postgresql": [
        (
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "IF NEW.status = 'ERROR' THEN RAISE EXCEPTION 'orders never fail' "
            "USING DETAIL = 'postgres://me:secret@host/db'; END IF; RETURN NEW; END $$"
        ),
        (
            "CREATE TRIGGER refuse BEFORE UPDATE ON customer_order FOR EACH ROW "
            "EXECUTE FUNCTION refuse()"
        ),
    ],
}


def test_b31_a_rejecting_trigger_is_quoted_without_details(shop: BaseDatabaseWrapper) -> None:
    run("shop", *REJECTING[shop.vendor])

    assert problems() == {"words.failed": ["The database refuses this: orders never fail"]}


def test_b31_a_check_constraint_is_found_by_the_test_claim() -> None:
    run(
        "default",
        "CREATE TABLE strict_order (id integer PRIMARY KEY, "
        "status varchar(10) CHECK (status IN ('NEW', 'DONE', 'ERROR')))",
        "INSERT INTO strict_order VALUES (1, 'NEW')",
    )

    found = problems(database="default", table="strict_order", payload=[])

    assert list(found) == ["words.claimed"]
    assert "refuses this" in found["words.claimed"][0]


def test_b31_a_trigger_that_changes_the_word_is_found(shop: BaseDatabaseWrapper) -> None:
    changing = {
        "sqlite": [
            (
                "CREATE TRIGGER change AFTER UPDATE ON customer_order WHEN NEW.status = 'DONE' "
                "BEGIN UPDATE customer_order SET status = 'OTHER' WHERE id = NEW.id; END"
            )
        ],
        "postgresql": [
            (
                "CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN NEW.status := 'OTHER'; RETURN NEW; END $$"
            ),
            (
                "CREATE TRIGGER change BEFORE UPDATE ON customer_order "
                "FOR EACH ROW EXECUTE FUNCTION change()"
            ),
        ],
    }
    run("shop", *changing[shop.vendor])

    assert "a trigger changes it" in problems()["words.done"][0]


@pytest.mark.parametrize(
    ("change", "path", "sentence"),
    [
        ({"done": "NEW"}, "words.done", "'NEW' is the word for 'new' already; each needs its own."),
        ({"done": " "}, "words.done", "Give the word for 'done'."),
        (
            {"failed": "FAILED_BY_RP"},
            "words.failed",
            "'FAILED_BY_RP' has 12 characters, the column holds 10.",
        ),
        ({"faild": "X"}, "words.faild", "Unknown word 'faild'. Did you mean 'failed'?"),
        ({"done": "A\x00"}, "words.done", "The character U+0000 can't be stored."),
    ],
)
def test_b32_words_must_differ_and_fit(
    shop: BaseDatabaseWrapper, change: dict[str, str], path: str, sentence: str
) -> None:
    assert problems(words=words(**change)) == {path: [sentence]}


@pytest.mark.usefixtures("only_on_postgres")
def test_b32_a_word_must_be_one_of_the_enums_values() -> None:
    run(
        "shop",
        "CREATE TYPE mood AS ENUM ('NEW', 'DONE', 'ERROR')",
        "CREATE TABLE moody (id int PRIMARY KEY, status mood)",
    )

    assert problems(table="moody", payload=[], words=words(claimed=None)) == {}
    assert problems(table="moody", payload=[], words=words(claimed=None, done="done")) == {
        "words.done": ["'done' isn't one of the enum's values: NEW, DONE, ERROR."]
    }


def test_b32_a_word_for_a_number_column_must_be_a_whole_number(shop: BaseDatabaseWrapper) -> None:
    codes = {"new": 0, "claimed": 1, "done": 2, "failed": "x"}

    found = problems(status="amount", payload=[], words=codes)

    assert found == {"words.failed": ["'x' isn't a whole number; column 'amount' is integer."]}


def test_whole_numbers_are_words_of_a_number_column(shop: BaseDatabaseWrapper) -> None:
    codes = {"new": 5, "claimed": 1, "done": 2, "failed": 3}

    found = inspect_source(a_source(status="amount", payload=[], words=codes))

    assert found.problems == {}
    assert found.normal["status_type"] == "integer"
    assert found.normal["words"] == {"new": "5", "claimed": "1", "done": "2", "failed": "3"}


# B33, B34: names and rights


@pytest.mark.parametrize("name", ["Order", "select", "naïve é", "two words", "o'clock", "a;b"])
def test_b33_unusual_names_work(name: str) -> None:
    run(
        "shop",
        f'CREATE TABLE "{name}" ("{name}" integer PRIMARY KEY, "Status {name}" text)',
        f"""INSERT INTO "{name}" VALUES (1, 'NEW')""",
    )
    source = a_source(table=name, key=name, status=f"Status {name}", payload=[])

    found = inspect_source(source)

    assert found.problems == {}
    assert preview(source).rows == [["1", "NEW"]]


@pytest.mark.usefixtures("only_on_postgres")
def test_b33_a_name_longer_than_postgres_allows_says_so() -> None:
    assert problems(table="x" * 70)["table"] == [
        "A name has at most 63 bytes in PostgreSQL (this has 70)."
    ]


@pytest.mark.usefixtures("only_on_postgres")
def test_a_table_of_another_schema_is_named_with_it() -> None:
    run(
        "shop",
        'CREATE SCHEMA "Sales Ä"',
        'CREATE TABLE "Sales Ä"."Order" (id int PRIMARY KEY, status text)',
        """INSERT INTO "Sales Ä"."Order" VALUES (1, 'NEW')""",
    )

    assert "Sales Ä.Order" in tables("shop")
    assert quoted_table("shop", "Sales Ä.Order") == '"Sales Ä"."Order"'
    assert problems(table="Sales Ä.Order", payload=[]) == {}


@pytest.mark.usefixtures("only_on_postgres")
def test_b34_a_user_who_may_only_read_is_named(shop: BaseDatabaseWrapper) -> None:
    run("shop", "CREATE ROLE app_ro", "GRANT SELECT ON customer_order TO app_ro")
    run("shop", "SET LOCAL ROLE app_ro")

    assert problems()["table"] == ["User app_ro may read but not update shop.customer_order."]


@pytest.mark.usefixtures("only_on_postgres")
def test_b34_a_user_who_may_not_even_read_is_named(shop: BaseDatabaseWrapper) -> None:
    run("shop", "CREATE ROLE app_none", "SET LOCAL ROLE app_none")

    assert problems(key="ref")["table"] == ["User app_none may not read shop.customer_order."]


@pytest.mark.usefixtures("only_on_postgres")
def test_b34_row_level_security_is_a_warning(shop: BaseDatabaseWrapper) -> None:
    run(
        "shop",
        "ALTER TABLE customer_order ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY all_rows ON customer_order USING (true)",
        "CREATE ROLE app_rls",
        "GRANT SELECT, UPDATE ON customer_order TO app_rls",
        "SET LOCAL ROLE app_rls",
    )

    found = inspect_source(a_source())

    assert found.problems == {}
    assert any("Row-level security" in warning for warning in found.warnings)


# B35: the preview


def test_the_preview_shows_the_next_rows_the_counts_and_the_claim() -> None:
    with_orders("default")

    shown = preview(a_source(database="default", order=["-id"]), limit=1)

    assert shown.columns == ["id", "status", "customer", "amount"]
    assert shown.rows == [["2", "NEW", None, "5"]]
    assert shown.counts == {"NEW": 2, "DONE": 1}
    assert "'TAKEN'" in shown.sql


def test_the_preview_of_another_database_shows_that_it_only_reads(
    shop: BaseDatabaseWrapper,
) -> None:
    shown = preview(a_source(filter=[["ref", "=", "o'clock"]]))

    assert shown.sql.startswith("SELECT ")
    assert "'o''clock'" in shown.sql


def test_b35_new_rows_in_another_writing_are_named(shop: BaseDatabaseWrapper) -> None:
    run("shop", "UPDATE customer_order SET status = 'new'")

    shown = preview(a_source())

    assert shown.warnings == ["0 rows are 'NEW'; 3 are 'new'. Did you mean 'new'?"]


def test_a_table_that_is_done_with_gives_no_warning(shop: BaseDatabaseWrapper) -> None:
    run("shop", "UPDATE customer_order SET status = 'DONE'")

    shown = preview(a_source())

    assert (shown.warnings, shown.rows) == ([], [])


def test_b35_rows_without_a_status_are_counted(shop: BaseDatabaseWrapper) -> None:
    run("shop", "UPDATE customer_order SET status = NULL WHERE id = 3")

    shown = preview(a_source())

    assert shown.counts == {"NEW": 2, "(empty)": 1}
    assert shown.warnings == ["1 rows have no status and are never taken."]


@pytest.mark.usefixtures("only_on_postgres")
def test_b35_filling_blanks_are_no_part_of_a_word() -> None:
    run(
        "shop",
        "CREATE TABLE padded (id int PRIMARY KEY, status char(10))",
        "INSERT INTO padded VALUES (1, 'NEW')",
    )
    source = a_source(table="padded", payload=[])

    assert inspect_source(source).problems == {}
    assert preview(source).counts == {"NEW": 1}


def test_long_values_are_cut_in_the_preview(shop: BaseDatabaseWrapper) -> None:
    run("shop", f"UPDATE customer_order SET lines = '{'x' * 500}'")

    value = preview(a_source(payload=["lines"])).rows[0][2]

    assert value is not None
    assert len(value) == 200


def test_a_source_with_problems_has_no_preview(shop: BaseDatabaseWrapper) -> None:
    with pytest.raises(InvalidSource) as caught:
        preview(a_source(table="nothing"))

    assert "table" in caught.value.problems


# B36: the database


def test_b36_an_unknown_alias_lists_the_known_ones() -> None:
    assert problems(database="erp") == {
        "database": ["Unknown database 'erp'. Configured: default, shop."]
    }


def test_b36_a_read_only_database_is_named(shop: BaseDatabaseWrapper, is_postgres: bool) -> None:
    if is_postgres:
        run("shop", "SET LOCAL default_transaction_read_only = on")
    else:
        run("shop", "PRAGMA query_only = 1")

    found = problems()
    if not is_postgres:
        run("shop", "PRAGMA query_only = 0")

    assert found == {"database": ["'shop' is read-only."]}


# B38, B39: the filter


@pytest.mark.parametrize(
    "line",
    [
        "1=1; DELETE FROM customer_order",
        {"_connector": "OR 1=1"},
        ["amount", "OR 1=1 --", 1],
        ["amount", "like", "%"],
        ["amount) OR (1=1", "=", 1],
        ["amount__gt", "=", 1],
        ["amount", "="],
        ["amount", "is null", 3],
        ["amount", "in", []],
        ["amount", "in", "1, 2"],
        ["amount", ">", "many"],
        ["amount", ">", {"$gt": 0}],
        ["amount", ">", True],
        ["amount", ">", 2**70],
        [["amount"], "=", 1],
        ["amount", ["="], 1],
    ],
)
def test_b38_b39_only_column_operator_value_is_a_filter(
    shop: BaseDatabaseWrapper, line: object
) -> None:
    assert list(problems(filter=[line])) == ["filter"]


def test_b38_a_text_is_no_filter(shop: BaseDatabaseWrapper) -> None:
    assert list(problems(filter="1=1; DELETE FROM customer_order")) == ["filter"]


@pytest.mark.parametrize(
    ("line", "keys"),
    [
        (["id", "!=", "1"], ["2"]),
        (["id", "in", [2, "3"]], ["2"]),
        (["customer", "IS  NULL", None], ["1", "2"]),
        (["customer", "is not null"], []),
        (["ref", "<=", "A-1"], ["1"]),
    ],
)
def test_each_operator_selects(shop: BaseDatabaseWrapper, line: list[Any], keys: list[str]) -> None:
    shown = preview(a_source(filter=[line]))

    assert [row[0] for row in shown.rows] == keys


# Other columns


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"payload": ["custmer"]}, "payload"),
        ({"payload": "customer"}, "payload"),
        ({"payload": ["amount", "amount"]}, "payload"),
        ({"payload": [7]}, "payload"),
        ({"result": "amount"}, "result"),
        ({"result": "status"}, "result"),
        ({"result": "doubled"}, "result"),
        ({"error": "nothing"}, "error"),
        ({"result": "lines", "error": "lines"}, "error"),
        ({"order": ["nothing"]}, "order"),
        ({"order": "id"}, "order"),
        ({"words": "NEW"}, "words"),
    ],
)
def test_columns_that_do_not_fit_are_refused(
    shop: BaseDatabaseWrapper, changes: dict[str, Any], path: str
) -> None:
    assert list(problems(**changes)) == [path]


def test_all_problems_are_told_at_once(shop: BaseDatabaseWrapper) -> None:
    found = problems(key="nothing", payload=["custmer"], words=words(done=""), result="amount")

    assert set(found) == {"key", "payload", "words.done", "result"}


def test_no_new_row_is_a_warning(shop: BaseDatabaseWrapper) -> None:
    run("shop", "DELETE FROM customer_order")

    found = inspect_source(a_source())

    assert found.problems == {}
    assert found.warnings == ["No row is 'NEW' now, so the claim was checked without one."]


def test_a_large_table_without_an_index_on_status_is_a_warning(
    shop: BaseDatabaseWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("processors.sources.trial.SCAN_WARNING_ROWS", 2)
    [warning] = inspect_source(a_source()).warnings
    statement = warning.partition("add: ")[2]

    run("shop", statement)

    assert warning.startswith("Claiming will scan the table; add: CREATE INDEX")
    assert inspect_source(a_source()).warnings == []
