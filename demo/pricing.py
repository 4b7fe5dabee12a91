"""Reads an order document and prices it: no database, no clock, no settings.

Entry point: `price(read_order(xml), currency=…, vat_percent=…)`. Whatever makes a document
unusable is a `BadOrder` whose message is a sentence for the person who must mend it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException, DTDForbidden
from defusedxml.ElementTree import fromstring

CENT = Decimal("0.01")
# How much of each currency one euro buys. Samples that never change: a price must not depend on
# the day it is computed.
RATES = {
    "EUR": Decimal(1),
    "CHF": Decimal("0.95"),
    "DKK": Decimal("7.46"),
    "GBP": Decimal("0.86"),
    "PLN": Decimal("4.28"),
    "USD": Decimal("1.09"),
}
# Neither "1e999" nor "NaN" nor a number that fills the memory.
NUMBER = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,4})?")
QUOTE_LENGTH = 40  # characters of a bad value that a sentence repeats


class BadOrder(ValueError):
    """The document can never be priced; the message says why."""


@dataclass(frozen=True, slots=True)
class Line:
    """One article of an order; `vat_percent` is None where the standard rate applies."""

    sku: str
    quantity: Decimal
    unit_price: Decimal
    vat_percent: Decimal | None

    @property
    def net(self) -> Decimal:
        return rounded(self.quantity * self.unit_price)


@dataclass(frozen=True, slots=True)
class Order:
    """A document that is complete and adds up; amounts in `currency`, without VAT."""

    number: str
    customer_number: str
    currency: str
    lines: tuple[Line, ...]


def price(order: Order, *, currency: str, vat_percent: Decimal) -> dict[str, Any]:
    """The order in `currency`, VAT rounded per line; amounts are texts with two decimals.

    {"order", "customer", "currency", "net", "vat", "total", "lines": [{"sku", "net", "vat"}]}
    """
    factor = RATES[currency] / RATES[order.currency]
    nets = [rounded(line.net * factor) for line in order.lines]
    vats = [
        rounded(net * rate_of(line, vat_percent) / 100)
        for net, line in zip(nets, order.lines, strict=True)
    ]
    return {
        "order": order.number,
        "customer": order.customer_number,
        "currency": currency,
        "net": str(total(nets)),
        "vat": str(total(vats)),
        "total": str(total(nets) + total(vats)),
        "lines": [
            {"sku": line.sku, "net": str(net), "vat": str(vat)}
            for line, net, vat in zip(order.lines, nets, vats, strict=True)
        ],
    }


def rate_of(line: Line, standard: Decimal) -> Decimal:
    return standard if line.vat_percent is None else line.vat_percent


def read_order(xml: str) -> Order:
    """The order in this document. Raises BadOrder for the first thing that is wrong with it."""
    root = parse(xml)
    order = Order(
        number=text_of(root, "number") or "",
        customer_number=required(root, "customer/number", "The order has no customer number."),
        currency=read_currency(root),
        lines=tuple(read_line(line, n) for n, line in enumerate(root.iterfind("lines/line"), 1)),
    )
    if not order.lines:
        raise BadOrder("The order has no lines.")
    check_total(order, number_of(root, "total", "The order"))
    return order


def parse(xml: str) -> Element:
    try:
        root: Element = fromstring(xml, forbid_dtd=True)
    except DTDForbidden as error:
        raise BadOrder("The document has a DTD, which is refused.") from error
    except DefusedXmlException as error:
        raise BadOrder("The document declares entities, which are refused.") from error
    # ValueError: half a surrogate pair, which JSON can carry and XML cannot.
    except (ParseError, ValueError) as error:
        raise BadOrder(f"The document is not well-formed XML: {error}.") from error
    if root.tag != "order":
        raise BadOrder(f"The document is a {quoted(root.tag)}, not an order.")
    return root


def read_currency(root: Element) -> str:
    currency = required(root, "currency", "The order has no currency.")
    if currency not in RATES:
        raise BadOrder(f"The currency {quoted(currency)} is not one of {', '.join(RATES)}.")
    return currency


def read_line(line: Element, position: int) -> Line:
    where = f"Line {position}"
    quantity = number_of(line, "quantity", where)
    if quantity <= 0:
        raise BadOrder(f"{where}: quantity {quantity} is not positive.")
    unit_price = number_of(line, "unit-price", where)
    if unit_price < 0:
        raise BadOrder(f"{where}: unit price {unit_price} is negative.")
    return Line(
        sku=required(line, "sku", f"{where} has no article number."),
        quantity=quantity,
        unit_price=unit_price,
        vat_percent=read_vat_percent(line, where),
    )


def read_vat_percent(line: Element, where: str) -> Decimal | None:
    if line.find("vat-percent") is None:
        return None
    percent = number_of(line, "vat-percent", where)
    if not 0 <= percent <= 100:
        raise BadOrder(f"{where}: vat percent {percent} is not between 0 and 100.")
    return percent


def check_total(order: Order, stated: Decimal) -> None:
    """Raises BadOrder where the document's total is not what its lines come to."""
    summed = total(line.net for line in order.lines)
    if stated != summed:
        raise BadOrder(f"The total {stated} does not match its lines, which come to {summed}.")


def number_of(parent: Element, tag: str, where: str) -> Decimal:
    name = tag.replace("-", " ")
    text = required(parent, tag, f"{where} has no {name}.")
    if not NUMBER.fullmatch(text):
        raise BadOrder(f"{where}: {name} {quoted(text)} is not a number.")
    return Decimal(text)


def required(parent: Element, path: str, otherwise: str) -> str:
    text = text_of(parent, path)
    if not text:
        raise BadOrder(otherwise)
    return text


def text_of(parent: Element, path: str) -> str | None:
    text = parent.findtext(path)
    return text.strip() if text else None


def quoted(value: str) -> str:
    return f"'{value[:QUOTE_LENGTH]}{'…' if len(value) > QUOTE_LENGTH else ''}'"


def total(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, Decimal("0.00"))


def rounded(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)
