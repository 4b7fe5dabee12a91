"""The operator's verbs: one function each, used by the admin, the commands and whatever follows.

Each is an act in the frame of `acts`, with the same right. Nothing that is in hand is taken from
its worker: that is `force_stop`.
"""

from processors.control.conditions import LONGEST_PAUSE, OPERATE
from processors.control.once import CHANGE, begun_words, run_once
from processors.control.pauses import pause, resume
from processors.control.switching import clear_fault, start, stop

__all__ = [
    "CHANGE",
    "LONGEST_PAUSE",
    "OPERATE",
    "begun_words",
    "clear_fault",
    "pause",
    "resume",
    "run_once",
    "start",
    "stop",
]
