"""The subcommands of `manage.py processor`, each with its options."""

from argparse import ArgumentParser

from django.core.management.base import CommandParser

from processors import dry_run
from processors.management import reporting
from processors.management.options import assignment, seconds, whole_number

VERBS = {
    "start": "let cycles begin",
    "stop": "end the run after the records in hand; no cycle begins",
    "pause": "let nothing be claimed until it is resumed",
    "resume": "go on after a pause, with the same run",
    "run": "one cycle now",
}
FOR_ALL = ("pause", "resume")
WAITS = {
    "start": "until its first cycle has ended, or found nothing to do",
    "stop": "until nothing is in hand",
    "pause": "until nothing is in hand",
    "resume": "until the run that waited has ended",
    "run": "until the run has ended; exit 1 when records failed",
}


def add_verbs(parser: CommandParser) -> None:
    """All of them."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)

    def add(name: str, text: str) -> ArgumentParser:
        found: ArgumentParser = verbs.add_parser(name, help=text, description=text)
        return found

    load = add("load", "create or change processors from definitions, all of them or none")
    load.add_argument("file", metavar="FILE|-", help="JSON: a definition or a list of them")
    add_reason(load)
    add("dump", "print definitions").add_argument("slugs", metavar="SLUG", nargs="*")
    add_json(add("list", "every processor with its state"))
    show = add_json(with_slug(add("show", "state, why, backlog, runs")))
    show.add_argument("--runs", type=whole_number(0, 10_000), default=reporting.RUNS_SHOWN)
    for name, text in VERBS.items():
        add_verb(with_slug(add(name, text), or_all=name in FOR_ALL), name)
    dry = add_json(with_slug(add("dry-run", "what would become of records; nothing is kept")))
    most = whole_number(1, dry_run.MOST)
    dry.add_argument("--limit", type=most, default=dry_run.USUAL, metavar="N", help="at most N")
    dry.add_argument("--key", action="append", default=[], metavar="KEY", help="only this one")
    force = with_slug(add("force-stop", "stop without waiting for the records in hand"))
    force.add_argument("--yes", action="store_true", help="I know what this does")
    add_reason(force)
    add_selection(with_slug(add("retry", "try failed records again")))
    add_selection(with_slug(add("discard", "give failed records up")))
    add_limits(add_json(with_slug(add("limits", "show or change limits while it runs"))))
    fault = with_slug(add("clear-fault", "what had stopped it is mended"))
    add_reason(fault)


def with_slug(parser: ArgumentParser, *, or_all: bool = False) -> ArgumentParser:
    """Which processor."""
    parser.add_argument("slug", metavar="SLUG", nargs="?" if or_all else None)
    if or_all:
        parser.add_argument("--all", action="store_true", help="every processor, in one act")
    return parser


def add_json(parser: ArgumentParser) -> ArgumentParser:
    """For programs."""
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def add_verb(parser: ArgumentParser, name: str) -> None:
    """The options of an operator's verb."""
    add_json(parser)
    add_reason(parser)
    parser.add_argument("--wait", action="store_true", help=WAITS[name])
    parser.add_argument(
        "--timeout", type=seconds, metavar="SECONDS", help="with --wait: no longer; then exit 124"
    )
    if name == "pause":
        told = "go on by itself then, e.g. in 2h or at an ISO 8601 time"
        parser.add_argument("--until", metavar="TIME", help=told)
    if name == "run":
        most = whole_number(1, 10**12)
        parser.add_argument("--limit", type=most, metavar="N", help="at most N records")
        parser.add_argument(
            "--option",
            action="append",
            default=[],
            type=assignment,
            metavar="NAME=VALUE",
            help="of its handler, in this run alone: JSON, else a text; null: the default",
        )


def add_selection(parser: ArgumentParser) -> None:
    """Which failed records, and whether to move them."""
    add_json(parser)
    parser.add_argument("--fingerprint", default="", help="only those with this kind of error")
    parser.add_argument(
        "--since", metavar="TIME", help="only those that failed since, e.g. 2h or an ISO 8601 time"
    )
    parser.add_argument("--dry-run", action="store_true", help="only say how many")
    add_reason(parser)


def add_limits(parser: ArgumentParser) -> None:
    """Other values for limits, which `definitions` judges."""
    parser.add_argument("--parallelism", metavar="N", help="batches at once, over all workers")
    parser.add_argument("--concurrency", metavar="N", help="records at once within a batch")
    parser.add_argument("--batch-size", metavar="N", help="records a worker takes at a time")
    parser.add_argument(
        "--pause-seconds", metavar="SECONDS", help="between two cycles, for an interval"
    )
    parser.add_argument(
        "--rate-limits",
        metavar="RATE",
        nargs="*",
        help="such as 100/s 1,000/h '5/min by customer'; none: no limit",
    )
    add_reason(parser)


def add_reason(parser: ArgumentParser) -> None:
    """What the history keeps of why."""
    parser.add_argument("--reason", default="", help="why, for the history")
