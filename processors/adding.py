"""Add records to an inbox by hand: what a person pastes or uploads, all of it or nothing.

Read here, judged and stored by `publishing`, exactly as `manage.py publish` does.
"""

import io
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from processors.acts import Act, Refused, perform
from processors.incoming import JsonArray, JsonLines, decoded, parsed_line
from processors.models import Event, Processor
from processors.publishing import Published, prepare_item, publish, rehearse
from processors.screening import InvalidRecord, PublishingError
from processors.storable import BadJson

ADD_RECORD = "processors.add_record"
LARGEST_BYTES = 2_000_000
PROBLEMS_SHOWN = 10

Item = Mapping[str, Any]


class NotAdded(Exception):
    """Nothing was stored; each of `problems` is a sentence with its line."""

    def __init__(self, *problems: str) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


def read_records(target: str, raw: bytes) -> list[Item]:
    """JSON Lines, or a JSON array of the same objects. Raises NotAdded with every bad line."""
    found: list[Item] = []
    problems: list[str] = []
    for number, item, problem in judged(target, raw):
        if problem:
            problems.append(_("Line %(line)s: %(problem)s") % {"line": number, "problem": problem})
        else:
            found.append(item)
    if len(problems) > PROBLEMS_SHOWN:
        more = _("and %(count)s more.") % {"count": len(problems) - PROBLEMS_SHOWN}
        problems[PROBLEMS_SHOWN:] = [more]
    if problems:
        raise NotAdded(*problems)
    if not found:
        raise NotAdded(_("There is no record in it: give at least one."))
    return found


def judged(target: str, raw: bytes) -> Iterator[tuple[int, Item, str]]:
    """Line, value, and what is wrong with it; ends where nothing after it can be read."""
    is_array = raw.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")
    try:
        if is_array:
            values = JsonArray(decoded(raw, is_first=True))
            for value in values:
                yield values.number, value, trouble_of(target, value)
        else:
            lines = JsonLines(io.BytesIO(raw))
            for text in lines.texts():
                yield lines.number, *judged_line(target, text)
    except BadJson as error:
        yield values.number if is_array else lines.number, {}, str(error)


def judged_line(target: str, text: str) -> tuple[Item, str]:
    """A line of JSON Lines: the next one is read whatever is wrong with it."""
    try:
        value = parsed_line(text)
    except BadJson as error:
        return {}, str(error)
    return value, trouble_of(target, value)


def trouble_of(target: str, value: Any) -> str:
    """Why a value is no record; empty where it is one."""
    try:
        prepare_item(target, value)
    except InvalidRecord as error:
        return str(error)
    return ""


def one_document(target: str, raw: bytes, *, key: str, name: str) -> list[Item]:
    """A text, such as XML, as one record: its payload is `{name: text}`. Raises NotAdded."""
    if not name.strip():
        raise NotAdded(_("Say under which name the handler finds the text in the payload."))
    try:
        item = {"key": key.strip(), "payload": {name.strip(): decoded(raw, is_first=True)}}
    except BadJson as error:
        raise NotAdded(_("The text is %(problem)s") % {"problem": error}) from error
    if trouble := trouble_of(target, item):
        raise NotAdded(trouble)
    return [item]


def preview(processor: Processor, items: list[Item]) -> Published:
    """What adding them would say. Raises NotAdded."""
    try:
        return rehearse(processor.slug, items)
    except PublishingError as error:
        raise NotAdded(str(error)) from error


def add(processor_id: int, items: list[Item], act: Act) -> str:
    """Store them; says how many were new and how many known.

    Raises PermissionDenied, NotAdded, Refused.
    """

    def verb(processor: Processor, act: Act, now: datetime) -> str:
        if processor.source_kind != "inbox":
            raise Refused(
                _("Nothing was added: %(processor)s takes its records from a table.")
                % {"processor": processor}
            )
        published = publish(processor.slug, items)
        said = _("new %(new)s, known %(known)s") % {"new": published.new, "known": published.known}
        told = replace(act, reason=f"{said}: {act.reason}" if act.reason else said)
        Event.write(processor, "add", told.at(now))
        return _("Records were added to %(processor)s: %(said)s.") % {
            "processor": processor,
            "said": said,
        }

    try:
        return perform(processor_id, act, ADD_RECORD, verb)
    except PublishingError as error:
        raise NotAdded(str(error)) from error
