"""`manage.py calibrate MODEL`: measures what the scores of an embedding model mean on the indexed documents."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from knowledge import calibration
from knowledge.calibration import PAIRS, Measured
from magnet.errors import MagnetError
from magnet.models import AIModel


class Command(BaseCommand):
    help = "Measure which cosines of an embedding model mean “unrelated” and “fits”; with --save, score by them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("model", help="the slug of the embedding model")
        parser.add_argument("--save", action="store_true", help="score by what was measured, at once")

    def handle(self, *, model: str, save: bool, **options: Any) -> None:
        row = AIModel.objects.for_use().filter(slug=model).first()
        if row is None:
            raise CommandError(f"There is no active model “{model}”.")
        try:
            proposal = calibration.propose(self.measured(row))
            self.stdout.write(proposal.sentence)
            if save:
                calibration.save(row, floor=proposal.floor, ceiling=proposal.ceiling)
        except MagnetError as error:
            raise CommandError(error.detail) from error
        self.stdout.write("Saved." if save else "Nothing is changed; --save scores by it.")

    def measured(self, model: AIModel) -> Measured:
        found = Measured()
        while not found.is_enough:
            part = calibration.measure(model)
            found = found.and_(part)
            self.stdout.write(f"{len(found.unrelated)} of {PAIRS} pairs")
            if part.is_all:
                break
        return found
