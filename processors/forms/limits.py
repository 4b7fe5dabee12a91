"""The limits of a processor as a small form, to change while it runs."""

import hashlib
import json
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from processors import editing
from processors.acts import Act
from processors.definitions import InvalidDefinition, dump, limits_of, tunable
from processors.forms.fields import text, whole
from processors.models import Processor


def seen_limits(processor: Processor) -> str:
    """Names what the limits are: who changes something else is not in the way."""
    written = json.dumps(limits_of(dump(processor)), sort_keys=True)
    return hashlib.sha256(written.encode()).hexdigest()[:16]


class LimitsForm(forms.Form):
    """Numbers as they were typed; `definitions` judges them."""

    parallelism = whole(_("Parallelism"), _("Batches at once, over all workers."))
    concurrency = whole(_("Concurrency"), _("Records at once within a batch."))
    batch_size = whole(_("Batch size"), _("Records that a worker takes at a time."))
    pause_seconds = whole(_("Pause"), _("Seconds between two cycles."))
    rate_limits = text(
        _("Rate limits"),
        _("One a line: “100/s”, “1,000/h”; “5/min by customer” is for each one by itself."),
        rows=2,
    )
    reason = text(_("Reason"), _("Optional."))
    seen = forms.CharField(required=False, widget=forms.HiddenInput())

    def __init__(self, processor: Processor, data: Any = None) -> None:
        self.processor = processor
        values = {name: getattr(processor, name) for name in tunable(processor)}
        values |= {"rate_limits": "\n".join(processor.rate_limits), "seen": seen_limits(processor)}
        super().__init__(data, initial=values, auto_id="limit_%s")
        if "pause_seconds" not in values:
            del self.fields["pause_seconds"]
        self.fields["reason"].widget.attrs["maxlength"] = 500

    def save(self, act: Act) -> Processor | None:
        """Write them; None, with sentences beside the fields, where that cannot be."""
        given = {name: self.cleaned_data[name] for name in tunable(self.processor)}
        fits = lambda stored: seen_limits(stored) == self.cleaned_data["seen"]  # noqa: E731
        try:
            return editing.tune(self.processor.pk, given, act, fits=fits)
        except InvalidDefinition as error:
            for path, sentences in error.errors.items():
                for sentence in sentences:
                    self.add_error(path.rpartition(".")[2], sentence)
        except editing.ChangedMeanwhile as conflict:
            self.add_error(None, str(conflict))
        return None
