"""`manage.py processor …`: definitions, state, and the operator's verbs, from a shell."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.core.management.base import CommandError, CommandParser

from processors import control, dead_letters, dry_run, explain, loading, pause_all
from processors.acts import Act, by_command_line
from processors.clock import database_now
from processors.definitions import InvalidDefinition, dump
from processors.force_stop import force_stop
from processors.management import reporting, tuning
from processors.management.files import read_text
from processors.management.options import parse_time, with_assigned
from processors.management.terminal import (
    WRONG_USAGE,
    TerminalCommand,
    counted,
    find_processor,
)
from processors.management.verbs import add_verbs
from processors.management.waiting import Patience, failures, has_cycled, has_ended, nothing_runs
from processors.models import Processor, Run
from processors.protocol import all_paused
from processors.selection import Selection
from processors.states import ProcessorState, RunState


class Command(TerminalCommand):
    """Each subcommand is a method of its name."""

    help = "Definitions, state, and the operator's verbs."

    def add_arguments(self, parser: CommandParser) -> None:
        add_verbs(parser)

    def handle(self, *, verb: str, **options: Any) -> None:
        if options.get("timeout") is not None and not options["wait"]:
            raise CommandError("--timeout is for --wait: add it.", returncode=WRONG_USAGE)
        method: Callable[..., None] = getattr(self, verb.replace("-", "_"))
        method(**options)

    # Definitions

    def load(self, *, file: str, reason: str, **_: Any) -> None:
        """Create or change; the same file again changes nothing."""
        try:
            definitions = loading.parse_definitions(*read_text(file))
            all_loaded = loading.load(definitions, by_command_line(reason))
        except loading.NotLoaded as error:
            raise CommandError(str(error)) from error
        for loaded in all_loaded:
            columns = f" ({', '.join(loaded.columns)})" if loaded.columns else ""
            self.say(f"{loaded.slug}: {loaded.outcome}{columns}")

    def dump(self, *, slugs: list[str], **_: Any) -> None:
        """One slug: an object. None or several: a list."""
        found = [find_processor(slug) for slug in slugs] or list(Processor.objects.order_by("slug"))
        definitions = [dump(processor) for processor in found]
        self.say_json(definitions[0] if len(slugs) == 1 else definitions)

    def limits(self, *, slug: str, json: bool, **options: Any) -> None:
        """What they are; with options, what was changed."""
        processor = find_processor(slug)
        told = tuning.tune(processor, options) if tuning.is_asked(options) else ""
        processor.refresh_from_db()
        found = tuning.limits(processor)
        if json:
            return self.say_json(found)
        return self.say(told or "\n".join(f"{name}: {value}" for name, value in found.items()))

    # State

    def list(self, *, json: bool, **_: Any) -> None:
        """A line for each."""
        now = database_now()
        found = [reporting.overview(each, now) for each in Processor.objects.order_by("slug")]
        if json:
            self.say_json(found)
        elif found:
            self.say("\n".join(reporting.overview_table(found)))
        else:
            self.say("There is no processor yet: see `manage.py processor load --help`.")

    def show(self, *, slug: str, json: bool, runs: int, **_: Any) -> None:
        """One processor and its last runs."""
        found = reporting.report(find_processor(slug), database_now(), runs)
        if json:
            return self.say_json(found)
        self.say("\n".join(reporting.overview_lines(found)))
        if found["runs"]:
            self.say("\n" + "\n".join(reporting.run_table(found["runs"])))
        return None

    # Verbs

    def start(self, *, slug: str, **options: Any) -> None:
        """Its first cycle may end before we look: only one later than the last known counts."""
        processor = find_processor(slug)
        last, asked_at = processor.last_seq, database_now()
        has_been = options["wait"] and processor.is_started
        self.act(control.start, processor, options, has_been=has_been)
        is_over = nothing_runs(processor) if has_been else has_cycled(processor, last, asked_at)
        if not self.wait(processor, is_over, options):
            return self.tell_state(processor, options)
        run = Run.objects.filter(processor=processor, seq__gt=last).first()
        if run is None and has_been and not options["json"]:
            processor.refresh_from_db()
            return self.say(explain.why(processor, database_now()))
        return self.tell_run(run, options)

    def stop(self, *, slug: str, **options: Any) -> None:
        """Wait until the run has ended."""
        processor = find_processor(slug)
        is_over = nothing_runs(processor)
        is_stopped = processor.state == ProcessorState.STOPPED and is_over()
        self.act(control.stop, processor, options, has_been=options["wait"] and is_stopped)
        self.wait(processor, is_over, options)
        self.tell_state(processor, options)

    def pause(self, *, slug: str | None, **options: Any) -> None:
        """Wait until nothing is in hand."""
        typed = options["until"]
        until = parse_time("--until", typed, database_now(), ahead=True) if typed else None
        processor = one_of_all(slug, options)
        if processor is None:
            return self.act_on_all(partial(pause_all.pause_all, until=until), options)
        self.act(partial(control.pause, until=until), processor, options)
        busy = Run.objects.active().filter(processor=processor).exclude(state=RunState.PAUSED)
        self.wait(processor, lambda: not busy.exists(), options)
        return self.tell_state(processor, options)

    def resume(self, *, slug: str | None, **options: Any) -> None:
        """Wait for the end of the run that waited, where there is one."""
        processor = one_of_all(slug, options)
        if processor is None:
            return self.act_on_all(pause_all.resume_all, options)
        run = Run.objects.active_of(processor.pk)
        self.act(control.resume, processor, options)
        if run is not None and self.wait(processor, has_ended(run.pk), options):
            return self.tell_run(run, options)
        return self.tell_state(processor, options)

    def act_on_all(self, verb: Callable[[Act], str], options: dict[str, Any]) -> None:
        """Pause or resume everything; waiting is for what is in hand."""
        message = verb(by_command_line(options["reason"]))
        self.wait(None, all_paused.is_at_rest, options)
        if not options["json"]:
            return self.say(message)
        found = all_paused.current()
        until = found.until.isoformat() if found and found.until else None
        return self.say_json({"all_paused": found is not None, "until": until})

    def run(self, *, slug: str, **options: Any) -> None:
        """One cycle."""
        processor = find_processor(slug)
        told = with_assigned(processor.options, options["option"]) if options["option"] else None
        act = by_command_line(options["reason"])
        try:
            run = control.run_once(processor.pk, act, limit=options["limit"], options=told)
        except InvalidDefinition as error:
            raise CommandError(str(error)) from error
        if self.wait(processor, has_ended(run.pk), options):
            return self.tell_run(run, options)
        if options["json"]:
            return self.say_json(reporting.run_report(run))
        return self.say(control.begun_words(run))

    def dry_run(self, **options: Any) -> None:
        """Let the handler treat records, and roll everything back."""
        processor = find_processor(options["slug"])
        tried = dry_run.dry_run(processor, limit=options["limit"], keys=options["key"])
        if options["json"]:
            self.say_json([dry_run.as_json(one) for one in tried])
        else:
            lines = [line for one in tried for line in dry_run.as_lines(one)]
            said = f"{counted(len(tried), 'record')} tried. Nothing was kept."
            self.say("\n".join([*lines, said]))
        if bad := sum(not one.is_good for one in tried):
            raise CommandError(f"{bad} of {len(tried)} would have failed.")

    def act(
        self,
        verb: Callable[[int, Act], str],
        processor: Processor,
        options: dict[str, Any],
        *,
        has_been: bool = False,
    ) -> None:
        """Do it and say so; with --json nothing but JSON goes to stdout.

        Whoever waits for a state that `has_been` reached already is told so, and not refused.
        """
        if has_been:
            message = f"{processor} is {processor.get_state_display().lower()} already."
        else:
            message = verb(processor.pk, by_command_line(options["reason"]))
        if not options["json"]:
            self.say(message)

    def wait(
        self, processor: Processor | None, is_over: Callable[[], bool], options: dict[str, Any]
    ) -> bool:
        """Whether we were asked to wait, and have. Raises CommandError when the time is up."""
        if options["wait"]:
            Patience.of(self.stderr, options["timeout"]).wait(is_over, processor)  # type: ignore[arg-type]
        return bool(options["wait"])

    def tell_run(self, run: Run | None, options: dict[str, Any]) -> None:
        """How a run went. Raises CommandError when records failed."""
        if run is None:
            return self.say_json(None) if options["json"] else self.say("Nothing was waiting.")
        run = Run.objects.get(pk=run.pk)
        found = reporting.run_report(run)
        if options["json"]:
            self.say_json(found)
        else:
            self.say(reporting.run_line(found))
        if run.has_ended and (failed := failures(run)):
            raise CommandError(failed)
        return None

    def tell_state(self, processor: Processor, options: dict[str, Any]) -> None:
        """For programs: where it stands now."""
        if options["json"]:
            processor.refresh_from_db()
            self.say_json(reporting.overview(processor, database_now()))

    def force_stop(self, *, slug: str, yes: bool, reason: str, **_: Any) -> None:
        """Take the records out of their workers' hands."""
        processor = find_processor(slug)
        if not yes:
            raise CommandError(
                "Nothing was stopped. The records in hand would come under suspicion, and those "
                "of an unrepeatable handler would be parked: add --yes if you mean it."
            )
        self.say(force_stop(processor.pk, by_command_line(reason), typed_name=slug))

    # Failed records

    def retry(self, **options: Any) -> None:
        """With fresh attempts, under the same idempotency key."""
        self.treat(dead_letters.retry, "retried", options)

    def discard(self, **options: Any) -> None:
        """They become skipped."""
        self.treat(dead_letters.discard, "discarded", options)

    def treat(
        self,
        verb: Callable[[int, Act, Selection], int],
        done: str,
        options: dict[str, Any],
    ) -> None:
        """Retry or discard what the options select."""
        processor, since = find_processor(options["slug"]), options["since"]
        selection = Selection(
            options["fingerprint"], parse_time("--since", since, database_now()) if since else None
        )
        if options["dry_run"]:
            number = len(selection.of(processor))
        else:
            number = verb(processor.pk, by_command_line(options["reason"]), selection)
        if options["json"]:
            return self.say_json({done: number, "dry_run": options["dry_run"]})
        would = "would be" if options["dry_run"] else ("was" if number == 1 else "were")
        waits = ""
        if done == "retried" and number:
            waits = dead_letters.what_it_waits_for(processor)
        return self.say(f"{counted(number, 'failed record')} {would} {done}.{waits}")

    def clear_fault(self, *, slug: str, reason: str, **_: Any) -> None:
        """The processor may be started again."""
        self.say(control.clear_fault(find_processor(slug).pk, by_command_line(reason)))


def one_of_all(slug: str | None, options: dict[str, Any]) -> Processor | None:
    """The processor, None for all of them. Raises CommandError."""
    if bool(slug) == options["all"]:
        raise CommandError("Name one processor, or say --all.", returncode=WRONG_USAGE)
    return find_processor(slug) if slug else None
