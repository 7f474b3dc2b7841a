"""`manage.py sync_vectors`: keeps the store of VECTOR_DB_TYPE as PostgreSQL is, steadily or once."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

import structlog
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError, connection

from knowledge import vector_copies, vectors
from magnet.errors import VectorStoreUnavailable
from magnet.processes import lifeline

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
# All chunks of a copy are compared when the process starts, and then this often.
COMPARE_SECONDS = 24 * 3_600


class Command(BaseCommand):
    help = "Copy vectors to the store that VECTOR_DB_TYPE names, and keep the copies as PostgreSQL is."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="look once, and end when all is copied")
        parser.add_argument("--rebuild", action="store_true", help="copy everything anew, once")
        parser.add_argument("--check", action="store_true", help="compare the copies with PostgreSQL and mend them")
        parser.add_argument("--parent", type=int, help="end when this process is gone")

    def handle(self, *, once: bool, rebuild: bool, check: bool, parent: int | None, **options: Any) -> None:
        if parent is not None:
            lifeline.end_with(parent)
        if not vectors.is_external():
            vector_copies.switch_off()
            self.stdout.write("Vectors are searched in PostgreSQL itself: there is nothing to copy.")
        elif once or rebuild or check:
            self.do_once(rebuild=rebuild, check=check)
        else:
            keep_up()

    def do_once(self, *, rebuild: bool, check: bool) -> None:
        if rebuild:
            vector_copies.rebuild()
        try:
            self.stdout.write(f"Vectors looked at: {vector_copies.maintain():,}")
            for found in vector_copies.compare(mend=True) if check else ():
                self.stdout.write(
                    f"Index {found.index_id}: {found.held:,} held, {found.lacking:,} lacking and "
                    f"{found.superfluous:,} superfluous, which were mended."
                )
        except VectorStoreUnavailable as error:
            raise CommandError(str(error)) from error


def keep_up() -> None:
    """Until the process ends; a store that is away is asked less and less often."""
    pause, compare_at = LOOK_SECONDS, 0.0
    while True:
        is_thorough = time.monotonic() >= compare_at
        is_well = look(is_thorough=is_thorough)
        if is_well and is_thorough:
            compare_at = time.monotonic() + COMPARE_SECONDS
        pause = LOOK_SECONDS if is_well else min(2 * pause, LONGEST_PAUSE_SECONDS)
        time.sleep(pause)


def look(*, is_thorough: bool) -> bool:
    """Whether it went well. The database or the store may be starting again: that is no reason to end."""
    try:
        vector_copies.maintain()
        if is_thorough:
            vector_copies.compare(mend=True)
    except (DatabaseError, InterfaceError, VectorStoreUnavailable) as error:
        log.warning("vectors_not_copied", reason=str(error))
        return False
    finally:
        connection.close()
    return True
