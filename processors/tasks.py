"""What the queue calls: an id in, one call inwards."""

from processors import bulk, cycle


def work(run_id: int) -> None:
    """A wake-up: run `run_id` may have work. Harmless for a run that has none."""
    cycle.work(run_id)


def act_on_many(act_id: int) -> None:
    """A wake-up: an operator's act on many records may not be through. Harmless if it is."""
    bulk.work(act_id)
