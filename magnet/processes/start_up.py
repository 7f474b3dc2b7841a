"""What happens before Django loads: the process takes its role, and the database is there."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg
from django.core.exceptions import ImproperlyConfigured
from django.db import ProgrammingError

from magnet.errors import MagnetError
from magnet.postgres.embedded_postgres import attach_for_command
from magnet.postgres.postgres_place import no_magnet

# Commands that ask something of a Magnet that was started before.
GUESTS = {
    "ask",
    "sync",
    "create_api_key",
    "demo",
    "maintain_indexes",
    "sync_vectors",
    "createsuperuser",
    "changepassword",
    "backup",
}


def prepare(argv: Sequence[str]) -> None:
    """Make the process ready for the command of manage.py; ends it with one sentence where it cannot run."""
    take_role(argv)
    try:
        attach_for_command(argv, meanwhile=begin_web if is_start(argv) else None)
    except (ImproperlyConfigured, MagnetError) as error:
        sys.exit(str(error))


def is_start(argv: Sequence[str]) -> bool:
    return argv[1:2] == ["start"] and not {"--help", "-h"} & set(argv)


def begin_web() -> None:
    """Let the web load from now on, while this process waits for the database and loads as well."""
    from django.core.management.base import CommandError

    from magnet.processes import early_web

    try:
        early_web.begin()
    except CommandError as error:
        sys.exit(str(error))


@contextmanager
def without_tables_explained() -> Iterator[None]:
    """Around the command: a database that was never migrated is told in a sentence."""
    try:
        yield
    except (ProgrammingError, psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
        if os.environ.get("MAGNET_ROLE") != "guest":
            raise
        if lacks(error, psycopg.errors.UndefinedColumn):
            sys.exit("The database is that of an older Magnet. Run `manage.py migrate`, or start Magnet once.")
        if not lacks(error, psycopg.errors.UndefinedTable):
            raise
        from magnet import settings

        if settings.IS_EMBEDDED:
            sys.exit(no_magnet(settings.DATA_DIR))
        sys.exit("The database of DATABASE_URL lacks tables of Magnet. Run `manage.py migrate` and `manage.py demo`.")


def lacks(error: Exception, what: type[psycopg.Error]) -> bool:
    return isinstance(error, what) or isinstance(error.__cause__, what)


def take_role(argv: Sequence[str]) -> None:
    """Settings and django-q2 read these two variables while they are imported, and never again."""
    command = argv[1] if len(argv) > 1 else ""
    if command == "web":
        os.environ["MAGNET_ROLE"] = "web"
    if command in GUESTS and not {"--help", "-h"} & set(argv):
        os.environ["MAGNET_ROLE"] = "guest"
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
