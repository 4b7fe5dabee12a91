"""The protocol once more, in plain Python: what should happen, without SQL, locks or tokens.

Every act has the name it has in `world`, and answers what the real one should answer. Written
from docs/safety.md and docs/states.md, and meant to be read beside them: a processor's records,
its cycles, its batches, what is taken back from lost workers, and what operators do.
"""

from tests.model.reference.operators import Reference
from tests.model.reference.things import LEASE, PAUSE, Hand, Shape

__all__ = ["LEASE", "PAUSE", "Hand", "Reference", "Shape"]
