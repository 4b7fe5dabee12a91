"""The sample orders, and what pricing says to each of them."""

from decimal import Decimal

import pytest

from demo.orders import FLAWS, SampleOrder, generate
from demo.pricing import BadOrder, price, read_order

SENTENCES = {
    "no customer number": "The order has no customer number.",
    "negative quantity": "Line 6: quantity -2 is not positive.",
    "unknown currency": "The currency 'XQT' is not one of EUR, CHF, DKK, GBP, PLN, USD.",
    "wrong total": "The total 196.29 does not match its lines, which come to 186.29.",
    "broken XML": "The document is not well-formed XML: no element found",
    "DTD": "The document has a DTD, which is refused.",
}


def refusal(xml: str) -> str:
    with pytest.raises(BadOrder) as caught:
        read_order(xml)
    return str(caught.value)


def good_order() -> str:
    return next(order.xml for order in generate(50) if not order.flaw)


@pytest.fixture(scope="module")
def thousand() -> list[SampleOrder]:
    return list(generate(1_000))


@pytest.mark.parametrize("flaw", FLAWS)
def test_every_flaw_is_refused_with_its_sentence(flaw: str, thousand: list[SampleOrder]) -> None:
    flawed = next(order for order in thousand if order.flaw == flaw)

    assert refusal(flawed.xml).startswith(SENTENCES[flaw])


def test_two_in_a_hundred_orders_are_bad_and_all_others_can_be_priced(
    thousand: list[SampleOrder],
) -> None:
    good = [order for order in thousand if not order.flaw]

    priced = [
        price(read_order(order.xml), currency="EUR", vat_percent=Decimal(19)) for order in good
    ]

    assert len(good) == 980
    assert all(Decimal(order["total"]) > 0 for order in priced)


def test_an_order_is_the_same_whatever_the_count(thousand: list[SampleOrder]) -> None:
    assert list(generate(120)) == thousand[:120]


def test_another_seed_makes_other_orders() -> None:
    assert list(generate(5, seed=2)) != list(generate(5, seed=1))


def test_order_numbers_are_unique_and_documents_have_a_real_size(
    thousand: list[SampleOrder],
) -> None:
    whole = [order for order in thousand if order.flaw != "broken XML"]

    assert len({order.order_no for order in thousand}) == 1_000
    assert all(1_000 <= len(order.xml.encode()) <= 3_000 for order in whole)


def test_a_line_without_a_rate_gets_the_standard_one() -> None:
    order = read_order(
        """<order><number>A-1</number><currency>EUR</currency>
        <customer><number>C-1</number></customer><lines>
        <line><sku>X</sku><quantity>2</quantity><unit-price>10.00</unit-price></line>
        <line><sku>Y</sku><quantity>1</quantity><unit-price>0.50</unit-price>
        <vat-percent>7</vat-percent></line></lines><total>20.50</total></order>"""
    )

    priced = price(order, currency="EUR", vat_percent=Decimal(19))

    assert priced["lines"] == [
        {"sku": "X", "net": "20.00", "vat": "3.80"},
        {"sku": "Y", "net": "0.50", "vat": "0.04"},
    ]
    assert (priced["net"], priced["vat"], priced["total"]) == ("20.50", "3.84", "24.34")


def test_prices_are_converted_line_by_line() -> None:
    order = read_order(good_order().replace(*currency_tags("USD")))

    in_dollars = price(order, currency="USD", vat_percent=Decimal(0))
    in_euros = price(order, currency="EUR", vat_percent=Decimal(0))

    assert in_euros["currency"] == "EUR"
    assert Decimal(in_euros["net"]) < Decimal(in_dollars["net"])


def currency_tags(new: str) -> tuple[str, str]:
    order = read_order(good_order())
    return f"<currency>{order.currency}</currency>", f"<currency>{new}</currency>"


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("<order>", "<invoice>", "The document is not well-formed XML: mismatched tag"),
        ("<quantity>", "<quantity>1e9", "Line 1: quantity '1e9"),
        ("<quantity>", "<quantity>NaN", "Line 1: quantity 'NaN"),
        ("<unit-price>", "<unit-price>-", "Line 1: unit price -"),
        ("<total>", "<total>x", "The order: total 'x"),
        ("<sku>", "<sku>\ud800", "The document is not well-formed XML: "),
        ("<sku>", "<sku/><other>", "The document is not well-formed XML: "),
    ],
)
def test_other_damage_is_refused_in_words(old: str, new: str, sentence: str) -> None:
    assert refusal(good_order().replace(old, new, 1)).startswith(sentence)


def test_an_order_without_lines_is_refused() -> None:
    xml = """<order><currency>EUR</currency><customer><number>C-1</number></customer>
    <lines/><total>0.00</total></order>"""

    assert refusal(xml) == "The order has no lines."


def test_another_kind_of_document_is_refused() -> None:
    assert refusal("<invoice/>") == "The document is a 'invoice', not an order."
