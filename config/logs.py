"""Log lines that stay one line, whatever a record's key or an error text holds."""

import logging
from copy import copy

FAULTS = 500  # from this status on it is the program's fault, not the request's

# Line breaks and terminal escapes in foreign text must not forge or hide a line.
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}
_CONTROL |= {ord("\n"): "\\n", ord("\t"): " ", 0x2028: "\\u2028", 0x2029: "\\u2029"}


class OneLineFormatter(logging.Formatter):
    """Formats a log record as one line without control characters.

    With its trace, but for a page that was refused: that is no fault of the program.
    """

    def format(self, record: logging.LogRecord) -> str:
        if getattr(record, "status_code", FAULTS) < FAULTS:
            record = copy(record)
            record.exc_info = record.exc_text = None
        # libpq ends its errors with a line break.
        return super().format(record).rstrip().translate(_CONTROL)


def build_logging(level: str) -> dict[str, object]:
    """Django's LOGGING: everything at `level` and above goes to stderr.

    But httpx tells each call, which handlers make for each record, and with it what its address
    says: only at DEBUG.
    """
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "one_line": {
                "()": "config.logs.OneLineFormatter",
                "format": "%(asctime)s %(levelname)s %(name)s[%(process)d] %(message)s",
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "one_line"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Django's own handlers would write each line a second time, or mail it.
            "django": {"handlers": [], "level": level, "propagate": True},
            "django.server": {"handlers": [], "level": level, "propagate": True},
            "httpx": {"level": "WARNING" if level == "INFO" else level},
            # rq-scheduler adds a handler of its own unless it finds one here.
            "rq_scheduler.scheduler": {"handlers": ["stderr"], "propagate": False},
        },
    }
