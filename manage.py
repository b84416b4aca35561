#!/usr/bin/env python3
"""Run a management command."""

import os
import sys

from config import embedded


def main() -> None:
    embedded.started_by_manage = True
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        from django.core.management import execute_from_command_line
    except ImportError:
        sys.exit("Django is not installed here: pip install --require-hashes -r requirements.txt")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
