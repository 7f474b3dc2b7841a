"""`manage.py restore FILE`: a Magnet as it was when it was backed up."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from magnet.backup import restoring
from magnet.errors import MagnetError
from magnet.postgres.database_check import check_database


class Command(BaseCommand):
    help = "Put a backup into an empty Magnet. It is proven first; what cannot be restored changes nothing."
    # The tables are those of the backup, or none.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="what `manage.py backup` has written")
        parser.add_argument("--replace", action="store_true", help="throw away what this Magnet holds")
        parser.add_argument(
            "--keys-are-lost", action="store_true", help="restore although stored secrets cannot be read any more"
        )

    def handle(self, *args: Any, file: Path, replace: bool, keys_are_lost: bool, **options: Any) -> None:
        try:
            check_database()
            restored = restoring.restore(file.absolute(), replace=replace, keys_are_lost=keys_are_lost)
        except MagnetError as error:
            raise CommandError(str(error)) from error
        made_at = restored.manifest.made_at
        self.stdout.write(
            f"Restored {len(restored.manifest.tables)} tables and {restored.files} files as of "
            f"{made_at:%Y-%m-%d %H:%M} UTC. Start Magnet; large sources get their vector indexes back by themselves."
        )
