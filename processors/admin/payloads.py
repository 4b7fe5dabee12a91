"""How payloads and results are shown: JSON as JSON, documents and long texts as what they are."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from processors.admin.columns import as_json
from processors.admin.masking import masked

LONG = 200  # characters that a line of JSON still shows well
TAG = re.compile(r"(<[^>]*>)")
INDENT = "  "


@dataclass(frozen=True)
class Shown:
    """A value for a page: as a whole, and where it holds texts, these by themselves.

    `rest` is what remains then; nothing here is escaped yet.
    """

    whole: str
    rest: str = ""
    texts: list[tuple[str, str]] = field(default_factory=list)


def shown(value: Any) -> Shown:
    """With secrets hidden."""
    seen = masked(value)
    texts = [(path, laid_out(text)) for path, text in texts_in(seen)]
    if not texts:
        return Shown(as_json(seen))
    rest = without_texts(seen)
    return Shown(as_json(seen), "" if rest in ({}, None) else as_json(rest), texts)


def is_text(value: Any) -> bool:
    """Whether JSON would show it as one endless line."""
    return isinstance(value, str) and ("\n" in value.strip() or is_xml(value) or len(value) > LONG)


def is_xml(text: str) -> bool:
    """Whether it looks like a document; a stray sign does not."""
    return text.lstrip().startswith("<") and text.rstrip().endswith(">")


def texts_in(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """The texts with the names that lead to them, as `order.xml` or `lines.0`."""
    if is_text(value):
        yield path, value
    parts: Any = value.items() if isinstance(value, Mapping) else ()
    if isinstance(value, list):
        parts = enumerate(value)
    for name, part in parts:
        yield from texts_in(part, f"{path}.{name}" if path else str(name))


def without_texts(value: Any) -> Any:
    """The same with a word in the place of each text; at the top they are left out."""
    if isinstance(value, Mapping):
        return {name: stripped(part) for name, part in value.items() if not is_text(part)}
    return None if is_text(value) else stripped(value)


def stripped(value: Any) -> Any:
    """With a word in the place of each text."""
    if isinstance(value, Mapping):
        return {name: stripped(part) for name, part in value.items()}
    if isinstance(value, list):
        return [stripped(part) for part in value]
    return _("(shown by itself)") if is_text(value) else value


def laid_out(text: str) -> str:
    """A document in one line with a line for each of its tags; others as they are."""
    text = text.strip("\r\n")
    return text if "\n" in text.strip() or not is_xml(text) else "\n".join(lines_of(text))


def lines_of(document: str) -> Iterator[str]:
    """An element that holds only text stays on its line. Nothing is parsed: it may be broken."""
    depth, line = 0, ""
    for part in filter(str.strip, TAG.split(document)):
        kind = kind_of(part)
        if kind == "end":
            depth = max(0, depth - 1)
        elif line and kind != "text":
            yield line
            line = ""
        line = f"{line}{part}" if line else INDENT * depth + part.strip()
        if kind in ("end", "alone"):
            yield line
            line = ""
        depth += kind == "start"
    if line:
        yield line


def kind_of(part: str) -> str:
    """Whether a tag begins an element, ends it, or stands alone; or what is no tag."""
    if not part.startswith("<"):
        return "text"
    if part.startswith("</"):
        return "end"
    return "alone" if part.endswith("/>") or part[1:2] in "?!" else "start"
