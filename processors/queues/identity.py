"""How a process that holds records is called, in leases and in the history."""

import os
import socket


class Identity:
    """The name of the worker that this process belongs to; set in each of its children."""

    worker = "shell"


def owner_name(worker_name: str, pid: int) -> str:
    """`host:pid:worker`; the worker's random name tells two lives of one pid apart."""
    return f"{socket.gethostname()}:{pid}:{worker_name[:8]}"[:200]


def own_name() -> str:
    """This process's."""
    return owner_name(Identity.worker, os.getpid())
