"""`python -m tests.chaos`: see --help."""

import random
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable

from tests.chaos import matrix, plan, report, results
from tests.chaos.site import Site

DATABASES = ["postgres", "sqlite"]


def main() -> int:
    options = make_parser().parse_args()
    return PARTS[options.part](options)


def make_parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parts = parser.add_subparsers(dest="part", metavar="PART", required=True)
    for name, text in HELP.items():
        part = parts.add_parser(name, help=text, description=text)
        part.add_argument("--database", choices=DATABASES, default="postgres")
        if name in ("soup", "soak", "outage"):
            part.add_argument("--seconds", type=float, default=120, help="of faults, then rest")
            part.add_argument("--keep", action="store_true", help="leave logs and data")
        if name in ("soup", "soak"):
            part.add_argument("--seed", type=int, help="the same seed draws the same faults")
            part.add_argument("--per-second", type=float, default=40, help="records inserted")
    return parser


def soup(options: Namespace) -> int:
    """0 where nothing was lost, doubled or broken."""
    planned = plan.Plan(seed_of(options), options.seconds, options.database, options.per_second)
    return boil(planned, keep=options.keep)


def soak(options: Namespace) -> int:
    """The same for long."""
    planned = plan.soak(seed_of(options), options.seconds, options.database, options.per_second)
    return boil(planned, keep=options.keep)


def seed_of(options: Namespace) -> int:
    """The one that was given, or a new one."""
    return random.randrange(1_000_000) if options.seed is None else int(options.seed)


def boil(planned: plan.Plan, *, keep: bool) -> int:
    """Run the soup or, with a plan of what is regular, the soak."""
    print(f"seed {planned.seed}, {planned.seconds:g} s of faults on {planned.database}", flush=True)
    site = Site(planned.database)
    try:
        site.start()
        from tests.chaos.soak import Soak  # Django is set up now
        from tests.chaos.soup import Soup
        from tests.chaos.telling import tell, tell_gauges

        boiled = Soak(site, planned) if planned.regular_seconds else Soup(site, planned)
        figures = tell(boiled, boiled.run())
        if isinstance(boiled, Soak):
            figures["gauges"] = tell_gauges(boiled)
        kind = "soak" if planned.regular_seconds else "soup"
        seed = "" if planned.regular_seconds else f"-{planned.seed}"
        print(f"kept in {results.keep(f'{kind}-{planned.database}{seed}', figures)}")
        return 1 if figures["broken"] else 0
    finally:
        site.stop(keep=keep)


def outage(options: Namespace) -> int:
    """0 where nothing was lost or blamed, and every page said so."""
    site = Site("postgres")
    try:
        site.start()
        from tests.chaos import outage as away  # Django is set up now

        figures = away.told(away.run(site, options.seconds))
        print(f"kept in {results.keep('outage-postgres', figures)}")
        return 1 if figures["broken"] else 0
    finally:
        site.stop(keep=options.keep)


def run_matrix(options: Namespace) -> int:
    """pytest's exit code."""
    return matrix.run(options.database)


def write_report(_: Namespace) -> int:
    """0."""
    report.write()
    return 0


HELP = {
    "soup": "random faults for --seconds, then everything must end well",
    "soak": "the soup for long: fewer faults, what must happen regularly, and gauges",
    "outage": "Postgres away for --seconds: pages say so, nobody spins, everything goes on",
    "matrix": "every fault that is tried by itself, every action at every failpoint",
    "report": "write docs/reliability.md from the newest results",
}
PARTS: dict[str, Callable[[Namespace], int]] = {
    "soup": soup,
    "soak": soak,
    "outage": outage,
    "matrix": run_matrix,
    "report": write_report,
}

if __name__ == "__main__":
    sys.exit(main())
