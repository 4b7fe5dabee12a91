"""Workers and schedulers that die, freeze or are told to leave."""

import signal

from tests.chaos.crew import send
from tests.chaos.scene import Fault, Healing, NotNow, Scene
from tests.chaos.site import LEASE_SECONDS


def pair(scene: Scene) -> tuple[int, int]:
    """Parent and child of a worker that has work in hand."""
    for _ in scene.crew.exposed:
        worker = scene.crew.any_worker(scene.rng)
        horse = worker.horse_pid() if worker else None
        if worker is not None and horse is not None:
            return worker.pid, horse
    raise NotNow


def scheduler(scene: Scene) -> int:
    """One that runs."""
    found = scene.crew.any_scheduler(scene.rng)
    if found is None:
        raise NotNow
    return found.pid


def kill_child(scene: Scene) -> None:
    scene.killed.kill(pair(scene)[1])


def kill_parent(scene: Scene) -> None:
    send(pair(scene)[0], signal.SIGKILL)


def kill_both(scene: Scene) -> None:
    parent, child = pair(scene)
    send(parent, signal.SIGKILL)
    scene.killed.kill(child)


def terminate_parent(scene: Scene) -> None:
    send(pair(scene)[0], signal.SIGTERM)


def terminate_both(scene: Scene) -> None:
    for pid in pair(scene):
        send(pid, signal.SIGTERM)


def terminate_twice(scene: Scene) -> Healing:
    parent, _ = pair(scene)
    send(parent, signal.SIGTERM)
    return Healing(lambda: send(parent, signal.SIGTERM), 1.0)


def kill_scheduler(scene: Scene) -> None:
    send(scheduler(scene), signal.SIGKILL)


def freeze_child(scene: Scene) -> Healing:
    return freeze(pair(scene)[1], scene)


def freeze_parent(scene: Scene) -> Healing:
    return freeze(pair(scene)[0], scene)


def freeze_scheduler(scene: Scene) -> Healing:
    return freeze(scheduler(scene), scene)


def freeze(pid: int, scene: Scene) -> Healing:
    """All its threads stand still, for up to three leases."""
    send(pid, signal.SIGSTOP)
    seconds = scene.rng.uniform(0.3, 3) * LEASE_SECONDS
    return Healing(lambda: send(pid, signal.SIGCONT), seconds)


FAULTS = (
    Fault("F1", "kill -9 of a worker's child", kill_child, 15),
    Fault("F2", "kill -9 of a worker, its child lives", kill_parent),
    Fault("F3", "kill -9 of a worker and its child", kill_both),
    Fault("F4", "SIGSTOP of a worker's child, up to 3 leases", freeze_child, 15, "child"),
    Fault("F4", "SIGSTOP of a worker, up to 3 leases", freeze_parent, 4, "parent"),
    Fault("F6", "SIGTERM to a worker", terminate_parent),
    Fault("F7", "SIGTERM to a worker and its child", terminate_both, 5),
    Fault("F8", "two SIGTERMs, 1 s apart", terminate_twice, 5),
    Fault("F47", "kill -9 of a scheduler", kill_scheduler, 6),
    Fault("F49", "SIGSTOP of a scheduler, up to 3 leases", freeze_scheduler, 6, "scheduler"),
)
