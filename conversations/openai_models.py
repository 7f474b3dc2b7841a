"""The list of what an OpenAI client may name as its `model`: whatever its key may ask, by the names that it uses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agents.models import Agent
from magnet.callers import Caller
from magnet.errors import NotFound
from magnet.models import AIModel, PromptTemplate
from tools_app.models import RagTool

VERSIONED: tuple[tuple[str, str, Any], ...] = (
    ("agent", "agents:run", Agent),
    ("rag", "rag-tools:run", RagTool),
    ("prompt", "prompt-templates:run", PromptTemplate),
)


def listed(caller: Caller) -> list[dict[str, Any]]:
    return [*_versioned(caller), *_models(caller)]


def one(caller: Caller, *, name: str) -> dict[str, Any]:
    """Raises NotFound, also for what the caller may not ask."""
    found = next((model for model in listed(caller) if model["id"] == name), None)
    if found is None:
        raise NotFound(f"There is no model “{name}” for this key. GET /v1/models lists what it can ask.")
    return found


def _versioned(caller: Caller) -> Iterator[dict[str, Any]]:
    for kind, scope, model in VERSIONED:
        if caller.may(scope):
            rows = model.objects.filter(live__isnull=False).order_by("slug")
            yield from (_shown(f"{kind}/{row.slug}", row) for row in rows.only("slug", "name", "created_at"))


def _models(caller: Caller) -> Iterator[dict[str, Any]]:
    if not caller.may("models:run"):
        return
    for row in AIModel.objects.for_use().exclude(purpose=AIModel.Purpose.RERANK).order_by("purpose", "slug"):
        if row.can_write or row.purpose == AIModel.Purpose.EMBEDDING:
            yield _shown(row.slug, row, owner=row.provider.slug)


def _shown(name: str, row: Any, *, owner: str = "magnet") -> dict[str, Any]:
    """`name` beside OpenAI's own fields is how people call it."""
    created = int(row.created_at.timestamp())
    return {"id": name, "object": "model", "created": created, "owned_by": owner, "name": row.name}
