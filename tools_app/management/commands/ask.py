"""`manage.py ask SLUG "question"`: asks a RAG tool in the terminal, by the code path of the API."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from magnet import gateway
from magnet.callers import Caller, acting_as
from magnet.database import close_raw_pool
from magnet.errors import MagnetError
from magnet.templatetags.magnet_admin import money
from magnet.tracing import flush
from tools_app import rag
from tools_app.answers import place_of

CALLER = Caller(label="Command line", scopes=frozenset({"all"}))


class Command(BaseCommand):
    help = "Ask a RAG tool. The answer is written as it comes, then the passages it rests on."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        # Django's own --version gives way to the tool's.
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="the RAG tool")
        parser.add_argument("question")
        parser.add_argument("--json", action="store_true", dest="as_json", help="the whole answer, as the API gives it")
        parser.add_argument("--version", type=int, metavar="N", dest="number", help="another version than the live one")

    def handle(self, *args: Any, slug: str, question: str, as_json: bool, number: int | None, **options: Any) -> None:
        try:
            with acting_as(CALLER):
                gateway.run_from_sync(self.ask(slug, question, number=number, as_json=as_json))
        except MagnetError as error:
            raise CommandError(error.detail) from error
        except KeyboardInterrupt:
            raise CommandError("Stopped.", returncode=130) from None
        finally:
            flush()

    async def ask(self, slug: str, question: str, *, number: int | None, as_json: bool) -> None:
        try:
            tool = await rag.load(slug, version=number)
            if as_json:
                whole = rag.as_json(await rag.answer(tool, question))
                self.stdout.write(json.dumps(whole, ensure_ascii=False, indent=2))
            else:
                await self.write(tool, question)
        finally:
            await close_raw_pool()
            await gateway.close_all()

    async def write(self, tool: rag.LoadedTool, question: str) -> None:
        async with aclosing(rag.stream(tool, question)) as events:
            async for event in events:
                if event.name == "text":
                    self.stdout.write(event.data["text"], ending="")
                    self.stdout.flush()
                elif event.name == "completed":
                    self.stdout.write("\n")
                    self.write_end(event.data)

    def write_end(self, whole: dict[str, Any]) -> None:
        self.write_sources(whole["passages"])
        if whole["is_extractive"] and whole["found"]:
            self.stdout.write(f"{rag.EXTRACTIVE_NOTICE} Set OPENAI_API_KEY for written answers.")
        self.stdout.write(
            f"{whole['tool']} version {whole['version']} · {whole['model']} · {whole['duration_ms']:,.0f} ms · "
            f"{money(whole['cost'])} · trace {whole['trace_id']}"
        )

    def write_sources(self, passages: Sequence[dict[str, Any]]) -> None:
        cited = [passage for passage in passages if passage["is_cited"]]
        if passages:
            self.stdout.write("\nSources" if cited else "\nNothing was cited. These passages were read:")
        for passage in cited or passages:
            self.stdout.write(f"  [{passage['number']}] {place(passage)}")
        if passages:
            self.stdout.write("")


def place(passage: dict[str, Any]) -> str:
    """Where a passage stands, and its address."""
    document = passage["document"]
    title = document["title"] or document["remote_id"]
    return ", ".join(
        filter(None, (place_of(title=title, heading=passage["heading"], page=passage["page"]), document["url"]))
    )
