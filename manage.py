#!/usr/bin/env python
"""Magnet's command line."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "magnet.settings")
    from magnet.processes.start_up import prepare, without_tables_explained

    prepare(sys.argv)
    from django.core.management import execute_from_command_line

    with without_tables_explained():
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
