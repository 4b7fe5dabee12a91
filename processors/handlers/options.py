"""A handler's options: declared as a Django Form or a dataclass, drawn and checked as a form."""

import dataclasses
import difflib
import functools
import re
import types
import typing
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext as _

REFERENCE = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)")


class InvalidOptions(ValueError):
    """The options do not fit the handler; `errors` holds sentences per option."""

    def __init__(self, errors: dict[str, list[str]]) -> None:
        self.errors = errors
        super().__init__("; ".join(f"{name}: {' '.join(found)}" for name, found in errors.items()))


FIELDS: dict[Any, type[forms.Field]] = {
    str: forms.CharField,
    int: forms.IntegerField,
    float: forms.FloatField,
    Decimal: forms.DecimalField,
    bool: forms.BooleanField,
}


def options_form(options: Any) -> type[forms.Form] | None:
    """The form class that draws these options, None where a handler has none."""
    if options is None or (isinstance(options, type) and issubclass(options, forms.Form)):
        return options
    return form_of_dataclass(options)


@functools.cache
def form_of_dataclass(options: Any) -> type[forms.Form]:
    """One form field per dataclass field; a default makes it optional."""
    hints = typing.get_type_hints(options)
    fields = {
        field.name: form_field(field, hints[field.name]) for field in dataclasses.fields(options)
    }
    return type(f"{options.__name__}Form", (forms.Form,), fields)


def form_field(field: "dataclasses.Field[Any]", hint: Any) -> forms.Field:
    """The form field of one dataclass field; Literal types become choices."""
    default = None if field.default is dataclasses.MISSING else field.default
    required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    if typing.get_origin(hint) is typing.Literal:
        choices = [(value, value) for value in typing.get_args(hint)]
        return forms.ChoiceField(choices=choices, required=required, initial=default)
    kind = next((part for part in union_parts(hint) if part in FIELDS), None)
    if kind is None:
        raise TypeError(
            f"Option {field.name!r} has the type {hint!r}; "
            f"use {', '.join(k.__name__ for k in FIELDS)} or Literal."
        )
    return FIELDS[kind](required=required and kind is not bool, initial=default)


def union_parts(hint: Any) -> tuple[Any, ...]:
    """The members of `int | None`, or the hint alone."""
    is_union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return typing.get_args(hint) if is_union else (hint,)


def clean_options(options: Any, data: Mapping[str, Any]) -> Any:
    """What a handler gets as `context.options`; see `Handler.clean_options`."""
    form_class = options_form(options)
    known = list(form_class.base_fields) if form_class else []
    unknown = {name: [unknown_option(name, known)] for name in data if name not in known}
    if form_class is None:
        if unknown:
            raise InvalidOptions(unknown)
        return {}
    form = form_class({**defaults(form_class), **{k: v for k, v in data.items() if k in known}})
    errors = {name: [str(error) for error in found] for name, found in form.errors.items()}
    errors |= wrong_types(form_class, data)
    if errors or unknown:
        raise InvalidOptions({**errors, **unknown})
    return cleaned(options, form.cleaned_data)


def cleaned(options: Any, data: dict[str, Any]) -> Any:
    """A Form's cleaned data as it is, a dataclass as an instance."""
    if issubclass(options, forms.Form):
        return data
    given = {name: value for name, value in data.items() if value is not None}
    return options(**given)


def reference(value: object) -> str | None:
    """The environment variable that an option names (`env:NAME`), None for any other value."""
    found = REFERENCE.fullmatch(value) if isinstance(value, str) else None
    return found[1] if found else None


def check_options(options: Any, data: Mapping[str, Any]) -> None:
    """Judge options as a definition has them. Raises InvalidOptions.

    What names a variable is judged by the worker: only there it has a value.
    """
    try:
        clean_options(options, data)
    except InvalidOptions as error:
        named = {name for name, value in data.items() if reference(value)}
        form_class = options_form(options)
        known = set(form_class.base_fields if form_class else ())
        later = (named & known) | ({"__all__"} if named else set())
        kept = {name: found for name, found in error.errors.items() if name not in later}
        if kept:
            raise InvalidOptions(kept) from error


def resolved_options(
    options: Any, data: Mapping[str, Any], read: Callable[[str], str | None]
) -> Any:
    """What a handler gets, with the variables' values, which are stored nowhere.

    Raises InvalidOptions, which names a variable and never its value.
    """
    names = {option: name for option, value in data.items() if (name := reference(value))}
    values = {option: read(name) for option, name in names.items()}
    missing = {
        option: [
            _("%(reference)s is not set in this worker's environment.")
            % {"reference": names[option]}
        ]
        for option, value in values.items()
        if value is None
    }
    if missing:
        raise InvalidOptions(missing)
    try:
        return clean_options(options, {**data, **values})
    except InvalidOptions as error:
        unfit = {
            option: [
                _("The value of %(reference)s in this worker's environment does not fit.")
                % {"reference": names[option]}
            ]
            for option in error.errors
            if option in names
        }
        raise InvalidOptions({**error.errors, **unfit}) from None


def defaults(form_class: type[forms.Form]) -> dict[str, Any]:
    """Initial values count as given, so that a definition may leave them out."""
    found = {name: default_of(field) for name, field in form_class.base_fields.items()}
    return {name: value for name, value in found.items() if value is not None}


def default_of(field: forms.Field) -> Any:
    """What an option is that a definition leaves out; as in any form, it may be asked for late."""
    return field.initial() if callable(field.initial) else field.initial


def with_defaults(options: Any, data: Mapping[str, Any]) -> dict[str, Any]:
    """What options say together with the defaults that they leave out, as JSON has it."""
    form_class = options_form(options)
    usual = defaults(form_class) if form_class else {}
    return {**{name: plain(value) for name, value in usual.items()}, **data}


def plain(value: Any) -> Any:
    """A default as JSON has it; anything else than JSON knows as the text that a form reads."""
    if isinstance(value, tuple | set):
        return list(value)
    return value if isinstance(value, bool | int | float | str | list | dict) else str(value)


def wrong_types(form_class: type[forms.Form], data: Mapping[str, Any]) -> dict[str, list[str]]:
    """A list or an object where a single value belongs: forms would take their text."""
    return {
        name: [
            _("options.%(name)s must be %(kind_word)s, not a list or an object.")
            % {"name": name, "kind_word": kind_word(field)}
        ]
        for name, field in form_class.base_fields.items()
        if isinstance(data.get(name), list | dict)
        and not isinstance(field, forms.MultipleChoiceField | forms.JSONField)
    }


def kind_word(field: forms.Field) -> str:
    """How to call what a field takes."""
    if isinstance(field, forms.IntegerField):
        return "a number"
    return _("true or false") if isinstance(field, forms.BooleanField) else _("a text")


def unknown_option(name: str, known: list[str]) -> str:
    """Names the option that was probably meant."""
    close = difflib.get_close_matches(name, known, n=1)
    hint = _(" (did you mean '%(close)s'?)") % {"close": close[0]} if close else ""
    return _("Unknown option '%(name)s'%(hint)s.") % {"name": name, "hint": hint}
