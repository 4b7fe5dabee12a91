"""Whether a value a person gave can be held by a column."""

import re
import uuid
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from django.utils.dateparse import parse_date, parse_datetime, parse_time

from processors.sources.catalogue import Column

VALUE_CHARACTERS = 200


class InvalidValue(ValueError):
    """The column can't hold the value; the text says why."""


def fit(value: object, column: Column) -> Any:
    """The value as the column takes it. Raises InvalidValue."""
    if value is None or isinstance(value, list | tuple | dict):
        raise InvalidValue(f"Give one value for column '{column.name}'.")
    if isinstance(value, str) and "\x00" in value:
        raise InvalidValue("The character U+0000 can't be stored.")
    if len(str(value)) > VALUE_CHARACTERS:
        raise InvalidValue(f"At most {VALUE_CHARACTERS} characters (this has {len(str(value))}).")
    if column.kind not in FITTERS:
        raise InvalidValue(
            f"Column '{column.name}' is {column.type}; it can only be asked whether it is null."
        )
    return FITTERS[column.kind](value, column)


def fit_text(value: Any, column: Column) -> str:
    """Text no longer than the column."""
    if isinstance(value, bool):
        raise InvalidValue(f"Column '{column.name}' holds text; write the value in quotes.")
    text = str(value)
    if column.length is not None and len(text) > column.length:
        raise InvalidValue(
            f"'{text}' has {len(text)} characters, the column holds {column.length}."
        )
    return text


def fit_integer(value: Any, column: Column) -> int:
    """A whole number in the column's range, written in plain digits."""
    if isinstance(value, bool) or not re.fullmatch(r"-?[0-9]{1,19}", str(value)):
        raise InvalidValue(
            f"'{value}' isn't a whole number; column '{column.name}' is {column.type}."
        )
    number = int(value)
    if column.range is not None and not column.range[0] <= number <= column.range[1]:
        raise InvalidValue(
            f"{number} doesn't fit: "
            f"column '{column.name}' holds {column.range[0]} to {column.range[1]}."
        )
    return number


def fit_number(value: Any, column: Column) -> int | float | str:
    """A finite number; text stays text, so that no digit is lost."""
    try:
        if isinstance(value, bool) or not Decimal(str(value)).is_finite():
            raise InvalidOperation
    except InvalidOperation:
        raise InvalidValue(
            f"'{value}' isn't a number; column '{column.name}' is {column.type}."
        ) from None
    return value if isinstance(value, int | float) else str(Decimal(value))


def fit_enum(value: Any, column: Column) -> str:
    """One of the enum's labels."""
    if value not in column.values:
        raise InvalidValue(f"'{value}' isn't one of the enum's values: {', '.join(column.values)}.")
    return str(value)


def fit_uuid(value: Any, column: Column) -> str:
    """A UUID in its usual writing."""
    try:
        return str(uuid.UUID(str(value)))
    except ValueError:
        raise InvalidValue(f"'{value}' isn't a UUID; column '{column.name}' is one.") from None


def fit_boolean(value: Any, column: Column) -> bool:
    """True or false, as JSON or as a form's text gives them."""
    known = {"true": True, "false": False, "1": True, "0": False}
    try:
        return known[str(value).lower()]
    except KeyError:
        raise InvalidValue(f"'{value}' isn't true or false; column '{column.name}' is.") from None


def fit_time(value: Any, column: Column) -> str:
    """A date, a time or both in ISO 8601."""
    text = str(value)
    try:
        is_time = parse_datetime(text) or parse_date(text) or parse_time(text)
    except ValueError:
        is_time = None
    if not is_time:
        raise InvalidValue(
            f"'{value}' isn't a date or time; column '{column.name}' is {column.type}. "
            "Write it as 2026-11-25 or 2026-11-25T10:00:00+01:00."
        )
    return text


FITTERS: dict[str, Callable[[Any, Column], Any]] = {
    "text": fit_text,
    "integer": fit_integer,
    "number": fit_number,
    "enum": fit_enum,
    "uuid": fit_uuid,
    "boolean": fit_boolean,
    "time": fit_time,
}
