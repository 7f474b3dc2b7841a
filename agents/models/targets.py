"""What an action may name: tools of every kind, other agents, and workflows, each by kind and slug."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import models
from django.utils.translation import gettext_lazy as _

from agents.workflows import WORKFLOWS

AGENT, WORKFLOW = "agent", "workflow"
# Tables by name: one of them is the table of agents itself.
TABLES = {
    "rag": "tools_app.RagTool",
    "retrieval": "tools_app.RetrievalTool",
    "prompt": "magnet.PromptTemplate",
    "api": "tools_app.ApiTool",
    "mcp": "tools_app.McpTool",
    AGENT: "agents.Agent",
}
LABELS: dict[str, Any] = {
    "rag": _("RAG tool"),
    "retrieval": _("Retrieval tool"),
    "prompt": _("Prompt template"),
    "api": _("API tool"),
    "mcp": _("MCP tool"),
    AGENT: _("Agent"),
    WORKFLOW: _("Workflow"),
}


@dataclass(frozen=True)
class Target:
    """One thing that an action may name, as people know it. `row` is None for what has no table."""

    kind: str
    slug: str
    name: str
    description: str
    row: models.Model | None = None

    @property
    def value(self) -> str:
        """Both names in one, for forms: no kind has a colon."""
        return f"{self.kind}:{self.slug}"

    @property
    def label(self) -> str:
        return str(LABELS.get(self.kind, self.kind))


def find(kind: str, slug: str) -> Target | None:
    if "\0" in slug:
        return None
    if kind == WORKFLOW:
        return next((target for target in _workflows() if target.slug == slug), None)
    if kind not in TABLES:
        return None
    row = _rows(kind, slug).first()
    return None if row is None else _target(kind, row)


def offered() -> list[Target]:
    """All that there is, by kind and name."""
    stored = [_target(kind, row) for kind in TABLES for row in _table(kind).order_by("name")]
    return [*stored, *_workflows()]


def names_of(row: models.Model) -> tuple[str, str] | None:
    """Kind and slug by which an action would name this row; None where actions name no such rows."""
    kind = next((kind for kind, table in TABLES.items() if row._meta.label == table), None)
    return None if kind is None else (kind, _slug(row))


# -- By table ------------------------------------------------------------------------------------------------------


def _table(kind: str) -> models.QuerySet[Any]:
    rows: models.QuerySet[Any] = apps.get_model(TABLES[kind])._default_manager.all()
    return rows.select_related("server") if kind == "mcp" else rows


def _rows(kind: str, slug: str) -> models.QuerySet[Any]:
    if kind == "mcp":
        server, _slash, tool = slug.partition("/")
        return _table(kind).filter(server__slug=server, slug=tool)
    return _table(kind).filter(slug=slug)


def _target(kind: str, row: Any) -> Target:
    name = getattr(row, "title", "") or row.name
    return Target(kind, _slug(row), name, row.description, row)


def _slug(row: Any) -> str:
    return str(getattr(row, "full_slug", row.slug))


def _workflows() -> Iterator[Target]:
    for slug, workflow in sorted(WORKFLOWS.items()):
        yield Target(WORKFLOW, slug, str(workflow.label), str(workflow.description))
