"""One run otherwise than usual: a limit, a reason, and other options of the handler."""

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
        self, processor: Processor, data: Any = None, *, may_change_options: bool = False
    ) -> None:
        self.processor = processor
        self.options: dict[str, Any] | None = None
        super().__init__(data, auto_id="%s")  # on the processor's page others have the usual ids
        self.fields["limit"].widget.attrs |= {"maxlength": 13, "autofocus": True}
        self.fields["reason"].widget.attrs["maxlength"] = 500
        is_asked = may_change_options and (data is None or bool(data.get("options_of")))
        self.handler = registry.find(processor.handler) if is_asked else None
        self.drawn = self.draw_options(data)

    def draw_options(self, data: Any) -> tuple[str, ...]:
        """The fields of the handler's own options, filled with what the definition says."""
        known, name = self.processor.options, self.processor.handler
        fields = options.option_fields(self.handler, {**known, **options.typed_options(data, name)})
        if not fields:
            del self.fields["options_of"]
            return ()
        shown = options.shown_values(self.handler, known)
        self.initial = {**shown, "options_of": name}
        self.fields |= fields
        if self.is_bound:
            self.tell_definition(shown)
        return tuple(fields)

    def tell_definition(self, shown: dict[str, Any]) -> None:
        """Beside each option that was changed, what the definition says."""
        for name, value in shown.items():
            field = self.fields[name]
            if not options.is_same(value, field.widget.value_from_datadict(self.data, {}, name)):
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
