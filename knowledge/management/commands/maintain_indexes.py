"""`manage.py maintain_indexes`: builds the vector indexes of large generations, which takes longer than a task may."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

import structlog
from django.core.management.base import BaseCommand
from django.db import DatabaseError, InterfaceError, connection

from knowledge import hnsw, vector_copies, vectors
from magnet.processes import lifeline

log = structlog.get_logger(__name__)

LOOK_SECONDS = 15.0


class Command(BaseCommand):
    help = "Build the vector indexes that large knowledge sources need, and drop those of retired generations."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="look once, and end when all is built")
        parser.add_argument("--parent", type=int, help="end when this process is gone")

    def handle(self, *args: Any, once: bool, parent: int | None, **options: Any) -> None:
        if parent is not None:
            lifeline.end_with(parent)
        if once:
            self.stdout.write(f"Vector indexes built or dropped: {hnsw.maintain()}")
            return
        while True:
            look()
            time.sleep(LOOK_SECONDS)


def look() -> None:
    """The database may be starting again: that is no reason to end."""
    try:
        hnsw.maintain()
        if not vectors.is_external():
            vector_copies.switch_off()
    except (DatabaseError, InterfaceError) as error:
        log.warning("indexes_not_maintained", reason=str(error))
    finally:
        connection.close()
