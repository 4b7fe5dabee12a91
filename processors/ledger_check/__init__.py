"""What must always be true of our tables and of the user's: asked, not assumed.

`check` asks every question in one snapshot of the database, so it may run at any time beside
working workers. Names I1, I4… are those of the test plan; each question is a function that
returns the rows that answer it wrongly. What no table can tell (effects outside, clicks, Redis,
process deaths: I2, I3, I12, I13, I16, I17) is the tests' and the doctor's business.
"""

from processors.ledger_check.asking import Breach, Question, check
from processors.ledger_check.questions import AT_REST, QUESTIONS

__all__ = ["AT_REST", "QUESTIONS", "Breach", "Question", "check"]
