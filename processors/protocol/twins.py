"""A database that was copied must not run what its original runs as well.

The same records would be handled twice, under the same idempotency keys. So nothing begins in a
database that is not where it was made, until a person has said which of the two it is.
"""

import logging

from django.utils.translation import gettext_lazy

from processors.models import Installation
from processors.models.installation import home_of_database

logger = logging.getLogger(__name__)

SENTENCE = gettext_lazy(
    "This database is a copy of another one, or was moved: nothing runs here until somebody says "
    "which. Use `manage.py doctor --moved` where the original is gone for good, or `manage.py "
    "doctor --copy` where it goes on."
)


class Said:
    """Whether the log of this process has it: ticks come every second."""

    once = False


def is_barred(home: str | None = None) -> bool:
    """Whether nothing may begin here; costs a query where `home` is not known yet."""
    home = Installation.known_home() if home is None else home
    barred = home not in ("", home_of_database())
    if barred and not Said.once:
        Said.once = True
        logger.error(str(SENTENCE))
    return barred
