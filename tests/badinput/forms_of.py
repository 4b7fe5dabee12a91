"""The forms that a page holds, read from its HTML: where each posts to, and what it would send."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

Attributes = dict[str, str | None]


@dataclass
class Sent:
    """What one press of a button sends."""

    url: str
    values: dict[str, str] = field(default_factory=dict)


class Reader(HTMLParser):
    """Collects the fields and buttons of forms that post."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.page = page
        self.fields: dict[str, dict[str, str]] = {}
        self.actions: dict[str, str] = {}
        self.buttons: list[tuple[str, Attributes]] = []
        self.here: str | None = None
        self.area: tuple[str, str] | None = None  # the textarea or select that is open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given: Attributes = dict(attrs)
        if tag == "form":
            self.open_form(given)
        owner = given.get("form") or self.here
        if owner is None:
            return
        name, value = given.get("name"), given.get("value") or ""
        if tag == "button":
            self.buttons.append((owner, given))
        elif (
            tag == "option" and self.area and ("selected" in given or not self.value_of(self.area))
        ):
            self.fields[self.area[0]][self.area[1]] = value
        elif tag in ("input", "textarea", "select") and name and given.get("type") != "file":
            self.fields.setdefault(owner, {})[name] = value
            self.area = (owner, name) if tag != "input" else self.area

    def value_of(self, area: tuple[str, str]) -> str:
        return self.fields[area[0]][area[1]]

    def open_form(self, given: Attributes) -> None:
        is_post = (given.get("method") or "").lower() == "post"
        self.here = given.get("id") or f"form {len(self.actions)}" if is_post else None
        if self.here:
            self.actions[self.here] = given.get("action") or self.page
            self.fields.setdefault(self.here, {})

    def handle_data(self, data: str) -> None:
        if self.area and self.lasttag == "textarea":
            self.fields[self.area[0]][self.area[1]] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.here = None
        if tag in ("textarea", "select"):
            self.area = None


def forms_of(page: str, html: str) -> list[Sent]:
    """Each button of each form that posts, with what the form holds as the page shows it."""
    reader = Reader(page)
    reader.feed(html)
    found: list[Sent] = []
    for owner, action in reader.actions.items():
        own = {k: v for k, v in reader.fields[owner].items() if k != "csrfmiddlewaretoken"}
        pressed: list[Any] = [given for at, given in reader.buttons if at == owner] or [{}]
        for given in pressed:
            name = given.get("name")
            more = {name: given.get("value") or ""} if name else {}
            found.append(Sent(given.get("formaction") or action, own | more))
    return found
