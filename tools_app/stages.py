"""The stages of finding passages as values: what each kept, what it dropped and by which setting."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from knowledge.retrieval import Passage

# In the order in which they run; they are keys of records, and words of the admin.
NAMES = (
    "language",
    "rewrite",
    "queries",
    "translate",
    "filter",
    "search",
    "fuse",
    "boosts",
    "minimum_score",
    "per_document",
    "rerank",
    "passages",
    "neighbours",
    "budget",
)


@dataclass(frozen=True)
class FoundPassage(Passage):
    """A passage on its way through the stages; `rerank_score` is the reranker's own, on its own scale."""

    rerank_score: float | None = None


@dataclass(frozen=True)
class Dropped:
    """A chunk that a stage dropped; `rank` counts from 1 in the order in which the stage found it."""

    chunk_id: int
    rank: int
    score: float

    def as_row(self) -> list[Any]:
        return [self.chunk_id, self.rank, round(self.score, 6)]


@dataclass(frozen=True)
class Stage:
    """`said` is for people: what happened, or why nothing did. `failed` where the stage fell back."""

    name: str
    kept: int
    dropped: tuple[Dropped, ...] = ()
    setting: Any = None
    said: str = ""
    failed: bool = False

    def as_record(self) -> dict[str, Any]:
        """As it is kept with the trace."""
        record: dict[str, Any] = {
            "name": self.name,
            "dropped": [each.as_row() for each in self.dropped],
            "kept": self.kept,
            "setting": self.setting,
        }
        if self.said:
            record["said"] = self.said
        if self.failed:
            record["failed"] = True
        return record

    def as_json(self) -> dict[str, Any]:
        """As callers see it: how many, not which."""
        return {
            "name": self.name,
            "kept": self.kept,
            "dropped": len(self.dropped),
            "setting": self.setting,
            "said": self.said,
            "failed": self.failed,
        }


@dataclass
class Record:
    """The stages that one search has passed through so far."""

    stages: list[Stage] = field(default_factory=list)

    def note(self, name: str, *, kept: int = 0, setting: Any = None, said: str = "", failed: bool = False) -> None:
        self.stages.append(Stage(name, kept, setting=setting, said=said, failed=failed))

    def dropped(
        self,
        name: str,
        *,
        before: Sequence[Passage],
        after: Iterable[Passage],
        setting: Any,
        said: str = "",
        failed: bool = False,
    ) -> None:
        """Note what a stage left of what it was given; `after` may be changed and put into another order."""
        kept = {passage.chunk_id for passage in after}
        gone = tuple(
            Dropped(passage.chunk_id, rank, passage.score)
            for rank, passage in enumerate(before, start=1)
            if passage.chunk_id not in kept
        )
        self.stages.append(Stage(name, len(before) - len(gone), gone, setting, said, failed))

    def amend(self, name: str, **changes: Any) -> None:
        """Say more of a stage that a later one had to correct."""
        self.stages = [replace(stage, **changes) if stage.name == name else stage for stage in self.stages]


@dataclass(frozen=True)
class Retrieved:
    """What was found, and how. `question` is the whole question, `queries` what was searched with.

    `documents_in_scope` is counted under a filter only. `rerank_failed` where the order before was kept.
    """

    passages: tuple[Passage, ...]
    stages: tuple[Stage, ...]
    question: str
    queries: tuple[str, ...]
    language: str = ""
    filter: dict[str, Any] = field(default_factory=dict)
    documents_in_scope: int | None = None
    rerank_failed: bool = False
