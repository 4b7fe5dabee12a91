"""`processor limits`: what a processor's limits are, or other ones while it runs."""

from typing import Any

from django.core.management.base import CommandError

from processors import editing
from processors.acts import by_command_line
from processors.definitions import (
    InvalidDefinition,
    difference_words,
    differences,
    dump,
    limits_of,
    tunable,
)
from processors.models import Processor


def limits(processor: Processor) -> dict[str, Any]:
    """What they are."""
    return limits_of(dump(processor))


def tune(processor: Processor, options: dict[str, Any]) -> str:
    """Write those that were given; what that changed. Raises CommandError."""
    given = {name: options[name] for name in tunable(processor) if options[name] is not None}
    if options["pause_seconds"] is not None and "pause_seconds" not in given:
        raise CommandError(f"{processor} has no pause between cycles: see its trigger.")
    before = dump(processor)
    try:
        tuned = editing.tune(
            processor.pk, limits(processor) | given, by_command_line(options["reason"])
        )
    except InvalidDefinition as error:
        raise CommandError(str(error)) from error
    found = difference_words(differences(before, dump(tuned)))
    return found or "These are its limits already."


def is_asked(options: dict[str, Any]) -> bool:
    """Whether any limit was given."""
    names = ("parallelism", "concurrency", "batch_size", "pause_seconds", "rate_limits")
    return any(options[name] is not None for name in names)
