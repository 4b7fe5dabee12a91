"""The doctor: what is wrong with an installation, where, and how to mend it.

`examine` asks everything it can: where the database is away, what depends on it is left out.
"""

from processors.diagnosis.examining import examine, mend
from processors.diagnosis.finding import Finding, Level

__all__ = ["Finding", "Level", "examine", "mend"]
