"""The doors that bad input comes through, and what every answer has in common."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from processors.forms import ProcessorForm
from processors.handlers import Handler, registry
from processors.models import Processor
from tests.factories import make_user

ADD = "/admin/processors/processor/add/"
# What no person should read: statements, traces, places on this machine, secrets.
TELLTALE = re.compile(
    r"\bSELECT\b.*\bFROM\b|INSERT INTO|UPDATE \"?processors_|Traceback|File \"|/tmp/|/home/|"
    r"site-packages|password=|postgres://|processors_\w+_\w+|Error\(|Exception",
    re.DOTALL,
)


def is_for_people(text: str) -> bool:
    """Whether a sentence tells nothing that is none of their business."""
    return TELLTALE.search(text) is None


@pytest.fixture(autouse=True)
def _sample_handler() -> Iterator[None]:
    registry.add(Handler("sample.send", "Send", print))
    yield
    del registry._handlers["sample.send"]


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(make_user("root", is_superuser=True))
    return client


@pytest.fixture
def load(tmp_path: Path) -> Callable[[Any], str]:
    """`processor load` of a definition or of raw text; what it was refused with, else empty."""

    def run(definition: Any) -> str:
        file = tmp_path / "definition.json"
        text = definition if isinstance(definition, str) else json.dumps(definition)
        file.write_bytes(text.encode("utf-8", "surrogatepass"))
        said, code = "", 1
        try:
            call_command("processor", "load", str(file))
        except CommandError as error:
            said, code = str(error).replace(str(file), "FILE"), error.returncode
        assert code == 1
        assert is_for_people(said), said
        assert not said or "Nothing was loaded." in said
        assert not said or not Processor.objects.filter(slug="bad").exists()
        return said

    return run


@pytest.fixture
def fill_in(admin: Client) -> Callable[..., str]:
    """The form filled in and sent; what it refused it with, empty if it did not."""

    def run(**fields: Any) -> str:
        form = ProcessorForm()
        values = {name: form[name].value() for name in form.fields}
        values |= {"name": "Bad", "slug": "bad", "handler": "sample.send"}
        sent = {name: "" if value is None else value for name, value in values.items()}
        answer = admin.post(ADD, {**sent, **fields})
        if answer.status_code == 302:
            return ""
        assert answer.status_code in (200, 400), answer.status_code
        assert not Processor.objects.filter(slug="bad").exists()
        if answer.status_code == 400:
            return "400"
        errors = answer.context["form"].errors
        said = " ".join(f"{name}: {text}" for name, texts in errors.items() for text in texts)
        assert is_for_people(said), said
        return said

    return run
