"""What the queue calls: an id in, one call inwards."""

from processors import cycle


def work(run_id: int) -> None:
    """A wake-up: run `run_id` may have work. Harmless for a run that has none."""
    cycle.work(run_id)
