"""Makes sample orders as XML documents: the same ones for the same seed, some bad on purpose.

Entry point: `generate(count)`. One order in fifty carries a flaw of `FLAWS`, in turn.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from xml.sax.saxutils import escape, quoteattr

BLOCK = 50  # orders of which one is bad: 2 %
FIRST_DAY = date(2026, 1, 2)
ORDERS_PER_DAY = 40

COMPANIES = (
    "Alpenrose", "Blomqvist & Söner", "Café Lumière", "Dubois Frères", "Ela's Buchladen",
    "Fjord Outdoor", "Grünwald", "Hansen Marine", "Imprimerie Lefèvre", "Jabłoński",
    "Kowalczyk & Synowie", "Lindenhof", "Müller Haustechnik", "Nordlys", "O'Connor Supplies",
    "Papeterie du Lac", "Quellwerk", "Rossi & Figli", "Schröder <Werkzeuge>", "Tannenberg",
)  # fmt: skip
PLACES = (
    ("Hamburg", "20095", "DE", "EUR"), ("München", "80331", "DE", "EUR"),
    ("Lyon", "69002", "FR", "EUR"), ("Sète", "34200", "FR", "EUR"),
    ("Zürich", "8001", "CH", "CHF"), ("Genève", "1204", "CH", "CHF"),
    ("Køge", "4600", "DK", "DKK"), ("Łódź", "90-001", "PL", "PLN"),
    ("Leeds", "LS1 4DY", "GB", "GBP"), ("Boston", "02108", "US", "USD"),
)  # fmt: skip
STREETS = ("Hauptstraße", "Rue de l'Église", "Market Street", "Nørregade", "Ulica Długa")
LEGAL_FORMS = {"DE": "GmbH", "FR": "SARL", "CH": "AG", "DK": "ApS", "PL": "sp. z o.o.",
               "GB": "Ltd", "US": "Inc."}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Article:
    """Something to sell; `vat_percent` only where the standard rate does not apply."""

    sku: str
    name: str
    unit_price: Decimal
    vat_percent: str = ""


ARTICLES = tuple(
    Article(sku, name, Decimal(unit_price), vat_percent)
    for sku, name, unit_price, vat_percent in (
        ("PA-1001", "Copy paper A4, 80 g, 500 sheets", "4.95", ""),
        ("PA-1014", "Notebook A5, squared", "2.35", ""),
        ("PA-1077", "Envelopes C5 with window, 100 pieces", "7.80", ""),
        ("PE-2003", "Ball pen, blue, box of 20", "11.90", ""),
        ("PE-2040", "Marker set, 12 colours", "18.50", ""),
        ("BK-3007", "Handbook of bookkeeping, 9th edition", "39.00", "7"),
        ("BK-3012", "Wall calendar, 13 sheets", "12.99", "7"),
        ("FO-4001", "Coffee beans, 1 kg", "16.49", "7"),
        ("FO-4015", "Green tea, 50 bags", "5.79", "7"),
        ("FO-4022", "Apple juice, 6 bottles of 1 l", "9.54", "7"),
        ("TE-5002", 'Desk lamp "Arc" <LED>', "54.00", ""),
        ("TE-5008", "Keyboard, low & quiet", "89.95", ""),
        ("TE-5031", "Monitor 27 inch", "249.00", ""),
        ("FU-6005", "Office chair, adjustable", "319.00", ""),
        ("FU-6019", "Shelf, oak, 80 by 200 cm", "142.40", ""),
        ("SV-9001", "Delivery to the desk", "25.00", ""),
    )
)


@dataclass(slots=True)
class Customer:
    """Who orders; without a number where the flaw says so."""

    number: str
    name: str
    street: str
    place: tuple[str, str, str, str]


@dataclass(slots=True)
class Line:
    """How many of an article."""

    article: Article
    quantity: int


@dataclass(slots=True)
class Document:
    """An order before it becomes text; flaws are put in here."""

    number: str
    ordered_on: date
    currency: str
    customer: Customer
    lines: list[Line]
    total: Decimal


@dataclass(frozen=True, slots=True)
class SampleOrder:
    """A row for the shop's table; `flaw` is a key of FLAWS or empty."""

    order_no: str
    customer: str
    xml: str
    amount: Decimal
    flaw: str


def generate(count: int, seed: int = 1) -> Iterator[SampleOrder]:
    """The first `count` orders of this seed; order n is the same whatever the count."""
    for index in range(count):
        random = Random(f"{seed}:{index}")
        document = make_document(index + 1, random)
        flaw = flaw_of(index, seed)
        amount, customer = document.total, document.customer.name
        xml = FLAWS[flaw](document) if flaw else render(document)
        yield SampleOrder(document.number, customer, xml, amount, flaw)


def flaw_of(index: int, seed: int) -> str:
    """The flaw of the order at `index`: each block has one at a place of its own, in turn."""
    block, place = divmod(index, BLOCK)
    is_chosen = Random(f"{seed}:block:{block}").randrange(BLOCK) == place
    return list(FLAWS)[block % len(FLAWS)] if is_chosen else ""


def make_document(number: int, random: Random) -> Document:
    customer = make_customer(random)
    articles = random.sample(ARTICLES, random.choice((1, 1, 2, 2, 3, 3, 4, 5, 6)))
    lines = [Line(article, random.choice((1, 1, 2, 3, 5, 10, 25))) for article in articles]
    return Document(
        number=f"SO-{FIRST_DAY.year}-{number:06d}",
        ordered_on=FIRST_DAY + timedelta(days=number // ORDERS_PER_DAY),
        currency=customer.place[3],
        customer=customer,
        lines=lines,
        total=sum((line.article.unit_price * line.quantity for line in lines), Decimal("0.00")),
    )


def make_customer(random: Random) -> Customer:
    company, place = random.randrange(len(COMPANIES)), random.randrange(len(PLACES))
    country = PLACES[place][2]
    return Customer(
        number=f"C-{10_000 + company * len(PLACES) + place}",
        name=f"{COMPANIES[company]} {LEGAL_FORMS[country]}",
        street=f"{STREETS[(company + place) % len(STREETS)]} {company * 3 + place + 1}",
        place=PLACES[place],
    )


def render(document: Document) -> str:
    """The document as its shop would send it."""
    lines = "\n".join(render_line(n, line) for n, line in enumerate(document.lines, 1))
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<order>
  <number>{escape(document.number)}</number>
  <date>{document.ordered_on.isoformat()}</date>
  <currency>{escape(document.currency)}</currency>
{render_customer(document.customer)}
  <lines>
{lines}
  </lines>
  <total>{document.total}</total>
  <delivery>
    <wanted-on>{(document.ordered_on + timedelta(days=5)).isoformat()}</wanted-on>
    <instructions>Deliver on working days between 08:00 and 16:00, goods entrance at the rear of
      the building. Call the contact above when the driver is half an hour away.</instructions>
  </delivery>
  <terms>Payable within 30 days. The goods remain ours until they are paid.</terms>
</order>
"""


def render_customer(customer: Customer) -> str:
    city, postcode, country, _ = customer.place
    return f"""  <customer>
    <number>{escape(customer.number)}</number>
    <name>{escape(customer.name)}</name>
    <address country={quoteattr(country)}>
      <street>{escape(customer.street)}</street>
      <postcode>{escape(postcode)}</postcode>
      <city>{escape(city)}</city>
    </address>
    <contact>
      <name>Purchasing department</name>
      <email>purchasing@{escape(customer.number.lower())}.example</email>
    </contact>
  </customer>"""


def render_line(position: int, line: Line) -> str:
    article = line.article
    vat = f"\n      <vat-percent>{article.vat_percent}</vat-percent>" if article.vat_percent else ""
    return f"""    <line position="{position}">
      <sku>{escape(article.sku)}</sku>
      <name>{escape(article.name)}</name>
      <note>Deliver in one parcel where possible; partial deliveries need our consent.</note>
      <quantity>{line.quantity}</quantity>
      <unit-price>{article.unit_price}</unit-price>{vat}
    </line>"""


def without_customer_number(document: Document) -> str:
    document.customer.number = ""
    return render(document)


def with_negative_quantity(document: Document) -> str:
    document.lines[-1].quantity = -2
    return render(document)


def with_unknown_currency(document: Document) -> str:
    document.currency = "XQT"
    return render(document)


def with_wrong_total(document: Document) -> str:
    document.total += 10
    return render(document)


def cut_off(document: Document) -> str:
    """As when the connection broke while the document was sent."""
    xml = render(document)
    return xml[: xml.index("</lines>")]


def with_dtd(document: Document) -> str:
    """As an attacker would try to read a file of the server's."""
    dtd = '<!DOCTYPE order [<!ENTITY file SYSTEM "file:///etc/hostname">]>'
    return render(document).replace("<order>", f"{dtd}\n<order>", 1)


FLAWS: dict[str, Callable[[Document], str]] = {
    "no customer number": without_customer_number,
    "negative quantity": with_negative_quantity,
    "unknown currency": with_unknown_currency,
    "wrong total": with_wrong_total,
    "broken XML": cut_off,
    "DTD": with_dtd,
}
