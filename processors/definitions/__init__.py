"""What a valid definition is: the one home of it, for the admin's form, the API and the command.

`clean` turns a definition (JSON) into column values of a Processor, `dump` turns a Processor
back into the same JSON; `digest` names what it says, `differences` compares two, `clean_limits`
judges limits alone, `other_options` those of a handler for one run.
"""

from processors.definitions.cleaning import clean
from processors.definitions.differences import Difference, difference_words, differences
from processors.definitions.dumping import digest, dump
from processors.definitions.findings import InvalidDefinition
from processors.definitions.one_run import options_changed, other_options
from processors.definitions.tuning import clean_limits, limits_of, tunable

__all__ = [
    "Difference",
    "InvalidDefinition",
    "clean",
    "clean_limits",
    "difference_words",
    "differences",
    "digest",
    "dump",
    "limits_of",
    "options_changed",
    "other_options",
    "tunable",
]
