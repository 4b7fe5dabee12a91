"""From a Processor back to its definition: `clean(dump(x))` gives the columns of x."""

import hashlib
import json
from typing import Any

from processors.definitions.limits import BREAKER
from processors.models.processor import Processor, TriggerKind
from processors.sources.judgement import FIELDS

PLAIN = (
    "parallelism",
    "concurrency",
    "batch_size",
    "records_per_cycle",
    "rate_limits",
    "blackouts",
    "record_timeout_seconds",
    "max_attempts",
)


def dump(processor: Processor) -> dict[str, Any]:
    """The definition as JSON; nothing of its state, nothing that is derived."""
    about = {"description": processor.description} if processor.description else {}
    return {
        "slug": processor.slug,
        "name": processor.name,
        **about,
        "handler": processor.handler,
        "options": processor.options,
        "source": dump_source(processor.source),
        "queue": processor.queue,
        "trigger": dump_trigger(processor),
        **{field: getattr(processor, field) for field in PLAIN},
        "backoff": {
            "base_seconds": short(processor.backoff_base_seconds),
            "cap_seconds": short(processor.backoff_cap_seconds),
        },
        "breaker": {part: getattr(processor, f"breaker_{part}") for part in ("on", *BREAKER)},
    }


def digest(processor: Processor) -> str:
    """Names what a definition says, so that a page can tell whether it shows the newest."""
    written = json.dumps(dump(processor), sort_keys=True)
    return hashlib.sha256(written.encode()).hexdigest()[:16]


def dump_source(source: dict[str, Any]) -> dict[str, Any]:
    """The public fields; topic and order only where they are set."""
    if source.get("kind") != "table":
        topic = {"topic": source["topic"]} if source.get("topic") else {}
        return {"kind": source.get("kind"), **topic}
    given = [field for field in FIELDS if field in source]
    return {field: source[field] for field in given if field != "order" or source[field]}


def dump_trigger(processor: Processor) -> dict[str, Any]:
    """The kind and what belongs to it."""
    kind = str(processor.trigger_kind)
    if kind == TriggerKind.INTERVAL:
        return {"kind": kind, "pause_seconds": processor.pause_seconds}
    if kind == TriggerKind.CRON:
        return {
            "kind": kind,
            "cron": processor.cron,
            "time_zone": processor.time_zone,
            "misfire": str(processor.misfire),
        }
    return {"kind": kind}


def short(seconds: float) -> float | int:
    """10.0 as 10."""
    return int(seconds) if float(seconds).is_integer() else seconds
