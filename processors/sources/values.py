"""Whether a value a person gave can be held by a column."""

import re
import uuid
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from django.utils.dateparse import parse_date, parse_datetime, parse_time
from django.utils.translation import gettext as _

from processors.sources.catalogue import Column

VALUE_CHARACTERS = 200


class InvalidValue(ValueError):
    """The column can't hold the value; the text says why."""


def fit(value: object, column: Column) -> Any:
    """The value as the column takes it. Raises InvalidValue."""
    if value is None or isinstance(value, list | tuple | dict):
        raise InvalidValue(_("Give one value for column '%(name)s'.") % {"name": column.name})
    if isinstance(value, str) and "\x00" in value:
        raise InvalidValue(_("The character U+0000 can't be stored."))
    if len(str(value)) > VALUE_CHARACTERS:
        raise InvalidValue(
            _("At most %(longest)s characters (this has %(count)s).")
            % {"longest": VALUE_CHARACTERS, "count": len(str(value))}
        )
    if column.kind not in FITTERS:
        raise InvalidValue(
            _("Column '%(name)s' is %(type)s; it can only be asked whether it is null.")
            % {"name": column.name, "type": column.type}
        )
    return FITTERS[column.kind](value, column)


def fit_text(value: Any, column: Column) -> str:
    """Text no longer than the column."""
    if isinstance(value, bool):
        raise InvalidValue(
            _("Column '%(name)s' holds text; write the value in quotes.") % {"name": column.name}
        )
    text = str(value)
    if column.length is not None and len(text) > column.length:
        raise InvalidValue(
            _("'%(text)s' has %(count)s characters, the column holds %(length)s.")
            % {"text": text, "count": len(text), "length": column.length}
        )
    return text


def fit_integer(value: Any, column: Column) -> int:
    """A whole number in the column's range, written in plain digits."""
    if isinstance(value, bool) or not re.fullmatch(r"-?[0-9]{1,19}", str(value)):
        raise InvalidValue(
            _("'%(value)s' isn't a whole number; column '%(name)s' is %(type)s.")
            % {"value": value, "name": column.name, "type": column.type}
        )
    number = int(value)
    if column.range is not None and not column.range[0] <= number <= column.range[1]:
        raise InvalidValue(
            _("%(number)s doesn't fit: column '%(name)s' holds %(least)s to %(most)s.")
            % {
                "number": number,
                "name": column.name,
                "least": column.range[0],
                "most": column.range[1],
            }
        )
    return number


def fit_number(value: Any, column: Column) -> int | float | str:
    """A finite number; text stays text, so that no digit is lost."""
    try:
        if isinstance(value, bool) or not Decimal(str(value)).is_finite():
            raise InvalidOperation
    except InvalidOperation:
        raise InvalidValue(
            _("'%(value)s' isn't a number; column '%(name)s' is %(type)s.")
            % {"value": value, "name": column.name, "type": column.type}
        ) from None
    return value if isinstance(value, int | float) else str(Decimal(value))


def fit_enum(value: Any, column: Column) -> str:
    """One of the enum's labels."""
    if value not in column.values:
        raise InvalidValue(
            _("'%(value)s' isn't one of the enum's values: %(names)s.")
            % {"value": value, "names": ", ".join(column.values)}
        )
    return str(value)


def fit_uuid(value: Any, column: Column) -> str:
    """A UUID in its usual writing."""
    try:
        return str(uuid.UUID(str(value)))
    except ValueError:
        raise InvalidValue(
            _("'%(value)s' isn't a UUID; column '%(name)s' is one.")
            % {"value": value, "name": column.name}
        ) from None


def fit_boolean(value: Any, column: Column) -> bool:
    """True or false, as JSON or as a form's text gives them."""
    known = {"true": True, "false": False, "1": True, "0": False}
    try:
        return known[str(value).lower()]
    except KeyError:
        raise InvalidValue(
            _("'%(value)s' isn't true or false; column '%(name)s' is.")
            % {"value": value, "name": column.name}
        ) from None


def fit_time(value: Any, column: Column) -> str:
    """A date, a time or both in ISO 8601."""
    text = str(value)
    try:
        is_time = parse_datetime(text) or parse_date(text) or parse_time(text)
    except ValueError:
        is_time = None
    if not is_time:
        raise InvalidValue(
            _(
                "'%(value)s' isn't a date or time; column '%(name)s' is %(type)s. Write it "
                "as 2026-11-25 or 2026-11-25T10:00:00+01:00."
            )
            % {"value": value, "name": column.name, "type": column.type}
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
