"""What a valid definition is: the one home of it, for the admin's form, the API and the command.

`clean` turns a definition (JSON) into column values of a Processor, `dump` turns a Processor
back into the same JSON.
"""

from processors.definitions.cleaning import clean
from processors.definitions.dumping import dump
from processors.definitions.findings import InvalidDefinition

__all__ = ["InvalidDefinition", "clean", "dump"]
