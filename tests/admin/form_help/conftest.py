"""A form that is shown again with help, and sent as its page sends it."""

from typing import Any

from django.test import Client

from processors.forms import ProcessorForm
from tests.admin.test_form import ADD, typed


def show(client: Client, url: str = ADD, **changes: Any) -> ProcessorForm:
    """What comes back when "Show its options" or "Look at it" is pressed."""
    answer = client.post(url, {**typed(), **changes, "_show": "handler"})
    assert answer.status_code == 200
    form: ProcessorForm = answer.context["form"]
    assert not form.errors
    return form


def sent_of(form: ProcessorForm, **changes: Any) -> dict[str, Any]:
    """What the page sends that shows this form; boxes that are not ticked are not sent."""
    values = {name: form[name].value() for name in form.fields}
    boxes = {name: "on" for name, value in values.items() if value is True}
    texts = {name: "" if value is None else value for name, value in values.items()}
    plain = {name: value for name, value in texts.items() if not isinstance(value, bool)}
    return {**plain, **boxes, **changes}
