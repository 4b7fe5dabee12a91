"""Redis that forgets, restarts, hangs, is full, or is behind a bad network."""

import signal

from tests.chaos.crew import send
from tests.chaos.scene import Fault, Healing, NotNow, Scene

DEFAULT_QUEUE = "rq:queue:default"


def flush(scene: Scene) -> None:
    scene.ask_redis("FLUSHALL")


def lose_wake_ups(scene: Scene) -> None:
    scene.ask_redis("DEL", DEFAULT_QUEUE)


def restart(scene: Scene) -> Healing:
    server = scene.site.redis
    scene.rng.choice([server.stop, server.kill])()
    return Healing(server.start, scene.rng.uniform(0.2, 5))


def hang(scene: Scene) -> Healing:
    seconds = scene.rng.uniform(1, 6)
    scene.ask_redis("CLIENT", "PAUSE", int(seconds * 1000), "ALL")
    return Healing(lambda: None, seconds)


def freeze(scene: Scene) -> Healing:
    """SIGSTOP: the kernel goes on taking connections."""
    process = scene.site.redis.process
    if process is None:
        raise NotNow
    send(process.pid, signal.SIGSTOP)
    return Healing(lambda: send(process.pid, signal.SIGCONT), scene.rng.uniform(1, 8))


def kill_clients(scene: Scene) -> None:
    """Every session ended by the server, and the scripts it knew forgotten."""
    scene.ask_redis("SCRIPT", "FLUSH")
    scene.ask_redis("CLIENT", "KILL", "TYPE", "normal")
    scene.ask_redis("CLIENT", "KILL", "TYPE", "pubsub")


def fill(scene: Scene) -> Healing:
    scene.ask_redis("CONFIG", "SET", "maxmemory", "1mb")
    heal = lambda: scene.ask_redis("CONFIG", "SET", "maxmemory", "0")  # noqa: E731
    return Healing(heal, scene.rng.uniform(1, 5))


def push_foreign_job(scene: Scene) -> None:
    name = f"foreign-{scene.rng.randrange(10**9)}"
    scene.ask_redis("HSET", f"rq:job:{name}", "data", b"\x80\x04N.", "origin", "default")
    scene.ask_redis("RPUSH", DEFAULT_QUEUE, name)


def cut(scene: Scene) -> None:
    scene.site.redis_line.cut()


def silence(scene: Scene) -> Healing:
    scene.site.redis_line.weather.is_silent = True
    return clear_up(scene)


def refuse(scene: Scene) -> Healing:
    scene.site.redis_line.weather.is_refusing = True
    scene.site.redis_line.cut()
    return clear_up(scene)


def clear_up(scene: Scene) -> Healing:
    """Good weather again in a few seconds."""
    return Healing(scene.site.redis_line.clear_up, scene.rng.uniform(0.5, 8))


FAULTS = (
    Fault("F22", "FLUSHALL", flush),
    Fault("F30", "all wake-ups lost", lose_wake_ups, 5),
    Fault("F21", "Redis restarted or killed, away up to 5 s", restart, 8, "redis"),
    Fault("F24", "Redis hangs up to 6 s", hang, 6, "redis"),
    Fault("F24", "SIGSTOP of Redis up to 8 s", freeze, 5, "redis"),
    Fault("F78", "every session of Redis killed, scripts forgotten", kill_clients, 5),
    Fault("F25", "Redis out of memory up to 5 s", fill, 5, "redis"),
    Fault("F28", "a foreign job in our queue", push_foreign_job, 3),
    Fault("F78", "connections to Redis cut", cut, 6),
    Fault("F24", "network to Redis half-open up to 8 s", silence, 6, "redis"),
    Fault("F78", "network to Redis refuses up to 8 s", refuse, 6, "redis"),
)
