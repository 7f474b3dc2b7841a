"""`manage.py backup FILE`: the whole of Magnet, database and files, in one file."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.template.defaultfilters import filesizeformat

from magnet.backup import saving
from magnet.errors import MagnetError


class Command(BaseCommand):
    help = "Save database and files in one file, while Magnet works. The encryption keys are not in it: keep them too."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="where to write it, such as magnet.tar.gz")

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        try:
            saved = saving.save(file.absolute())
        except MagnetError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"Saved {saved.tables} tables and {saved.files} files in {file} ({filesizeformat(saved.size)})."
        )
        if saved.vanished:
            self.stdout.write(f"{saved.vanished} files were deleted meanwhile, together with their documents.")
        self.stdout.write(f"Keep the encryption keys too, in another place: {where_the_keys_are()}.")


def where_the_keys_are() -> str:
    path = settings.DATA_DIR / "encryption_keys"
    return f"MAGNET_ENCRYPTION_KEYS, or here the file {path}" if path.exists() else "MAGNET_ENCRYPTION_KEYS"
