"""An explanation as a value: the stage at which a document dropped out, why in words, and the setting behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings

from knowledge.models import Document

# What the stages of a search are called where people read them.
LABELS = {
    "scope": "in the sources",
    "filter": "fit the filter",
    "weighed": "weighed",
    "search": "went on from the search",
    "fuse": "of all wordings together",
    "boosts": "after boosts",
    "minimum_score": "above the minimum score",
    "per_document": "after the cap for one document",
    "rerank": "kept by the reranker",
    "passages": "as many as are wanted",
    "neighbours": "with their neighbours",
    "budget": "within the token budget",
    "shown": "passages",
    "cited": "cited",
}


@dataclass(frozen=True)
class DocumentName:
    id: str
    title: str
    remote_id: str
    source: str

    @classmethod
    def of(cls, document: Document) -> DocumentName:
        return cls(str(document.pk), str(document), document.remote_id, document.source.slug)

    def as_json(self) -> dict[str, str]:
        return {"id": self.id, "title": self.title, "remote_id": self.remote_id, "source": self.source}


@dataclass(frozen=True)
class Finding:
    """What one check found; `setting` is the name of a field, `setting_url` the page where it stands.

    `next_setting` is what is in the way after that: changing the first alone would not bring the document in.
    """

    stage: str
    reason: str
    setting: str = ""
    setting_url: str = ""
    next_setting: str = ""
    next_setting_url: str = ""


@dataclass(frozen=True)
class Funnel:
    """How many were left after a stage."""

    stage: str
    count: int

    @property
    def label(self) -> str:
        return LABELS.get(self.stage, self.stage.replace("_", " "))

    def as_json(self) -> dict[str, Any]:
        return {"stage": self.stage, "label": self.label, "count": self.count}


@dataclass(frozen=True)
class Explanation(Finding):
    """`documents` are those to choose from where a name fits several, or similar ones where it fits none."""

    document: DocumentName | None = None
    facts: tuple[tuple[str, str], ...] = ()
    documents: tuple[DocumentName, ...] = ()
    # In a turn of an agent, what it calls the tool that searched.
    call: str = ""
    funnel: tuple[Funnel, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "stage": self.stage,
            "reason": self.reason,
            "setting": self.setting,
            "setting_url": self.setting_url,
            "next_setting": self.next_setting,
            "next_setting_url": self.next_setting_url,
            "document": self.document.as_json() if self.document else None,
            "facts": [{"name": name, "value": value} for name, value in self.facts],
            "call": self.call,
            "documents": [document.as_json() for document in self.documents],
            "funnel": [step.as_json() for step in self.funnel],
        }


# -- Words -------------------------------------------------------------------------------------------------------------

MISSING = {
    "not_recorded": "This answer was recorded without its texts, so it cannot be explained: its caller, its prompt "
    "template or an agent around it wants them not kept.",
    "expired": "What an answer was made from is kept for {days} days only, so this one cannot be explained any more. "
    "Ask again.",
    "blanked": "A document that this answer quoted has been deleted since, and what was kept of the search went with "
    "it. Ask again.",
    "no_search": "No search is kept in this trace, so there is nothing to explain: no source was searched, or the "
    "search failed.",
}

# By stage: the sentence, filled with the rank, the score and the settings that the stage used; and the setting.
DROPPED: Mapping[str, tuple[str, str]] = {
    "minimum_score": (
        "Below the minimum score: its best passage scored {score}, and the tool asks for at least {minimum_score}.",
        "minimum_score",
    ),
    "per_document": (
        "Left out by the cap: at rank {rank}, after {most_per_document} others of the same document, which is as many "
        "as one may give.",
        "most_per_document",
    ),
    "rerank": (
        "Cut by the reranker: it came at rank {rank}, and {rerank_model} kept {rerank_top_n} others of the "
        "{rerank_candidates} that it reads.",
        "rerank_top_n",
    ),
    "passages": ("One passage too many: it came at rank {rank}, and the tool takes {passage_count}.", "passage_count"),
    "budget": (
        "Over the token budget: it came at rank {rank}, and the passages before it left no room for it within "
        "{context_tokens} tokens.",
        "context_tokens",
    ),
}
UNREAD_BY_RERANKER = (
    "The reranker never read it: it came at rank {rank}, and {rerank_model} reads the first {rerank_candidates}.",
    "rerank_candidates",
)


def missing_in_words(missing: str) -> str:
    return MISSING[missing].format(days=settings.PAYLOAD_DAYS)


class Blanks(dict[str, Any]):
    """A setting that an older record does not name is left open, not an error."""

    def __missing__(self, key: str) -> str:
        return "…"


def dropped_in_words(stage: str, *, rank: int, score: float, setting: Any) -> tuple[str, str]:
    """Why a stage dropped a chunk, and the setting that made it."""
    used = setting if isinstance(setting, dict) else {stage: setting}
    sentence, name = DROPPED.get(stage, (f"Left out at the stage “{LABELS.get(stage, stage)}”, at rank {{rank}}.", ""))
    if stage == "rerank" and rank > (used.get("rerank_candidates") or rank):
        sentence, name = UNREAD_BY_RERANKER
    minimum = used.get("minimum_score")
    figures = 4 if isinstance(minimum, float) and f"{minimum:.2f}" == f"{score:.2f}" else 2
    said = {key: f"{value:.{figures}f}" if isinstance(value, float) else value for key, value in used.items()}
    return sentence.format_map(Blanks(said, rank=rank, score=f"{score:.{figures}f}")), name


def ranks_in_words(semantic: int | None, words: int | None, *, mode: str, beyond: int) -> str:
    """“rank 41 by meaning, 3 by words”; a place that is None is beyond so many."""
    said = []
    if mode != "words":
        said.append(f"{semantic:,} by meaning" if semantic else f"beyond {beyond:,} by meaning")
    if mode != "meaning":
        said.append(f"{words:,} by words" if words else "none by words (it shares no telling word with the question)")
    return f"rank {', '.join(said)}"


def moment(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M} UTC"


def listed(names: Sequence[str]) -> str:
    return ", ".join(f"“{name}”" for name in names) or "none"
