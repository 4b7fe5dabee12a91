"""What a record may hold to be stored: the same on every database, whoever sends it."""

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from processors.handlers.context import KEY_LENGTH
from processors.models.record import PRIORITIES
from processors.storable import DEEPEST, LONGEST_NUMBER, first_trouble, has_half_character

LONGEST_DELAY = timedelta(days=366)
ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
LONG_NUMBER = re.compile(rf"[0-9]{{{LONGEST_NUMBER}}}")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class PublishingError(Exception):
    """Nothing was stored; the message says why."""


class InvalidRecord(PublishingError):
    """A record cannot be stored as it is; `index` counts from 0."""

    def __init__(self, message: str, index: int = 0) -> None:
        super().__init__(message)
        self.index = index


def check_key(key: Any) -> str:
    """A key: text of 1 to 200 characters that fits on one line."""
    if not isinstance(key, str):
        raise InvalidRecord(
            _("The key must be a text, not %(type)s.") % {"type": type(key).__name__}
        )
    if key.isascii() and key.isprintable() and 0 < len(key) <= KEY_LENGTH and key[0] != " ":
        return key  # by far the most, without the questions below
    if not key or key.isspace():
        raise InvalidRecord(_("The key is empty."))
    if len(key) > KEY_LENGTH:
        raise InvalidRecord(
            _("The key has %(count)s characters; at most %(longest)s are allowed.")
            % {"count": len(key), "longest": KEY_LENGTH}
        )
    if CONTROL.search(key):
        raise InvalidRecord(_("The key holds a control character, such as a line break."))
    check_encodable(key, "key")
    return key


def check_payload(payload: Any) -> str:
    """A payload as JSON text that both databases store alike."""
    if not isinstance(payload, Mapping):
        raise InvalidRecord(_('The payload must be an object: {"name": value, …}.'))
    try:
        text = ENCODER.encode(payload)
    except RecursionError as error:
        raise InvalidRecord(
            _("The payload is nested deeper than %(deepest)s levels.") % {"deepest": DEEPEST}
        ) from error
    except ValueError as error:
        said = first_trouble(payload, "payload") or _("The payload is not JSON: %(error)s") % {
            "error": error
        }
        raise InvalidRecord(said) from error
    except TypeError as error:
        raise InvalidRecord(_("The payload is not JSON: %(error)s.") % {"error": error}) from error
    if len(text) > settings.MAX_PAYLOAD_BYTES // 4:
        check_size(text)
    if is_suspicious(text):
        trouble = first_trouble(payload, "payload")
        if trouble:
            raise InvalidRecord(trouble)
    if not text.isascii():
        check_encodable(text, "payload")
    return text


def is_suspicious(text: str) -> bool:
    """Whether a payload may hold what cannot be stored: a cheap look before a thorough one."""
    return (
        "\\u0000" in text
        or text.count("[") + text.count("{") > DEEPEST
        or (len(text) > LONGEST_NUMBER and LONG_NUMBER.search(text) is not None)
    )


def check_size(text: str) -> None:
    """In bytes, as it is sent and stored."""
    size, limit = len(text.encode("utf-8", "replace")), settings.MAX_PAYLOAD_BYTES
    if size > limit:
        raise InvalidRecord(
            _("The payload is %(size)s MB, the limit is %(limit)s MB.")
            % {"size": f"{size / 1e6:.1f}", "limit": f"{limit / 1e6:g}"}
        )


def check_encodable(text: str, what: str) -> None:
    """Lone surrogates are in no text that a database can hold."""
    if has_half_character(text):
        raise InvalidRecord(
            _("The %(what)s holds half a character (a lone surrogate).") % {"what": what}
        )


def check_priority(priority: Any) -> int:
    """0 to 9."""
    if isinstance(priority, bool) or not isinstance(priority, int) or priority not in PRIORITIES:
        raise InvalidRecord(
            _("The priority must be a whole number from 0 to 9 (9 is served first).")
        )
    return priority


def check_time(name: str, value: Any) -> datetime | None:
    """An aware time, at most a year ahead; None for none."""
    if value is None:
        return None
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError as error:
        raise InvalidRecord(
            _("%(name)s: %(value)r is not a time such as 2026-11-25T10:00:00+01:00.")
            % {"name": name, "value": value}
        ) from error
    if moment.tzinfo is None:
        raise InvalidRecord(
            _("%(name)s: give a time zone, e.g. 2026-11-25T10:00:00+01:00.") % {"name": name}
        )
    if moment > datetime.now(moment.tzinfo) + LONGEST_DELAY:
        raise InvalidRecord(
            _("%(name)s: %(moment)s is more than a year ahead.")
            % {"name": name, "moment": f"{moment:%Y-%m-%d}"}
        )
    return moment
