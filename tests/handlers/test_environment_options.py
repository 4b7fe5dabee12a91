"""Options that name environment variables: judged late, stored never."""

from dataclasses import dataclass

import pytest

from processors.definitions import InvalidDefinition, clean
from processors.handlers.options import InvalidOptions, check_options, reference, resolved_options


@dataclass
class Options:
    token: str
    port: int = 80


ENVIRONMENT = {"TOKEN": "s3cret", "PORT": "8080", "WORD": "s3cret-word"}


def test_a_reference_is_the_whole_value() -> None:
    assert reference("env:TOKEN") == "TOKEN"
    assert [reference(value) for value in ("env:", "env:a b", "x env:TOKEN", 5, None)] == [None] * 5


def test_values_are_put_in_and_cleaned_like_any_other() -> None:
    found = resolved_options(Options, {"token": "env:TOKEN", "port": "env:PORT"}, ENVIRONMENT.get)

    assert found == Options("s3cret", 8080)


def test_a_definition_is_not_asked_for_what_only_the_worker_knows() -> None:
    check_options(Options, {"token": "x", "port": "env:PORT"})

    with pytest.raises(InvalidOptions, match="Unknown option 'prot'"):
        check_options(Options, {"token": "x", "prot": "env:PORT"})


def test_an_unset_variable_is_named() -> None:
    with pytest.raises(InvalidOptions, match="NOWHERE is not set in this worker's environment"):
        resolved_options(Options, {"token": "env:NOWHERE"}, ENVIRONMENT.get)


def test_a_value_that_does_not_fit_is_not_told() -> None:
    with pytest.raises(InvalidOptions) as caught:
        resolved_options(Options, {"token": "x", "port": "env:WORD"}, ENVIRONMENT.get)

    assert "The value of WORD" in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["SECRET_KEY", "DATABASE_URL", "REDIS_URL"])
def test_our_own_secrets_cannot_be_named(name: str) -> None:
    definition = {
        "slug": "sly",
        "handler": "handling.outside",
        "source": {"kind": "inbox"},
        "options": {"seconds": f"env:{name}"},
    }

    with pytest.raises(InvalidDefinition, match="is Recordmill's own"):
        clean(definition)
