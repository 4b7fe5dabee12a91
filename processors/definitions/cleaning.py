"""From a definition in JSON to the column values of a Processor."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.text import slugify
from django.utils.translation import gettext as _

from processors.definitions import parsing
from processors.definitions.draft import default
from processors.definitions.findings import InvalidDefinition
from processors.definitions.limits import LIMITS, Limits
from processors.definitions.origins import Origins
from processors.definitions.triggers import Triggers
from processors.handlers import Handler, InvalidOptions, registry
from processors.handlers.options import reference
from processors.models.processor import SLUG, Processor
from processors.storable import first_trouble, name_trouble

SLUG_CHARACTERS = 80
FIELDS = (
    "slug",
    "name",
    "description",
    "handler",
    "options",
    "source",
    "queue",
    "trigger",
    *LIMITS,
    "records_per_cycle",
    "rate_limits",
    "blackouts",
    "backoff",
    "breaker",
)


def clean(data: Mapping[str, object], *, existing: Processor | None = None) -> dict[str, Any]:
    """The column values of a complete processor; what is left out gets its default.

    `existing` is the processor that will be changed. Raises InvalidDefinition with everything
    that is wrong. Cost: a table source is tried against its database.
    """
    if not isinstance(data, Mapping):
        raise InvalidDefinition(
            {"": [_("A definition is an object with slug, handler and source.")]}
        )
    return Cleaning(data, existing).run()


def printable(text: object) -> str:
    """Any text as one that every terminal and page can show, cut to a sentence's length."""
    shown = str(text).replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()
    return shown[:200]


def is_slug(text: str) -> bool:
    """Whether the model takes it as a slug."""
    try:
        SLUG(text)
    except ValidationError:
        return False
    return len(text) <= SLUG_CHARACTERS


class Cleaning(Origins, Triggers, Limits):
    """All of a definition; each method cleans a field and its neighbours."""

    def run(self) -> dict[str, Any]:
        """Field by field, then what must fit together."""
        self.refuse_unstorable()
        self.found.refuse_unknown(self.data, FIELDS)
        self.clean_slug()
        self.clean_name()
        self.take("description", parsing.description, default("description"))
        handler = self.clean_handler()
        self.clean_options(handler)
        self.clean_queue()
        self.clean_limits()
        self.take("rate_limits", parsing.rate_limits, default("rate_limits"))
        self.take("blackouts", parsing.blackouts, default("blackouts"))
        self.clean_backoff()
        self.clean_breaker()
        self.clean_source()
        self.check_key_limits()
        self.clean_trigger()
        self.check_effects(handler)
        if self.found.errors:
            raise InvalidDefinition(self.found.errors)
        return self.columns

    def refuse_unstorable(self) -> None:
        """What no database can hold is told first: the rest would stumble over it."""
        for field, value in self.data.items():
            if isinstance(value, float):
                continue  # the limit of its field says more
            trouble = name_trouble(field, "the definition") or first_trouble(value, str(field))
            if trouble:
                self.found.refuse(printable(field), printable(trouble))
        if self.found.errors:
            raise InvalidDefinition(self.found.errors)

    def clean_slug(self) -> None:
        """The name in addresses and commands; made from the name where it is left out."""
        slug = self.data.get("slug") or slugify(str(self.data.get("name") or ""))[:80].strip("-")
        self.columns["slug"] = slug
        if not isinstance(slug, str) or not is_slug(slug):
            self.found.refuse(
                "slug",
                _("Give a slug of at most 80 lower case letters, digits and single hyphens."),
            )
        elif any(other.slug == slug for other in self.others()):
            self.found.refuse(
                "slug", _("A processor with the slug '%(slug)s' exists already.") % {"slug": slug}
            )

    def clean_name(self) -> None:
        """What people read; no two that look the same."""
        in_words = str(self.columns["slug"]).replace("-", " ").capitalize()
        self.take("name", parsing.name, in_words[: parsing.NAME_CHARACTERS])
        likeness = parsing.likeness(self.columns["name"])
        for other in self.others():
            if parsing.likeness(other.name) == likeness:
                self.found.refuse(
                    "name", _("A processor named '%(name)s' exists already.") % {"name": other.name}
                )

    def clean_handler(self) -> Handler | None:
        """One of the registered handlers: nobody types an import path."""
        name = self.data.get("handler")
        handler = registry.find(name) if isinstance(name, str) else None
        self.columns["handler"] = handler.name if handler else ""
        if handler is None:
            self.found.refuse("handler", self.handler_problem(name))
        return handler

    def handler_problem(self, name: object) -> str:
        """Why there is no such handler."""
        if registry.is_in_broken_app(str(name)):
            return registry.why_missing(str(name))
        if self.existing is not None and name == self.existing.handler:
            return _("Handler '%(name)s' is no longer installed on this server.") % {"name": name}
        known = ", ".join(handler.name for handler in registry.all())
        known = known or _("none is installed, see HANDLER_APPS")
        if not name:
            return _("Choose a handler: %(known)s.") % {"known": known}
        return _("Unknown handler '%(given)s'. Choose one of: %(known)s.") % {
            "given": str(name)[:100],
            "known": known,
        }

    def clean_options(self, handler: Handler | None) -> None:
        """An object that the handler accepts, without secrets written out."""
        self.take("options", parsing.options, {})
        given = self.columns["options"]
        for option in parsing.clear_secrets(given):
            self.found.refuse(
                f"options.{option}",
                _("Put secrets into the environment and name them here (env:NAME)."),
            )
        for option, value in given.items():
            if reference(value) in settings.OWN_SECRETS:
                self.found.refuse(
                    f"options.{option}",
                    _("%(reference)s is Recordmill's own: give the handler another variable.")
                    % {"reference": reference(value)},
                )
        if handler is None or "options" in self.found.errors:
            return
        try:
            handler.check_options(given)
        except InvalidOptions as error:
            for option, sentences in error.errors.items():
                for sentence in sentences:
                    self.found.refuse(f"options.{option}", sentence)

    def clean_queue(self) -> None:
        """One of the configured queues."""
        queue = self.data.get("queue") or default("queue")
        self.columns["queue"] = queue
        if queue not in settings.QUEUES:
            self.found.refuse(
                "queue",
                _("Unknown queue '%(given)s'. Choose one of: %(known)s.")
                % {"given": str(queue)[:80], "known": ", ".join(settings.QUEUES)},
            )

    def check_effects(self, handler: Handler | None) -> None:
        """What a handler promises must be possible with this source and these limits."""
        if handler is None or handler.effects != "database":
            return
        database = self.columns["source"].get("database", "default")
        if database != "default":
            self.found.refuse(
                "source.database",
                _(
                    "Handler '%(name)s' works inside our own transaction (effects='database'): "
                    "its table must be in 'default', not in '%(database)s'."
                )
                % {"name": handler.name, "database": database},
            )
        if self.columns["concurrency"] != 1:
            self.found.refuse(
                "concurrency",
                _(
                    "Handler '%(name)s' works inside one transaction (effects='database'): its "
                    "concurrency is 1. Raise parallelism instead."
                )
                % {"name": handler.name},
            )
