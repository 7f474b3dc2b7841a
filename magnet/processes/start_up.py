"""What happens before Django loads: the process takes its role, and the database is there."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from django.core.exceptions import ImproperlyConfigured

from magnet.errors import MagnetError
from magnet.postgres.embedded_postgres import attach_for_command


def prepare(argv: Sequence[str]) -> None:
    """Make the process ready for the command of manage.py; ends it with one sentence where it cannot run."""
    take_role(argv)
    try:
        attach_for_command(argv)
    except (ImproperlyConfigured, MagnetError) as error:
        sys.exit(str(error))


def take_role(argv: Sequence[str]) -> None:
    """Settings and django-q2 read these two variables while they are imported, and never again."""
    command = argv[1] if len(argv) > 1 else ""
    if command == "web":
        os.environ["MAGNET_ROLE"] = "web"
    if command == "work":
        os.environ["MAGNET_ROLE"] = "worker"
        os.environ["Q_CLUSTER_NAME"] = option(argv, "--cluster") or "fast"


def option(argv: Sequence[str], name: str) -> str:
    """The value of an option given as `--name value` or `--name=value`."""
    for position, argument in enumerate(argv):
        if argument == name and position + 1 < len(argv):
            return argv[position + 1]
        if argument.startswith(f"{name}="):
            return argument.partition("=")[2]
    return ""
