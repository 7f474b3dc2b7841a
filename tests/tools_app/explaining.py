"""An office with a tool that answers about it, asked and explained."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from knowledge import sync, uploads
from knowledge.models import KnowledgeSource
from knowledge.uploads import PushedDocument
from magnet import tracing
from magnet.database import forget_configuration, in_database
from magnet.default_prompts import ensure_default_prompts
from tests import factories
from tools_app import rag
from tools_app.explain import explain
from tools_app.models import RagTool

DOCUMENTS = {
    "opening": "# Opening hours\n\nThe office in Riga opens at nine and closes at five.",
    "parking": "# Parking\n\nVisitors park their cars behind the building, next to the bakery.",
    "pets": "# Pets\n\nDogs are welcome on Fridays. Cats stay at home.",
}
QUESTION = "When does the office in Riga open?"


def office() -> KnowledgeSource:
    ensure_default_prompts()
    made = factories.source("office")
    hand_in(made, **DOCUMENTS)
    return made


def hand_in(to: KnowledgeSource, **texts: str) -> None:
    """Documents whose title is their first heading, as if a file had said it."""
    documents = [
        PushedDocument(remote_id=key, title=text.splitlines()[0].removeprefix("# "), text=text)
        for key, text in texts.items()
    ]
    index(to, documents)


def index(to: KnowledgeSource, documents: list[PushedDocument]) -> None:
    run = uploads.push(to, documents).run
    assert run is not None
    sync.run_to_end(run)


def tool_of(source: KnowledgeSource) -> RagTool:
    settings = {"sources": [source], "minimum_score": 0}
    made: RagTool = RagTool.objects.create_live(slug="office", name="Ask the office", settings=settings)
    return made


async def asked(question: str = QUESTION, **changes: Any) -> UUID:
    """Ask with these settings; the id of the trace, which is written."""

    def publish() -> None:
        tool = RagTool.objects.get(slug="office")
        tool.edit(changes)
        tool.publish()

    if changes:
        await in_database(publish)
    forget_configuration()
    answer = await rag.answer(await rag.load("office"), question)
    await in_database(tracing.flush)
    return answer.trace_id


async def why(trace_id: UUID, document: str) -> Any:
    return await explain(trace_id, document)


def fact(explanation: Any, name: str) -> str:
    return dict(explanation.facts)[name]
