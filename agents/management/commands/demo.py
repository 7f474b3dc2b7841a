"""`manage.py demo`: seeds providers, prompts, groups and the handbook; what was seeded once does not come back."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from agents import demo as demo_agent
from knowledge.models import SyncRun
from magnet.tracing import flush
from tools_app import demo


class Command(BaseCommand):
    help = "Make what a new installation needs, and the demo: the handbook as a source and as a RAG tool, and an agent."

    def handle(self, *args: Any, verbosity: int, **options: Any) -> None:
        run = demo.seed()
        demo_agent.seed()
        flush()
        if run is None:
            self.say("The demo was seeded before. What was deleted since stays deleted.", verbosity)
        elif run.status == SyncRun.Status.FAILED:
            # Not an error of this command: everything else is there, and the admin shows the same sentence.
            self.stderr.write(f"The demo is there, but its handbook could not be read: {run.error}")
        else:
            self.say(f"The demo is ready. Try: python manage.py ask {demo.SLUG} “What is Magnet?”", verbosity)

    def say(self, sentence: str, verbosity: int) -> None:
        if verbosity > 0:
            self.stdout.write(sentence)
