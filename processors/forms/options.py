"""A handler's own options as fields of the processor's form.

They take any text, as all fields of that form do: `env:NAME` may stand for every value, and the
handler's own form judges what was typed.
"""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, cast

from django import forms
from django.utils.translation import gettext_lazy as _

from processors.handlers import Handler
from processors.handlers.options import default_of, options_form, reference
from processors.storable import BadJson, parsed

PREFIX = "option_"
NOTHING = "\N{EN DASH}"
WHOLE = re.compile(r"-?[0-9]{1,18}")
FRACTION = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")


def declared(handler: Handler | None) -> dict[str, forms.Field]:
    """The fields that a handler declares; none where it takes no options, or is not known."""
    form_class = options_form(handler.options) if handler else None
    return dict(form_class.base_fields) if form_class else {}


def option_fields(handler: Handler | None, given: Mapping[str, Any]) -> dict[str, forms.Field]:
    """The fields to draw, by their names in the form; `given` are the present values."""
    return {
        f"{PREFIX}{name}": drawn(name, field, given.get(name))
        for name, field in declared(handler).items()
    }


def drawn(name: str, field: forms.Field, value: Any) -> forms.Field:
    """One option as a field that refuses nothing."""
    label = field.label or name.replace("_", " ").capitalize()
    about = [str(field.help_text)] if field.help_text else []
    widget = widget_of(field, value)
    if isinstance(field, forms.MultipleChoiceField):
        known = ", ".join(value for value, _word in choices_of(field))
        about.append(str(_("With commas between: %(known)s.") % {"known": known}))
    if field.required and field.initial is None and not isinstance(field, forms.BooleanField):
        about.append(str(_("Has to be given.")))
    if isinstance(widget, forms.CheckboxInput):
        return forms.BooleanField(
            label=label, help_text=" ".join(about), required=False, widget=widget
        )
    return forms.CharField(
        label=label, help_text=" ".join(about), required=False, widget=widget, strip=False
    )


def widget_of(field: forms.Field, value: Any) -> forms.Widget:
    """How to draw it; a value that names a variable fits into no list and no box."""
    if reference(value):
        return forms.TextInput()
    if isinstance(field, forms.BooleanField) and not isinstance(field, forms.NullBooleanField):
        return forms.CheckboxInput()
    if isinstance(field, forms.ChoiceField) and not isinstance(field, forms.MultipleChoiceField):
        choices = choices_of(field)
        needs_none = not field.required or field.initial is None
        known = {value for value, _word in choices}
        if needs_none and "" not in known:
            choices = [("", NOTHING), *choices]
        if value not in (None, "") and str(value) not in known:
            choices = [*choices, (str(value), str(value))]
        return forms.Select(choices=choices)
    if isinstance(field, forms.JSONField) or isinstance(field.widget, forms.Textarea):
        return forms.Textarea(attrs={"rows": 4})
    return forms.TextInput()


def choices_of(field: forms.ChoiceField) -> list[tuple[str, Any]]:
    """Values and words, those of groups too."""
    found: list[tuple[str, Any]] = []
    for value, word in cast("list[tuple[Any, Any]]", list(field.widget.choices)):
        inner = word if isinstance(word, list | tuple) else [(value, word)]
        found += [(str(one), said) for one, said in inner]
    return found


def shown_values(handler: Handler | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """What each field shows: the value that is given, else the handler's default."""
    return {
        f"{PREFIX}{name}": shown(field, given.get(name, default_of(field)))
        for name, field in declared(handler).items()
    }


def shown(field: forms.Field, value: Any) -> Any:
    """One value as text; of a box, whether it is ticked."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(field, forms.JSONField):
        return json.dumps(value, indent=2, ensure_ascii=False)
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def typed_options(given: Mapping[str, str] | None, handler_name: str) -> dict[str, str]:
    """The values on the page, by option, where they are this handler's."""
    if given is None or given.get("options_of") != handler_name:
        return {}
    return {name.removeprefix(PREFIX): given[name] for name in given if name.startswith(PREFIX)}


def shown_again(fields: Mapping[str, forms.Field], given: Mapping[str, str]) -> dict[str, Any]:
    """What was typed into these fields; a box that was not sent is not ticked."""
    return {
        name: name in given if isinstance(field, forms.BooleanField) else given.get(name, "")
        for name, field in fields.items()
    }


def built_options(handler: Handler | None, data: Mapping[str, Any]) -> dict[str, Any]:
    """The options that the fields say; what is empty is left to the handler's default."""
    found: dict[str, Any] = {}
    for name, field in declared(handler).items():
        value = data.get(f"{PREFIX}{name}")
        if isinstance(value, bool):
            found[name] = value
        elif value:
            found[name] = typed_value(field, value)
        elif value == "" and may_be_emptied(field):
            found[name] = ""
    return found


def changed_options(
    handler: Handler | None, known: Mapping[str, Any], data: Mapping[str, Any]
) -> dict[str, Any]:
    """The `known` options with what the fields say differently from what they showed.

    A field that was left alone stands for what is known, in whatever way that is written.
    """
    typed, before = built_options(handler, data), shown_values(handler, known)
    found = {}
    for name in declared(handler):
        field = f"{PREFIX}{name}"
        said = known if is_same(before[field], data.get(field)) else typed
        if name in said:
            found[name] = said[name]
    return found


def is_same(shown: Any, sent: Any) -> bool:
    """Whether a field came back as it was shown; browsers send lines with two characters at end."""
    return str(shown or "") == str(sent or "").replace("\r\n", "\n")


def may_be_emptied(field: forms.Field) -> bool:
    """Whether an empty text says something else than the default."""
    return type(field) is forms.CharField and not field.required and bool(field.initial)


def typed_value(field: forms.Field, text: str) -> Any:
    """A text as JSON would give it, where that is certain; else the text, for the handler."""
    if reference(text):
        return text
    if isinstance(field, forms.MultipleChoiceField):
        return [part.strip() for part in text.split(",") if part.strip()]
    if type(field) is forms.IntegerField and WHOLE.fullmatch(text):
        return int(text)
    if isinstance(field, forms.FloatField) and FRACTION.fullmatch(text):
        return int(text) if WHOLE.fullmatch(text) else float(text)
    if isinstance(field, forms.JSONField):
        with suppress(BadJson):
            return parsed(text)
    return text


def unknown_options(handler: Handler | None, given: Mapping[str, Any]) -> list[str]:
    """Options that a definition has and its handler does not know any more."""
    known = declared(handler)
    return [name for name in given if name not in known]
