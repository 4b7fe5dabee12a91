"""Run once: a cycle by hand, of some records only or with other options where that is wanted."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from processors.acts import Act, Refused, perform
from processors.control.conditions import (
    OPERATE,
    refuse_copy,
    refuse_while_busy,
    refuse_while_paused,
)
from processors.control.switching import clear_first, trial_words
from processors.definitions import options_changed, other_options
from processors.models import Processor, Run
from processors.models.run import Trigger
from processors.protocol import cycles

CHANGE = "processors.change_processor"


def run_once(
    processor_id: int,
    act: Act,
    *,
    limit: int | None = None,
    options: Mapping[str, Any] | None = None,
) -> Run:
    """One cycle now, whatever the trigger says, of at most `limit` records; the run it makes.

    `options`: what its handler is told, for this run alone. Where that is not what the definition
    says, it asks for the right to change definitions too. Raises InvalidDefinition for options
    that do not fit.
    """
    if limit is not None and limit < 1:
        raise Refused(
            _("A run of %(limit)s records is none: give at least 1, or no limit.")
            % {"limit": limit}
        )
    made: list[Run] = []

    def verb(processor: Processor, act: Act, now: datetime) -> str:
        refuse_while_busy(processor)
        refuse_copy()
        refuse_while_paused(processor, now)
        otherwise = options_for_once(processor, act, options)
        clear_first(processor, act, now)
        Processor.objects.filter(pk=processor.pk).update(judged_since=now)
        changes = options_changed(otherwise)
        beginning = cycles.Beginning(
            Trigger.MANUAL,
            act.at(now),
            by_hand=True,
            limit=limit,
            otherwise=otherwise,
            told=_("other options: %(changes)s") % {"changes": changes} if changes else "",
        )
        begun = cycles.begin(processor, beginning)
        if begun is None:
            raise Refused(
                _("%(processor)s began a run in this moment: look again.")
                % {"processor": processor}
            )
        made.append(begun)
        return begun_words(begun)

    message = perform(processor_id, act, OPERATE, verb)
    if not made:
        raise Refused(message)
    return made[0]


def options_for_once(
    processor: Processor, act: Act, options: Mapping[str, Any] | None
) -> dict[str, Any]:
    """What a run with these options freezes other than the definition says.

    Raises InvalidDefinition, or PermissionDenied.
    """
    otherwise = {} if options is None else other_options(processor, options)
    if otherwise:
        act.require(CHANGE)
    return otherwise


def begun_words(run: Run) -> str:
    """That a run has begun: with which options where they are not the definition's, and on trial
    where a fault was cleared."""
    facts = {
        "trial": trial_words() if run.processor.on_trial else "",
        "seq": run.seq,
        "processor": run.processor,
        "changes": options_changed(run.config),
    }
    words = (
        _("%(trial)sRun %(seq)s of %(processor)s has begun with other options: %(changes)s.")
        if facts["changes"]
        else _("%(trial)sRun %(seq)s of %(processor)s has begun.")
    )
    return words % facts
