"""What people type into the form's fields, and the definition that it means; both ways."""

import json
import re
from typing import Any

from processors.definitions import digest, dump
from processors.definitions.limits import BREAKER
from processors.forms.options import built_options, declared
from processors.handlers import registry
from processors.models import Processor
from processors.models.processor import TriggerKind
from processors.sources.statements import OPERATORS

SOURCE_FIELDS = (
    "topic", "database", "table", "key", "status", "payload", "result", "error", "filter", "order",
)  # fmt: skip
TRIGGER_FIELDS = {
    TriggerKind.INTERVAL: ("pause_seconds",),
    TriggerKind.CRON: ("cron", "time_zone", "misfire"),
}
LIMITS = (
    "parallelism", "concurrency", "batch_size", "records_per_cycle", "record_timeout_seconds",
    "max_attempts",
)  # fmt: skip
WORDS = ("new", "claimed", "done", "failed", "skipped")
SIGNS = "|".join(sorted((one for one in OPERATORS if not one[0].isalpha()), key=len, reverse=True))
OPERATOR_WORDS = "|".join(
    one.replace(" ", r"\s+") for one in sorted(OPERATORS, key=len, reverse=True) if one[0].isalpha()
)
CONDITION = re.compile(
    r'\s*("(?P<quoted>[^"]+)"|(?P<plain>[^\s<>=!]+))'
    rf"(?P<operator>\s*(?:{SIGNS})|\s+(?:{OPERATOR_WORDS})(?!\S))\s*(?P<value>.*)",
    re.IGNORECASE,
)


# From the definition to the form


def initial_values(processor: Processor | None) -> dict[str, Any]:
    """What the form shows of a processor, or the model's defaults."""
    definition = dump(processor or Processor())
    source = definition["source"]
    words = {"new": "NEW", "claimed": "TAKEN", "done": "DONE", "failed": "ERROR"}
    words = source.get("words") or words
    # A new one's trigger is left to its kind of source.
    stored = processor or Processor(trigger_kind="")
    return {
        **{name: definition.get(name) for name in ("name", "slug", "description", "handler")},
        "options": json.dumps(definition["options"], indent=2, ensure_ascii=False),
        "source_kind": source.get("kind") or "inbox",
        **{name: source.get(name) or "" for name in SOURCE_FIELDS},
        "database": source.get("database") or "default",
        **{f"word_{word}": words.get(word) or "" for word in WORDS},
        "payload": ", ".join(source.get("payload") or []),
        "order": ", ".join(source.get("order") or []),
        "filter": "\n".join(written_condition(line) for line in source.get("filter") or []),
        **{name: str(getattr(stored, name)) for name in ("trigger_kind", "misfire")},
        **{name: getattr(stored, name) for name in ("pause_seconds", "cron", "time_zone", "queue")},
        **{name: "" if (value := getattr(stored, name)) is None else value for name in LIMITS},
        "backoff_base_seconds": definition["backoff"]["base_seconds"],
        "backoff_cap_seconds": definition["backoff"]["cap_seconds"],
        **{f"breaker_{part}": definition["breaker"][part] for part in BREAKER},
        **{name: "\n".join(definition[name]) for name in ("rate_limits", "blackouts")},
        "breaker_on": "yes" if definition["breaker"]["on"] else "no",
        "options_of": definition["handler"],
        "seen": digest(processor) if processor else "",
    }


def written_condition(line: list[Any]) -> str:
    """`amount > 0`; a column's name with blanks in quotes."""
    column, operator, value = line
    column = f'"{column}"' if " " in column else column
    if value is None:
        return f"{column} {operator}"
    written = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"{column} {operator} {written}"


# From the form to the definition


def build(data: dict[str, Any]) -> dict[str, Any]:
    """The definition that the fields say; empty fields are left out and get their default."""
    plain = {
        name: data[name]
        for name in ("slug", "description", "handler", "queue", *LIMITS)
        if data[name] != ""
    }
    waits = {part: data[f"backoff_{part}"] for part in ("base_seconds", "cap_seconds")}
    breaker = {part: data[f"breaker_{part}"] for part in BREAKER if data[f"breaker_{part}"] != ""}
    return {
        **plain,
        "name": data["name"],
        "options": built_options_of(data),
        "source": build_source(data),
        "trigger": build_trigger(data),
        **{name: data[name].splitlines() for name in ("rate_limits", "blackouts")},
        "backoff": {part: value for part, value in waits.items() if value != ""},
        "breaker": {"on": data["breaker_on"] != "no", **breaker},
    }


def built_options_of(data: dict[str, Any]) -> Any:
    """The handler's own fields where the page drew them, else the text, judged by the rules.

    Fields that were drawn for another handler say nothing about this one.
    """
    handler = registry.find(data["handler"])
    if not declared(handler) or not data["options_of"]:
        return data["options"]
    return built_options(handler, data) if data["options_of"] == data["handler"] else {}


def build_source(data: dict[str, Any]) -> dict[str, Any]:
    """An inbox with its topic, or a table with everything about it."""
    kind = data["source_kind"]
    if kind == "inbox":
        return {"kind": kind, "topic": data["topic"] or None}
    if kind != "table":
        return {"kind": kind}
    return {
        "kind": kind,
        **{name: data[name] for name in ("database", "table", "key", "status")},
        **{name: data[name] or None for name in ("result", "error")},
        "words": {word: data[f"word_{word}"] for word in WORDS if data[f"word_{word}"] != ""},
        "payload": listed(data["payload"]) or None,
        "order": listed(data["order"]) or None,
        "filter": [
            condition(line) for line in data["filter"].splitlines() if line.strip()
        ],
    }  # fmt: skip


def listed(words: str) -> list[str]:
    """Names with commas between."""
    return [word.strip() for word in words.split(",") if word.strip()]


def condition(line: str) -> list[Any]:
    """`amount > 0` as [column, operator, value]; what it cannot read is left to the rules."""
    found = CONDITION.fullmatch(line.rstrip())
    if found is None:
        return [*line.split(None, 2), "", ""][:3]
    column = found["quoted"] or found["plain"]
    operator, value = " ".join(found["operator"].lower().split()), found["value"]
    if operator == "in":
        return [column, operator, listed(value)]
    return [column, operator, (value or None) if operator.startswith("is") else value]


def build_trigger(data: dict[str, Any]) -> dict[str, Any] | None:
    """The kind and what belongs to it; None for what is usual with the source."""
    kind = data["trigger_kind"]
    if not kind:
        return None
    names = TRIGGER_FIELDS.get(kind, ())
    return {"kind": kind, **{name: data[name] for name in names}}
