"""One run otherwise than usual: a limit, a reason, and other options of the handler."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from processors import control
from processors.acts import Act
from processors.definitions import InvalidDefinition, other_options
from processors.definitions.differences import in_words
from processors.definitions.parsing import Unfit, Whole
from processors.forms import options
from processors.forms.fields import text, whole
from processors.handlers import registry
from processors.models import Processor, Run

LIMIT = Whole(1, 10**12, gettext_lazy("A whole number of records, at least 1."))


class RunWithForm(forms.Form):
    """What was typed; `definitions` judges the options, and `control` whether a run may begin."""

    limit = whole(
        gettext_lazy("At most this many records"),
        gettext_lazy("Left empty: all that wait, or as many as the processor takes per cycle."),
    )
    reason = text(gettext_lazy("Reason"), gettext_lazy("Why; it stays with the run."))
    options_of = forms.CharField(required=False, widget=forms.HiddenInput())

    def __init__(
        self,
        processor: Processor,
        data: Any = None,
        *,
        may_change_options: bool = False,
        like: Run | None = None,
    ) -> None:
        """With the options of the run that it shall be `like`, else with the definition's."""
        self.processor = processor
        self.options: dict[str, Any] | None = None
        super().__init__(data, auto_id="%s")  # on the processor's page others have the usual ids
        self.fields["limit"].widget.attrs |= {"maxlength": 13, "autofocus": True}
        self.fields["reason"].widget.attrs["maxlength"] = 500
        is_asked = may_change_options and (data is None or bool(data.get("options_of")))
        self.handler = registry.find(processor.handler) if is_asked else None
        is_alike = like is not None and like.config["handler"] == processor.handler
        self.drawn = self.draw_options(data, like.config if like and is_alike else {})

    def draw_options(self, data: Any, like: Mapping[str, Any]) -> tuple[str, ...]:
        """The fields of the handler's own options, filled with what is known of them."""
        known, name = like.get("options", self.processor.options), self.processor.handler
        fields = options.option_fields(self.handler, {**known, **options.typed_options(data, name)})
        if not fields:
            del self.fields["options_of"]
            return ()
        self.initial = {**options.shown_values(self.handler, known), "options_of": name}
        self.fields |= fields
        self.tell_definition()
        return tuple(fields)

    def tell_definition(self) -> None:
        """Beside each option that is another one, what the definition says."""
        for name, value in options.shown_values(self.handler, self.processor.options).items():
            field, shown = self.fields[name], self.initial[name]
            if self.is_bound:
                shown = field.widget.value_from_datadict(self.data, {}, name)
            if not options.is_same(value, shown):
                said = _("The definition says: %(value)s.") % {"value": in_words(value)}
                field.help_text = f"{field.help_text} {said}".strip()

    def own_part(self) -> list[forms.BoundField]:
        """What can be said of a run whatever its handler is."""
        return [self["limit"], self["reason"]]

    def own_options(self) -> list[forms.BoundField]:
        """The handler's, to be drawn under a heading of their own."""
        return [self[name] for name in self.drawn]

    def clean_limit(self) -> int | None:
        """None for as many as there are."""
        typed = self.cleaned_data["limit"].strip()
        try:
            return LIMIT.parse(typed) if typed else None
        except Unfit as error:
            raise forms.ValidationError(str(error)) from error

    def clean(self) -> dict[str, Any]:
        """The options, judged as those of a definition; what is wrong goes to its field."""
        super().clean()
        if self.drawn:
            known = self.processor.options
            self.options = options.changed_options(self.handler, known, self.cleaned_data)
            try:
                other_options(self.processor, self.options)
            except InvalidDefinition as found:
                self.place(found.errors)
        return self.cleaned_data

    def place(self, errors: dict[str, list[str]]) -> None:
        """Each sentence beside its field; others on top."""
        for path, sentences in errors.items():
            field = options.PREFIX + path.removeprefix("options.")
            for sentence in sentences:
                self.add_error(field if field in self.drawn else None, sentence)

    def begin(self, act: Act) -> Run:
        """The run. Raises Refused, or PermissionDenied."""
        limit = self.cleaned_data["limit"]
        return control.run_once(self.processor.pk, act, limit=limit, options=self.options)
