"""What a trace has kept of each search or answer, as a value: what was asked, weighed, dropped, shown and cited.

An agent's turn has many: each is the spans that stand beside one another below one call.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from magnet import trace_texts
from magnet.errors import NotAllowed, NotFound
from magnet.models import Span, Trace

MOST_SPANS = 1_000
# The names of the spans of a search, of the passages that an answer was given, and of what it cites.
SEARCH, CITATIONS = "retrieve", "check citations"
# The span around the searches of one question.
STAGES = "stages"
# How the spans of calls by agents begin, before the name of the function.
CALL = "call "


@dataclass(frozen=True)
class Weighed:
    """A chunk that was weighed; `place` from 1, best first."""

    chunk_id: int
    place: int
    score: float
    semantic_place: int | None
    word_place: int | None


@dataclass(frozen=True)
class Shown:
    """A passage in the prompt or in the result."""

    number: int | None
    document_id: str
    content_hash: str


@dataclass(frozen=True)
class StageRecord:
    """A stage of the search: how many chunks it kept, and (chunk, rank, score) of those that it dropped."""

    name: str
    kept: int
    dropped: tuple[tuple[int, int, float], ...] = ()
    setting: Any = None
    said: str = ""


@dataclass(frozen=True)
class Recorded:
    """`missing` says why there is nothing to explain from; empty while everything is there.

    `feature`, `slug` and `versions` are those of the tool that searched, `call` is what an agent calls it.
    `groups` are those whose documents could be found, None for all; `indexes` the generation of each source, by id.
    """

    trace: Trace
    missing: str = ""
    feature: str = ""
    slug: str = ""
    versions: Mapping[str, Any] = field(default_factory=dict)
    call: str = ""
    query: str = ""
    mode: Any = "hybrid"
    limit: int = 0
    minimum_score: float = 0.0
    filter: Mapping[str, Any] = field(default_factory=dict)
    groups: tuple[str, ...] | None = None
    sources: tuple[str, ...] = ()
    indexes: Mapping[str, int] = field(default_factory=dict)
    in_scope: int | None = None
    weighed: Mapping[int, Weighed] = field(default_factory=dict)
    stages: tuple[StageRecord, ...] = ()
    shown: tuple[Shown, ...] = ()
    # Numbers of passages; None where no answer was written.
    cited: frozenset[int] | None = None
    # The provider whose model wrote the answer.
    answered_by: str = ""

    @property
    def is_boosted(self) -> bool:
        """Whether scores were changed after the search."""
        return any(stage.name == "boosts" for stage in self.stages)


def read(trace_id: UUID) -> tuple[Recorded, ...]:
    """Each search in the order of the story; one that says what is missing where there was none.

    Raises NotFound, and NotAllowed where the trace quotes what the caller may not find.
    """
    trace = Trace.objects.filter(pk=trace_id).first()
    if trace is None:
        raise NotFound(f"There is no trace {trace_id}. It appears a second after its answer, and is kept for a time.")
    spans = list(trace.spans.select_related("payload").order_by("started_at", "id")[:MOST_SPANS])
    story = _Story(spans)
    found = [_one(trace, story, place, of) for place, of in story.searches().items()]
    if any(not each.missing for each in found) and trace_texts.hide(trace, spans):
        raise NotAllowed("This answer quotes documents of groups that you may not find, so it is not explained to you.")
    return tuple(found) or (Recorded(trace, why_missing(trace, ())),)


class _Story:
    """The spans of a trace by where they stand."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self.spans = spans
        self._by_id = {span.pk: span for span in spans}

    def searches(self) -> dict[UUID | None, list[Span]]:
        """The spans of each search, by the span around all of it; those of steps that searched nothing are left out."""
        beside: dict[UUID | None, list[Span]] = {}
        for span in self.spans:
            beside.setdefault(self._place(span), []).append(span)
        return {place: spans for place, spans in beside.items() if any(span.name == SEARCH for span in spans)}

    def _place(self, span: Span) -> UUID | None:
        around = next((each for each in self.around(span.parent_id) if each.name != STAGES), None)
        return around.pk if around else None

    def around(self, place: UUID | None) -> Iterator[Span]:
        """The span itself and those around it, the nearest first."""
        while place is not None and (span := self._by_id.get(place)) is not None:
            yield span
            place = span.parent_id


def _one(trace: Trace, story: _Story, place: UUID | None, spans: list[Span]) -> Recorded:
    if missing := why_missing(trace, spans):
        return Recorded(trace, missing)
    around = list(story.around(place))
    tool = next((span.attributes for span in around if "feature" in span.attributes), None)
    asked = tool or {"feature": trace.feature, "slug": trace.slug, "versions": trace.versions}
    call = next((span.name.removeprefix(CALL) for span in around if span.name.startswith(CALL)), "")
    found = recorded(trace, spans, versions=_dict(asked.get("versions")))
    return replace(found, feature=str(asked["feature"]), slug=str(asked.get("slug") or ""), call=call)


def why_missing(trace: Trace, spans: Iterable[Span]) -> str:
    """`not_recorded`, `expired`, `blanked` or `no_search`; empty where a search was kept."""
    searches = [span for span in spans if span.name == SEARCH]
    missing = trace_texts.why_missing(trace, searches)
    if missing == "nothing":
        # A search keeps its question before anything else: this one was told to keep nothing.
        return "not_recorded" if searches else "no_search"
    return missing


def recorded(trace: Trace, spans: Sequence[Span], *, versions: Mapping[str, Any]) -> Recorded:
    """Of one search."""
    searches = [span for span in spans if span.name == SEARCH and hasattr(span, "payload")]
    # Where a filter left nothing, the search was done again without it: the last one is the one that counts.
    first, given = searches[0], _dict(searches[-1].payload.input)
    stages = tuple(_stages(spans))
    indexes = _dict(versions.get("indexes"))
    groups = given.get("groups")
    return Recorded(
        trace,
        versions=versions,
        query=str(_dict(first.payload.input).get("query") or trace.summary),
        mode=first.attributes.get("mode") or "hybrid",
        limit=int(first.attributes.get("limit") or 0),
        minimum_score=_minimum_score(given, stages),
        filter=_dict(given.get("filter")),
        groups=None if groups is None else tuple(map(str, groups)),
        sources=tuple(dict.fromkeys(slug for span in searches for slug in span.attributes.get("sources") or ())),
        indexes={slug: index["id"] for slug, index in indexes.items() if _dict(index).get("id")},
        in_scope=searches[-1].attributes.get("documents_in_scope"),
        weighed=_weighed(searches),
        stages=stages,
        shown=_shown(spans),
        cited=_cited(spans),
        answered_by=_answered_by(spans),
    )


def _minimum_score(given: dict[str, Any], stages: Iterable[StageRecord]) -> float:
    """As the search was told, or the stage that dropped by it."""
    used = next((_dict(stage.setting) for stage in stages if stage.name == "minimum_score"), given)
    return float(used.get("minimum_score") or 0)


def _weighed(searches: Iterable[Span]) -> dict[int, Weighed]:
    """Of several searches, the best place of each chunk."""
    found: dict[int, Weighed] = {}
    for span in searches:
        got = _out(span)
        columns = [str(name) for name in got.get("columns") or ()]
        for place, values in enumerate(got.get("candidates") or (), start=1):
            row = dict(zip(columns, values, strict=False))
            chunk = int(row["chunk_id"])
            if chunk not in found or place < found[chunk].place:
                found[chunk] = Weighed(
                    chunk, place, float(row["score"] or 0), row.get("semantic_place"), row.get("word_place")
                )
    return found


def _stages(spans: Iterable[Span]) -> Iterable[StageRecord]:
    for span in spans:
        for stage in _out(span).get("stages") or ():
            dropped = tuple((int(chunk), int(rank), float(score)) for chunk, rank, score in stage.get("dropped") or ())
            said = str(stage.get("said") or "")
            yield StageRecord(str(stage["name"]), int(stage.get("kept") or 0), dropped, stage.get("setting"), said)


def _shown(spans: Iterable[Span]) -> tuple[Shown, ...]:
    """Those of the last step that kept any: steps before it had more than fitted."""
    found: list[Any] = []
    for span in spans:
        found = _out(span).get("passages") or found
    return tuple(
        Shown(each.get("number"), str(_dict(each.get("document")).get("id")), str(each.get("content_hash") or ""))
        for each in found
        if isinstance(each, Mapping)
    )


def _cited(spans: Sequence[Span]) -> frozenset[int] | None:
    """By the last answer, whose passages are the ones that were shown."""
    checked = next((span for span in reversed(spans) if span.name == CITATIONS), None)
    return None if checked is None else frozenset(checked.attributes.get("cited") or ())


def _answered_by(spans: Sequence[Span]) -> str:
    """By the last model that wrote before the citations were checked: others may judge the answer after that."""
    checked = next((place for place, span in enumerate(spans) if span.name == CITATIONS), len(spans))
    return next((str(span.provider) for span in reversed(spans[:checked]) if span.kind == "chat"), "")


def _out(span: Span) -> dict[str, Any]:
    return _dict(span.payload.output) if hasattr(span, "payload") else {}


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
