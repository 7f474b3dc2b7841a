"""`manage.py import handbook.yaml`: take configuration in, all of it or nothing; exit status 1 when it cannot be."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from magnet import transfer
from magnet.errors import MagnetError

MOST_OF_A_VALUE = 60


class Command(BaseCommand):
    help = "Take in what `export` wrote: say what would change, then change all of it, or nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="the file, or - for standard input")
        parser.add_argument("--dry-run", action="store_true", help="only say what would change")
        parser.add_argument("--publish", action="store_true", help="publish what comes in; without it, drafts are made")

    def handle(self, *args: Any, file: str, dry_run: bool, publish: bool, **options: Any) -> None:
        try:
            objects = transfer.read(content_of(file))
            plan = transfer.plan(objects, publish=publish)
            self.tell(plan)
            if not plan.is_possible:
                self.stderr.write("Nothing is imported.")
                sys.exit(1)
            if dry_run:
                return
            transfer.apply(objects, publish=publish, seen=plan.fingerprint)
        except MagnetError as error:
            raise CommandError(error.detail) from error
        self.stdout.write("Imported." if plan.changes_something else "There was nothing to change.")

    def tell(self, plan: transfer.Plan) -> None:
        for step in plan.steps:
            self.stdout.write(f"{step.state:<10} {step.reference}")
            if step.state == "change":
                for change in step.changes:
                    self.stdout.write(f"  {change.field}: {short(change.before)} → {short(change.after)}")
            for reference in step.missing:
                self.stdout.write(f"  needs {reference}, which is neither here nor in the file")
            for sentence in (step.reason, *step.notes):
                if sentence:
                    self.stdout.write(f"  {sentence}")
        self.stdout.write(f"{plan.in_words}.")
        for sentence in plan.to_do:
            self.stdout.write(f"To do afterwards: {sentence}")


def content_of(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read(transfer.MAX_BYTES + 1) if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}.") from error


def short(value: str) -> str:
    line = " ".join(value.split())
    return f"“{line[:MOST_OF_A_VALUE]}…”" if len(line) > MOST_OF_A_VALUE else f"“{line}”"
