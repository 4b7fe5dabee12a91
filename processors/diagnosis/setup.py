"""The set-up of this process: what must not be so on a server, and what could not be loaded."""

from collections.abc import Iterator

from django.conf import settings
from django.utils.translation import gettext as _

from processors.diagnosis.finding import Finding, error, warning
from processors.handlers import registry

KEY_CHARACTERS = 50
SHORTEST_LEASE_SECONDS = 20


def debug() -> Iterator[Finding]:
    """Debug pages show settings and code to whoever meets an error."""
    if settings.DEBUG:
        yield warning(
            _("setting %(name)s") % {"name": "DEBUG"},
            _("It is on: pages of errors show code and settings to every visitor."),
            _("Take DEBUG out of the environment, but for your own desk."),
        )


def secret_key() -> Iterator[Finding]:
    """Whoever knows the key can sign in as anybody."""
    if settings.TESTING:
        return
    if settings.SECRET_KEY == settings.DEBUG_SECRET_KEY:
        what = _("It is the one that everybody knows: whoever likes can sign in as anybody.")
    elif len(settings.SECRET_KEY) < KEY_CHARACTERS:
        what = _("It has %(count)s characters and could be guessed.") % {
            "count": len(settings.SECRET_KEY)
        }
    else:
        return
    yield error(
        _("setting %(name)s") % {"name": "SECRET_KEY"},
        what,
        _("Write 50 or more random characters, the same on every host."),
    )


def lease() -> Iterator[Finding]:
    """A lease shorter than this takes batches from workers that are only slow for a moment."""
    if not settings.TESTING and settings.LEASE_SECONDS < SHORTEST_LEASE_SECONDS:
        yield warning(
            _("setting %(name)s") % {"name": "LEASE_SECONDS"},
            _(
                "It is %(seconds)s: a worker whose database or machine stalls for some seconds "
                "loses its batch, and what it had in hand comes under suspicion."
            )
            % {"seconds": settings.LEASE_SECONDS},
            _("Set it to %(seconds)s or more on every host; 60 by itself.")
            % {"seconds": SHORTEST_LEASE_SECONDS},
        )


def handlers() -> Iterator[Finding]:
    """Which apps' handlers could not be imported here?"""
    for label, trouble in sorted(registry.failures.items()):
        yield error(
            _("app '%(label)s'") % {"label": label},
            _("Its handlers could not be imported: %(trouble)s.") % {"trouble": trouble},
            _("Mend the module, then restart web, workers and scheduler."),
        )
