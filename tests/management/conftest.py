"""Commands called as a program calls them."""

import io
import json
from typing import Any, Protocol

import pytest
from django.core.management import CommandError, call_command


class Call(Protocol):
    def __call__(self, *arguments: str) -> str: ...


@pytest.fixture
def call() -> Call:
    """Run a command; what it printed comes back. Raises CommandError."""

    def run(*arguments: str) -> str:
        out = io.StringIO()
        call_command(arguments[0], *arguments[1:], stdout=out, stderr=io.StringIO())
        return out.getvalue().strip()

    return run


class CallJson(Protocol):
    def __call__(self, *arguments: str) -> Any: ...


@pytest.fixture
def call_json(call: Call) -> CallJson:
    """The same with --json, read."""
    return lambda *arguments: json.loads(call(*arguments, "--json"))


class Refuse(Protocol):
    def __call__(self, *arguments: str, code: int = 1) -> str: ...


@pytest.fixture
def refuse(call: Call) -> Refuse:
    """Run a command that must fail with this exit code; its sentence comes back."""

    def run(*arguments: str, code: int = 1) -> str:
        with pytest.raises(CommandError) as caught:
            call(*arguments)
        assert caught.value.returncode == code
        return str(caught.value)

    return run
