"""Where records come from, and what can be said of them there."""

import re
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from processors.definitions import key_limits
from processors.definitions.draft import Draft
from processors.sources.inspection import inspect_source
from processors.sources.overlap import may_share_rows

SOURCE_KINDS = ("inbox", "table")
TOPIC = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


class Origins(Draft):
    """The source; a table is tried against its database."""

    def clean_source(self) -> None:
        """Where the records come from."""
        given = self.data.get("source")
        kind = given.get("kind") if isinstance(given, Mapping) else None
        self.columns |= {"source": {}, "source_kind": kind, "topic": ""}
        if not isinstance(given, Mapping):
            return self.found.refuse("source", _('Give a source, such as {"kind": "inbox"}.'))
        if kind not in SOURCE_KINDS:
            return self.found.refuse(
                "source.kind",
                _("Unknown kind of source '%(given)s'. Choose one of: %(known)s.")
                % {"given": str(kind)[:80], "known": ", ".join(SOURCE_KINDS)},
            )
        return self.clean_inbox(given) if kind == "inbox" else self.clean_table(given)

    def clean_inbox(self, given: Mapping[str, Any]) -> None:
        """Our own table, by topic or by slug."""
        self.found.refuse_unknown(given, ("kind", "topic"), "source.")
        topic = given.get("topic") or None
        if topic is not None and not (isinstance(topic, str) and TOPIC.fullmatch(topic)):
            return self.found.refuse(
                "source.topic",
                _("A topic is 1 to 80 letters, digits, dots, hyphens or underscores."),
            )
        self.columns |= {"source": {"kind": "inbox", "topic": topic}, "topic": topic or ""}
        return None

    def clean_table(self, given: Mapping[str, Any]) -> None:
        """A table of the user's, tried against its database."""
        inspected = inspect_source(given)
        for path, sentences in inspected.problems.items():
            for sentence in sentences:
                self.found.refuse(f"source.{path}", sentence)
        self.columns["source"] = inspected.normal
        if inspected.problems:
            return
        for other in self.others():
            if may_share_rows(inspected.normal, other.source):
                self.found.refuse(
                    "source.table",
                    _(
                        "Processor '%(name)s' already takes these rows. Give each its own word for "
                        "new, or filters of which only one can hold for a row."
                    )
                    % {"name": other.name},
                )

    def check_key_limits(self) -> None:
        """What a limit is counted by must be there to be counted."""
        limits, source = self.columns["rate_limits"], self.columns["source"]
        for trouble in key_limits.troubles(limits, source, self.existing):
            self.found.refuse("rate_limits", trouble)
