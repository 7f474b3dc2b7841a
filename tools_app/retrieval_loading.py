"""What finding passages needs to know of a tool, read once and kept; and retrieval tools as they are used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from knowledge.models import KnowledgeIndex
from magnet import prompts
from magnet.database import cached
from magnet.errors import NotConfigured, NotFound
from magnet.models import AIModel
from tools_app.models import RetrievalTool, RetrievalToolVersion


@dataclass(frozen=True)
class LoadedRetrieval:
    """The retrieval settings of a version of a tool, with what they refer to; whatever is optional is off.

    `model` is the tool's own, which is asked where a prompt template of a stage names none.
    """

    sources: tuple[str, ...]
    search_mode: Any = "hybrid"
    passage_count: int = 5
    context_tokens: int = 2_000
    minimum_score: float = 0.0
    rewrites_question: bool = False
    query_count: int = 1
    translates_question: bool = False
    fixed_filter: Mapping[str, Any] = field(default_factory=dict)
    filter_fields: tuple[str, ...] = ()
    source_boosts: Mapping[str, float] = field(default_factory=dict)
    half_life_days: int | None = None
    freshness_field: str = ""
    most_per_document: int | None = None
    rerank_model: AIModel | None = None
    rerank_candidates: int = 30
    rerank_top_n: int | None = None
    neighbour_count: int = 0
    neighbour_tokens: int = 1_000
    model: AIModel | None = None

    @property
    def is_boosted(self) -> bool:
        return bool(self.half_life_days) or any(self.source_boosts.get(source) for source in self.sources)


@dataclass(frozen=True)
class LoadedRetrievalTool:
    """A version of a retrieval tool. `versions` is what a trace freezes."""

    slug: str
    name: str
    description: str
    version: int
    retrieval: LoadedRetrieval
    versions: dict[str, Any]


COPIED = (
    "search_mode", "passage_count", "context_tokens", "minimum_score", "rewrites_question", "query_count",
    "translates_question", "fixed_filter", "freshness_field", "most_per_document", "rerank_candidates",
    "rerank_top_n", "neighbour_count", "neighbour_tokens",
)  # fmt: skip


def retrieval_of(version: Any, *, tool_name: str, model: AIModel | None = None) -> LoadedRetrieval:
    """The settings of a version. Raises NotConfigured without a source, or where its rerank model is not active."""
    sources = tuple(version.source_slugs())
    if not sources:
        raise NotConfigured(f"“{tool_name}” has no knowledge source. Choose one, and publish.")
    return LoadedRetrieval(
        sources=sources,
        filter_fields=tuple(version.filter_fields),
        source_boosts={boost["source"]: float(boost["factor"]) for boost in version.source_boosts},
        half_life_days=version.freshness_half_life_days,
        rerank_model=prompts.usable(version.rerank_model_id, of=tool_name),
        model=model,
        **{name: getattr(version, name) for name in COPIED},
    )


def generations_of(sources: Iterable[str]) -> dict[str, Any]:
    """The generations that serve now, for the versions of a trace."""
    live = KnowledgeIndex.objects.filter(source__slug__in=sources, status=KnowledgeIndex.Status.LIVE)
    return {
        source: {"generation": number, "id": pk}
        for source, number, pk in live.values_list("source__slug", "number", "pk")
    }


async def load(slug: str, *, version: int | None = None) -> LoadedRetrievalTool:
    """The live version, or the one of this number. Raises NotFound and NotConfigured."""
    return await cached(("retrieval_tool", slug, version), partial(read, slug, version=version))


def read(slug: str, *, version: int | None) -> LoadedRetrievalTool:
    tool = RetrievalTool.objects.select_related("live").filter(slug=slug).first()
    if tool is None:
        raise NotFound(f"There is no retrieval tool “{slug}”.")
    chosen: RetrievalToolVersion = tool.version(version)
    retrieval = retrieval_of(chosen, tool_name=tool.name)
    frozen = {"slug": slug, "version": chosen.number, "id": chosen.pk, "revision": tool.revision}
    return LoadedRetrievalTool(
        slug=slug,
        name=tool.name,
        description=tool.description,
        version=chosen.number,
        retrieval=retrieval,
        versions={"retrieval_tool": frozen, "indexes": generations_of(retrieval.sources)},
    )
