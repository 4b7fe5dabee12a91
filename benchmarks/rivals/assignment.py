"""What a rival's process is told, in one environment variable."""

import json
import os
from dataclasses import asdict, dataclass

from benchmarks.labour import Labour

VARIABLE = "BENCHMARK_ASSIGNMENT"


@dataclass(frozen=True)
class Assignment:
    """The database, what to do with a record, and how to commit.

    `commit_each`: the bare loop finishes each row by a commit of its own.
    """

    database_url: str
    redis_url: str
    labour: str = "noop"
    trace: str = ""
    commit_each: bool = False
    prefetch: int = 4

    def in_environment(self) -> dict[str, str]:
        return {VARIABLE: json.dumps(asdict(self))}

    @classmethod
    def of_process(cls) -> "Assignment":
        """What this process was told."""
        return cls(**json.loads(os.environ[VARIABLE]))

    def do(self, key: int, text: str) -> str:
        return Labour(self.labour, self.trace).do(key, text)
