"""The form of a processor: what it offers, and where it places what the rules say."""

from collections.abc import Collection, Mapping
from typing import Any

from django import forms
from django.conf import settings
from django.db import IntegrityError
from django.db.models import Q
from django.forms.boundfield import BoundField
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from processors import editing
from processors.acts import Act
from processors.definitions import InvalidDefinition, clean, digest
from processors.definitions.limits import BREAKER
from processors.definitions.parsing import NAME_CHARACTERS
from processors.forms import options, picker
from processors.forms.fields import SOURCE_FIELDS, DefinitionFields
from processors.forms.typed import WORDS, build, build_source, initial_values
from processors.handlers import Handler, registry
from processors.models import Processor
from processors.models.processor import Misfire, TriggerKind
from processors.sources.catalogue import Column
from processors.sources.introspection import aliases

# Where a sentence about a part of the definition belongs on the page.
FIELD_OF = {
    "source": "source_kind",
    "source.kind": "source_kind",
    "source.words": "word_new",
    **{f"source.words.{word}": f"word_{word}" for word in WORDS},
    "trigger": "trigger_kind",
    "trigger.kind": "trigger_kind",
    "backoff": "backoff_base_seconds",
    "backoff.base_seconds": "backoff_base_seconds",
    "backoff.cap_seconds": "backoff_cap_seconds",
    "breaker": "breaker_on",
    **{f"breaker.{part}": f"breaker_{part}" for part in ("on", *BREAKER)},
}
NOTHING = options.NOTHING
COLUMN_FIELDS = ("key", "status", "result", "error")


class ProcessorForm(DefinitionFields):
    """A definition to fill in, by somebody who knows neither our words nor the table by heart."""

    def __init__(
        self,
        data: Any = None,
        *,
        existing: Processor | None = None,
        like: Processor | None = None,
        typed: Mapping[str, str] | None = None,
        may_change_source: bool = True,
    ) -> None:
        """`data` is judged; `typed` is only shown again, with what it lets us offer and guess."""
        self.existing = existing
        self.columns: dict[str, Any] = {}
        self.definition: dict[str, Any] = {}
        self.may_change_source = may_change_source
        initial = initial_values(existing)
        if like is not None:
            initial |= values_like(like, () if may_change_source else SOURCE_FIELDS)
        stored = {
            "handler": initial["handler"],
            "options": (like or existing or Processor()).options,
        }
        data = with_own_options(data, stored) if data is not None else None
        super().__init__(data, initial=initial)
        if not may_change_source:
            self.keep_source()
        if typed is not None:
            self.show_again(typed)
            self.fit_trigger(typed)
        self.offered = self.offer_table(is_guessing=typed is not None)
        self.fill_choices()
        self.draw_options(stored, data if data is not None else typed)

    def keep_source(self) -> None:
        """For who may not say where records come from: what is sent for these fields is ignored."""
        for name in SOURCE_FIELDS:
            self.fields[name].disabled = True
        self.fields["source_kind"].help_text = _("You do not have the right to change it.")

    def show_again(self, typed: Mapping[str, str]) -> None:
        """What somebody typed, before it is judged."""
        shown = [name for name, field in self.fields.items() if not field.disabled]
        self.initial.update({name: typed[name] for name in shown if name in typed})

    def fit_trigger(self, typed: Mapping[str, str]) -> None:
        """Only an inbox knows when a record arrives: with a table something else is chosen."""
        kinds = (self.initial.get("source_kind"), typed.get("trigger_kind"))
        if kinds != ("table", TriggerKind.ARRIVAL):
            return
        self.initial["trigger_kind"] = TriggerKind.INTERVAL
        self.fields["trigger_kind"].help_text = _(
            "Changed from “When a record arrives”, which only an inbox knows: a table is looked "
            "at again after a pause."
        )

    # What it offers

    def offer_table(self, *, is_guessing: bool) -> picker.Offer:
        """What the chosen database and table offer; nothing to who may not choose.

        Nor for an inbox that is there already: its page is opened all day.
        """
        source = self.typed_source()
        is_settled = self.existing is not None and source["source_kind"] != "table"
        if not self.may_change_source or is_settled:
            return picker.Offer()
        found = picker.offer(source if source["source_kind"] == "table" else source | {"table": ""})
        if is_guessing:
            self.initial.update(picker.guess(found, source))
        self.fields["table"].widget.attrs |= {"list": "tables", "autocomplete": "off"}
        for name in COLUMN_FIELDS if found.columns else ():
            self.fields[name].widget = forms.Select()
            self.choose(name, [("", NOTHING), *map(column_choice, found.columns)])
        return found

    def typed_source(self) -> dict[str, str]:
        """The source's fields as they are on the page.

        Not by the bound fields: those keep what they showed first, and a guess may follow.
        """
        found = {
            name: self.get_initial_for_field(self.fields[name], name) for name in SOURCE_FIELDS
        }
        if self.is_bound:
            sent = (name for name in SOURCE_FIELDS if not self.fields[name].disabled)
            found |= {name: self.data.get(name) for name in sent}
        return {name: str(value or "") for name, value in found.items()}

    def source(self) -> dict[str, Any]:
        """The source that the fields say, not judged."""
        return build_source({**self.typed_source(), "topic": ""})

    def word_warning(self) -> str:
        """That no row has the word for new."""
        return self.offered.warning(str(self["word_new"].value() or ""))

    def fill_choices(self) -> None:
        """What can be chosen on this installation, now."""
        handlers = [(one.name, f"{one.label} ({one.name})") for one in registry.all()]
        gone = self.existing.handler if self.existing else ""
        if gone and gone not in dict(handlers):
            handlers.append((gone, _("%(name)s (no longer installed)") % {"name": gone}))
        self.choose("handler", [("", _("Choose…")), *handlers])
        self.choose("source_kind", [("inbox", _("Its own inbox")), ("table", _("A table"))])
        self.choose("database", [(alias, alias) for alias in aliases()])
        self.choose("queue", [(name, name) for name in settings.QUEUES])
        usual = [] if self.existing else [("", _("As usual for its source"))]
        if usual and not self.fields["trigger_kind"].help_text:
            self.fields["trigger_kind"].help_text = _(
                "As usual: of an inbox when a record arrives, of a table after a pause."
            )
        kinds = [(kind.value, kind.label) for kind in TriggerKind]
        self.choose("trigger_kind", [*usual, *kinds])
        self.choose("breaker_on", [("yes", _("Yes")), ("no", _("No"))])
        self.choose("misfire", [(one.value, one.label) for one in Misfire])

    def choose(self, name: str, choices: list[tuple[Any, Any]]) -> None:
        """Give a field its list; a value that is not on it stays visible."""
        current = self[name].value()
        if current and current not in dict(choices):
            choices = [*choices, (current, current)]
        self.fields[name].widget.choices = choices

    # The handler's own options

    @property
    def chosen_handler(self) -> Handler | None:
        """The chosen one, None where none is or it is not installed."""
        return registry.find(str(self["handler"].value() or ""))

    def draw_options(self, stored: Mapping[str, Any], given: Mapping[str, str] | None) -> None:
        """The chosen handler's own fields; the text where it declares none or was sent instead."""
        self.drawn: tuple[str, ...] = ("options",) if self["handler"].value() else ()
        self.dropped: list[str] = []
        handler = self.chosen_handler
        if not options.declared(handler) or (self.is_bound and not self["options_of"].value()):
            self.initial["options_of"] = ""
            return
        name = str(self["handler"].value())
        known = stored["options"] if stored["handler"] == name else {}
        fields = options.option_fields(handler, {**known, **options.typed_options(given, name)})
        self.initial.update(options.shown_values(handler, known) | {"options_of": name})
        if given is not None and given.get("options_of") == name:
            self.initial.update(options.shown_again(fields, given))
        self.fields |= fields
        self.drawn = tuple(fields)
        self.dropped = options.unknown_options(handler, known)

    # The page

    def sections(self) -> list[tuple[Any, str, list[BoundField]]]:
        """Title, class and fields of each part of the page."""
        return [
            (title, kind, [self[name] for name in (self.drawn if kind == "own-options" else names)])
            for title, kind, names in self.groups
        ]

    # Judging and saving

    def clean(self) -> dict[str, Any]:
        """The whole definition, judged; what is wrong goes to its fields."""
        super().clean()
        if not self.errors:
            self.definition = build(self.cleaned_data)
            try:
                self.columns = clean(self.definition, existing=self.existing)
            except InvalidDefinition as found:
                self.place(found.errors)
        return self.cleaned_data

    def place(self, errors: dict[str, list[str]]) -> None:
        """Each sentence beside its field, others on top with the name of what they speak of."""
        for path, sentences in errors.items():
            field = field_of(path, self.fields)
            for sentence in sentences:
                option = path.removeprefix("options.")
                words = f"{option}: {sentence}" if field == "options" != path else sentence
                is_shown = field is not None and (field != "options" or field in self.drawn)
                self.add_error(field if is_shown else None, words if field else f"{path}: {words}")

    def check_seen(self) -> bool:
        """Whether the definition is still the one that the page showed; else says who was first."""
        existing = self.existing
        if existing is None or self.fits(existing):
            return True
        if all(getattr(existing, name) == value for name, value in self.columns.items()):
            return True  # a doubled click: it says what was typed
        self.add_error(None, str(editing.ChangedMeanwhile(existing)))
        return False

    def save(self, act: Act) -> Processor | None:
        """Write it; None, with an error on the page, where somebody was first."""
        try:
            if self.existing is None:
                return editing.create(self.columns, act)
            return editing.change(self.existing.pk, self.columns, act, fits=self.fits)
        except IntegrityError:
            if done := self.done_already():
                return done
            self.add_error("slug", _("A processor with this slug was saved in this moment."))
        except editing.ChangedMeanwhile as conflict:
            self.add_error(None, str(conflict))
        return None

    def done_already(self) -> Processor | None:
        """What the first of two clicks has added, whatever is now wrong with adding it again."""
        operation, name = self.cleaned_data.get("operation"), str(self.data.get("name") or "")
        return None if self.existing else editing.made_by(operation, name.strip())

    def fits(self, processor: Processor) -> bool:
        """Whether a processor still says what the page showed."""
        return bool(self.cleaned_data["seen"] == digest(processor))


def with_own_options(data: Any, stored: Mapping[str, Any]) -> Any:
    """What was sent; where its fields are another handler's, with those of the chosen one.

    Else they would come back empty, and be taken for what was typed when the page is sent again.
    """
    name = data.get("handler")
    if not data.get("options_of") or data["options_of"] == name:
        return data
    handler = registry.find(name) if name else None
    known = stored["options"] if stored["handler"] == name else {}
    shown = options.shown_values(handler, known)
    sent = {name: "on" if value is True else value for name, value in shown.items() if value}
    typed = {field: data[field] for field in data}
    return {**typed, "options": "", "options_of": name if shown else "", **sent}


def column_choice(column: Column) -> tuple[str, str]:
    """A column with its type."""
    return column.name, f"{column.name} ({column.type})"


def values_like(processor: Processor, without: Collection[str]) -> dict[str, Any]:
    """What the form of a new processor shows that shall do as another one, under a free name."""
    values = initial_values(processor)
    for number in range(1, 1000):
        ending = _("copy") if number == 1 else _("copy %(number)s") % {"number": number}
        name = f"{processor.name[: NAME_CHARACTERS - 12]} ({ending})"
        slug = slugify(name)
        if not Processor.objects.filter(Q(name=name) | Q(slug=slug)).exists():
            break
    values |= {"name": name, "slug": slug, "seen": ""}
    return {field: value for field, value in values.items() if field not in without}


def field_of(path: str, fields: Mapping[str, forms.Field]) -> str | None:
    """The form's field for a path of the definition, None where it has none."""
    part, _dot, option = path.partition(".")
    if part == "options":
        own = f"{options.PREFIX}{option}"
        return own if own in fields else "options"
    name = FIELD_OF.get(path) or path.rpartition(".")[2]
    return name if name in fields else None
