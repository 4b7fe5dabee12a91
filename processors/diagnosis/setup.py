"""The set-up of this process: what must not be so on a server, and what could not be loaded."""

from collections.abc import Iterator

from django.conf import settings

from processors.diagnosis.finding import Finding, error, warning
from processors.handlers import registry

KEY_CHARACTERS = 50


def debug() -> Iterator[Finding]:
    """Debug pages show settings and code to whoever meets an error."""
    if settings.DEBUG:
        yield warning(
            "setting DEBUG",
            "It is on: pages of errors show code and settings to every visitor.",
            "Take DEBUG out of the environment, but for your own desk.",
        )


def secret_key() -> Iterator[Finding]:
    """Whoever knows the key can sign in as anybody."""
    if settings.TESTING:
        return
    if settings.SECRET_KEY == settings.DEBUG_SECRET_KEY:
        what = "It is the one that everybody knows: whoever likes can sign in as anybody."
    elif len(settings.SECRET_KEY) < KEY_CHARACTERS:
        what = f"It has {len(settings.SECRET_KEY)} characters and could be guessed."
    else:
        return
    yield error(
        "setting SECRET_KEY", what, "Write 50 or more random characters, the same on every host."
    )


def handlers() -> Iterator[Finding]:
    """Which apps' handlers could not be imported here?"""
    for label, trouble in sorted(registry.failures.items()):
        yield error(
            f"app '{label}'",
            f"Its handlers could not be imported: {trouble}.",
            "Mend the module, then restart web, workers and scheduler.",
        )
