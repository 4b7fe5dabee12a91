#!/usr/bin/env python
"""Django's command line: `python manage.py help` lists the commands."""

import os
import sys

from django.core.management import execute_from_command_line

from config.environment import BadSetting


def main() -> None:
    """Run the command; a bad setting is one line, not a trace: it is the operator's to mend."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        execute_from_command_line(sys.argv)
    except BadSetting as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
