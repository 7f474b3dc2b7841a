"""`manage.py export rag-tools/handbook -o handbook.yaml`: configuration as a file, without secrets."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from magnet import transfer
from magnet.errors import MagnetError


class Command(BaseCommand):
    help = "Write objects with everything that they depend on as YAML, to standard output or a file."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("objects", nargs="*", metavar="kind/slug", help=f"kinds: {', '.join(transfer.KINDS)}")
        parser.add_argument("--all", action="store_true", help="everything that can be moved")
        parser.add_argument("--no-dependencies", action="store_true", help="only what is named")
        parser.add_argument(
            "--without",
            action="append",
            default=[],
            metavar="WHAT",
            help="a kind or kind/slug to leave out",
        )
        parser.add_argument("-o", "--output", metavar="FILE", help="where to write; without it, standard output")

    def handle(self, *args: Any, objects: list[str], output: str | None, **options: Any) -> None:
        if bool(objects) == options["all"]:
            raise CommandError("Name objects such as rag-tools/handbook, or give --all.")
        try:
            chosen = transfer.everything() if options["all"] else [transfer.reference(each) for each in objects]
            document = transfer.export(
                chosen, with_dependencies=not options["no_dependencies"], without=options["without"]
            )
        except MagnetError as error:
            raise CommandError(error.detail) from error
        if output is None:
            self.stdout.write(document, ending="")
            return
        try:
            Path(output).write_text(document, encoding="utf-8")
        except OSError as error:
            raise CommandError(f"{output} cannot be written: {error.strerror}.") from error
