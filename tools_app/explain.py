"""Why not this document? Finds the stage at which a document dropped out of any past search or answer.

explanation = await explain(trace_id, "Travel rules")
explanation.reason    # "Below the minimum score: its best passage scored 0.31, and the tool asks for at least 0.40."
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from knowledge import document_names
from knowledge.models import Chunk, Document, IndexedDocument, KnowledgeIndex
from magnet.callers import current_caller
from magnet.database import in_database
from magnet.errors import InvalidInput, NotAllowed
from magnet.models import Provider, Span
from tools_app import next_settings, recorded, setting_links
from tools_app.explanations import (
    DocumentName,
    Explanation,
    Finding,
    Funnel,
    dropped_in_words,
    listed,
    missing_in_words,
    moment,
    ranks_in_words,
)
from tools_app.recorded import Recorded, Weighed
from tools_app.replaying import replayed

# Whoever may read traces is told of titles only where they may also read the sources.
READ_TITLES = "knowledge-sources:read"
STATES = IndexedDocument.State


@dataclass(frozen=True)
class Case:
    """An answer and a document, with all that the ledger knows: `index` is the generation that was searched then."""

    record: Recorded
    document: Document
    index: KnowledgeIndex | None
    entry: IndexedDocument | None
    chunks: frozenset[int]
    tool: Any
    chunk_count: int
    # Written by the built-in answerer.
    is_quoted: bool

    @property
    def has_changed(self) -> bool:
        indexed_at = self.entry.indexed_at if self.entry else None
        return indexed_at is not None and indexed_at > self.record.trace.started_at

    def setting(self, name: str) -> dict[str, str]:
        return {"setting": name, "setting_url": setting_links.of_tool(self.tool, name) if name else ""}

    def on_document(self, name: str) -> dict[str, str]:
        return {"setting": name, "setting_url": setting_links.of_document(self.document)}


async def explain(trace_id: UUID, document: str) -> Explanation:
    """`document` is an id, an id in the source, an address or a title. What the caller may not find does not exist.

    Raises NotFound for the trace, NotAllowed where it quotes what the caller may not find, and InvalidInput.
    """
    said = cleaned(document)
    cases = await in_database(_opened, trace_id, said)
    if isinstance(cases, Explanation):
        return cases
    case, finding = max(((case, _checked(case)) for case in cases), key=_progress)
    facts = list(_facts(case, of=len(cases)))
    if finding is None:
        finding, more = await replayed(case.record, document=case.document, index=case.index, entry=case.entry)
        facts += more
        finding = _linked(case, finding)
    further = f" It got furthest in the search by “{case.record.call}”." if len(cases) > 1 and case.record.call else ""
    return Explanation(
        finding.stage,
        finding.reason + further,
        finding.setting,
        finding.setting_url,
        finding.next_setting,
        finding.next_setting_url,
        document=DocumentName.of(case.document),
        facts=tuple(facts),
        call=case.record.call,
        funnel=tuple(_funnel(case.record, chunk_count=case.chunk_count)),
    )


def cleaned(document: str) -> str:
    said = document.replace("\0", " ").encode(errors="ignore").decode().strip()
    if not said:
        raise InvalidInput("Name a document: its title, its address, its id in the source, or its id.")
    if len(said) > document_names.MOST_CHARACTERS:
        raise InvalidInput(f"A document is named with up to {document_names.MOST_CHARACTERS:,} characters.")
    return said


def _linked(case: Case, finding: Finding) -> Finding:
    """With the page of the setting; what is said of a document's groups is changed at the document."""
    if not finding.setting or finding.setting_url:
        return finding
    link = case.on_document if finding.setting == "groups" else case.setting
    return replace(finding, **link(finding.setting))


def suggestions(trace_id: UUID, text: str) -> list[DocumentName]:
    """Documents whose titles hold this, of the sources that were searched; for a person who is still typing."""
    if not _may_read_titles():
        raise NotAllowed(f"This needs the scope {READ_TITLES}: it shows titles of documents.", scope=READ_TITLES)
    searches = Span.objects.filter(trace_id=trace_id, name=recorded.SEARCH).values_list("attributes", flat=True)
    sources = {slug for attributes in searches for slug in attributes.get("sources") or ()}
    return [DocumentName.of(row) for row in document_names.suggested(text.strip(), sources=sorted(sources))]


# -- Opening a case ------------------------------------------------------------------------------------------------


def _opened(trace_id: UUID, said: str) -> list[Case] | Explanation:
    """The document in each search that was kept."""
    told = recorded.read(trace_id)
    records = [record for record in told if not record.missing]
    if not records:
        return Explanation(told[-1].missing, missing_in_words(told[-1].missing))
    # Who guesses letter by letter must not be told titles that they may not read.
    found = document_names.named(said, by_part_of_title=_may_read_titles())
    if len(found) > 1:
        sources = {slug for record in records for slug in record.sources}
        searched = [document for document in found if document.source.slug in sources]
        found = searched if len(searched) == 1 else found
    searched_then = [(record, {index.source_id: index for index in _indexes(record)}) for record in records]
    if len(found) == 1:
        return [_case(record, found[0], indexes) for record, indexes in searched_then]
    record, indexes = searched_then[-1]
    funnel = tuple(_funnel(record, chunk_count=sum(index.chunk_count for index in indexes.values())))
    return replace(_several(found) if found else _unknown(said), funnel=funnel if len(records) == 1 else ())


def _several(found: list[Document]) -> Explanation:
    names = tuple(map(DocumentName.of, found[: document_names.MOST_SHOWN])) if _may_read_titles() else ()
    more = "at least " if len(found) > document_names.MOST_SHOWN else ""
    count = min(len(found), document_names.MOST_SHOWN)
    return Explanation(
        "choose", f"This names {more}{count} documents. Choose one, or name it by its id.", documents=names
    )


def _unknown(said: str) -> Explanation:
    gone = document_names.deleted(said)
    if gone is not None:
        return Explanation(
            "deleted",
            f"Deleted on {moment(gone.deleted_at)} from “{gone.source.name}”: what is deleted can be found nowhere.",
            "source",
            setting_links.of_source(gone.source_id),
        )
    names = tuple(map(DocumentName.of, document_names.similar(said))) if _may_read_titles() else ()
    reason = "Never synced: no source has a document of this title, address or id."
    reason += " Similar titles are listed." if names else " Sync the source that has it, or upload it."
    return Explanation("never_synced", reason, "source", setting_links.of_sources(), documents=names)


def _may_read_titles() -> bool:
    return current_caller().may(READ_TITLES)


def _indexes(record: Recorded) -> list[KnowledgeIndex]:
    """The generations that were searched then; those that serve now where these are gone, or nobody noted them."""
    rows = KnowledgeIndex.objects.select_related("source").filter(source__slug__in=record.sources)
    then = list(rows.filter(pk__in=record.indexes.values()))
    known = {index.source_id for index in then}
    return then + [index for index in rows.filter(status=KnowledgeIndex.Status.LIVE) if index.source_id not in known]


def _case(record: Recorded, document: Document, indexes: dict[int, KnowledgeIndex]) -> Case:
    index = indexes.get(document.source_id)
    entry = IndexedDocument.objects.filter(document=document, index=index).first() if index else None
    chunks = Chunk.objects.filter(document=document, index=index, is_disabled=False) if index else Chunk.objects.none()
    return Case(
        record,
        document,
        index,
        entry,
        frozenset(chunks.values_list("pk", flat=True)),
        setting_links.tool_of(record.feature, record.slug, record.versions),
        sum(each.chunk_count for each in indexes.values()),
        Provider.objects.filter(slug=record.answered_by, kind="local").exists(),
    )


# -- The checks, in their order: what the record says itself goes before what the ledger says now ---------------------


def _was_shown(case: Case) -> Finding | None:
    shown = [each for each in case.record.shown if each.document_id == str(case.document.pk)]
    if not shown:
        return None
    numbers = [each.number for each in shown if each.number is not None]
    cited = case.record.cited
    if cited is None:
        return Finding("found", f"It was found: {_passages(numbers)} of {len(case.record.shown)}.")
    if named := [number for number in numbers if number in cited]:
        return Finding("cited", f"The answer cites it as {', '.join(f'[{number}]' for number in named)}.")
    others = ", ".join(f"[{number}]" for number in sorted(cited)) or "nothing"
    said = f"In the prompt as {_passages(numbers)}, but not cited: the answer cites {others}."
    if case.is_quoted:
        said += " The built-in answerer quotes what fits best and reads no prompt: connect a language model."
        return Finding("not_cited", said, "language_model", setting_links.of_providers())
    return Finding("not_cited", said, **case.setting("prompt_template"))


def _passages(numbers: list[int]) -> str:
    return f"{'passage' if len(numbers) < 2 else 'passages'} {', '.join(map(str, numbers)) or '…'}"


def _was_dropped(case: Case) -> Finding | None:
    """By the last stage that any of its chunks reached."""
    for stage in reversed(case.record.stages):
        if stage.name == "search":
            continue  # Its candidates know more: their ranks by meaning and by words.
        ours = [(rank, score) for chunk, rank, score in stage.dropped if chunk in case.chunks]
        if ours:
            rank, score = min(ours)
            reason, setting = dropped_in_words(stage.name, rank=rank, score=score, setting=stage.setting)
            finding = Finding(stage.name, reason, **case.setting(setting))
            return _with_next(case, finding, rank=rank, score=score)
    return None


def _was_weighed(case: Case) -> Finding | None:
    """Weighed, and no stage noted that it dropped it: its place or its score say why."""
    record = case.record
    ours = [record.weighed[chunk] for chunk in case.chunks if chunk in record.weighed]
    if not ours:
        return None
    best = min(ours, key=lambda weighed: weighed.place)
    if record.stages and (best.place > record.limit or best.score >= record.minimum_score or record.is_boosted):
        finding = _cut_by_search(case, best)
    else:
        finding = _left_out(case, best)
    return _with_next(case, finding, rank=best.place, score=best.score)


def _cut_by_search(case: Case, best: Weighed) -> Finding:
    record = case.record
    ranks = ranks_in_words(best.semantic_place, best.word_place, mode=record.mode, beyond=len(record.weighed))
    said = f"Weighed, and not good enough: {ranks}, place {best.place} together; the first {record.limit} went on."
    return Finding("search", said, **case.setting(next_settings.cut_by(record)))


def _left_out(case: Case, best: Weighed) -> Finding:
    """Where no stages are kept: a search takes the first of those that it weighed, and of them what scores enough."""
    record = case.record
    used: dict[str, Any] = {"minimum_score": record.minimum_score, "passage_count": record.limit}
    if best.place > record.limit:
        stage = "passages"
    elif best.score < record.minimum_score:
        stage = "minimum_score"
    else:
        stage = "budget"
        used |= {"context_tokens": getattr(_version(case), "context_tokens", "…")}
    reason, setting = dropped_in_words(stage, rank=best.place, score=best.score, setting=used)
    return Finding(stage, reason, **case.setting(setting))


def _with_next(case: Case, finding: Finding, *, rank: int, score: float) -> Finding:
    name, said = next_settings.after(finding, case.record, rank=rank, score=score) if finding.setting else ("", "")
    if not name:
        return finding
    url = case.setting(name)["setting_url"]
    return replace(finding, reason=finding.reason + said, next_setting=name, next_setting_url=url)


def _version(case: Case) -> Any:
    """The draft or live version with the number that answered, where it is one of these two."""
    versions = (case.tool.live, case.tool.draft) if case.tool else ()
    answered = _answered_by(case)
    return next((version for version in versions if version and version.number == answered), None)


def _answered_by(case: Case) -> Any:
    kind = next((kind for kind in setting_links.TOOLS if kind in case.record.versions), "")
    return (case.record.versions.get(kind) or {}).get("version")


def _is_elsewhere(case: Case) -> Finding | None:
    if case.document.source.slug in case.record.sources:
        return None
    said = f"Its source “{case.document.source.name}” was not searched, only {listed(case.record.sources)}."
    return Finding("source", said, **case.setting("sources"))


def _came_later(case: Case) -> Finding | None:
    seen, asked = case.document.created_at, case.record.trace.started_at
    if seen <= asked:
        return None
    said = f"Synced only after this answer: first seen on {moment(seen)}, asked on {moment(asked)}. Ask again."
    return Finding("synced_after", said, "source", setting_links.of_source(case.document.source_id))


def _is_not_indexed(case: Case) -> Finding | None:
    """What the ledger says of the generation that was searched."""
    entry = case.entry
    state = entry.state if entry else STATES.PENDING
    if entry is None or (state == STATES.PENDING and not entry.chunk_count):
        said = "It waits to be indexed: the source is being synced, or its last sync did not come to its end."
        return Finding("pending", said, "source", setting_links.of_source(case.document.source_id))
    if state == STATES.FAILED:
        return Finding("failed", f"It failed to be read: {entry.failure}", **case.on_document("document"))
    if state == STATES.EXCLUDED:
        return Finding("excluded", "Somebody has excluded it from searches.", **case.on_document("document"))
    if not entry.chunk_count:
        return Finding("empty", "It holds no text that could be searched.", **case.on_document("document"))
    if not case.chunks:
        said = f"All its chunks ({entry.chunk_count:,}) are disabled: somebody took them out of searches."
        return Finding("disabled", said, **case.on_document("chunks"))
    return None


def _is_not_for_them(case: Case) -> Finding | None:
    asked, needed = case.record.groups, case.document.groups
    if asked is None or needed is None or set(asked) & set(needed):
        return None
    who = case.record.trace.person or case.record.trace.caller_label or "this person"
    said = f"{who} may not see it: it is for {listed(needed)}, and the answer was for somebody in {listed(asked)}."
    return Finding("permission", said, **case.on_document("groups"))


CHECKS: tuple[Callable[[Case], Finding | None], ...] = (
    _was_shown,
    _was_dropped,
    _was_weighed,
    _is_elsewhere,
    _came_later,
    _is_not_indexed,
    _is_not_for_them,
)


# How far a document can come: the last is the furthest.
STAGES = ("source", "search", "fuse", "boosts", "minimum_score", "per_document", "rerank", "passages", "neighbours")
FURTHEST = (*STAGES, "budget", "not_cited", "found", "cited")


def _checked(case: Case) -> Finding | None:
    return next((found for check in CHECKS if (found := check(case)) is not None), None)


def _progress(checked: tuple[Case, Finding | None]) -> float:
    """What no check has found could be found by that search: it goes after a source that was not searched."""
    _case, finding = checked
    return FURTHEST.index(finding.stage) if finding is not None and finding.stage in FURTHEST else 0.5


# -- What stands beside the reason -----------------------------------------------------------------------------------


def _facts(case: Case, *, of: int) -> Iterator[tuple[str, str]]:
    if of > 1:
        yield "Search", f"“{case.record.query}”, one of {of:,} in this trace"
    yield "Asked", moment(case.record.trace.started_at)
    answered = _answered_by(case)
    if answered is not None:
        live = case.tool.live if case.tool else None
        since = f"; version {live.number} is live now" if live and live.number != answered else ""
        yield "Settings", f"version {answered}{since}"
    if case.index is not None:
        is_live = case.index.status == KnowledgeIndex.Status.LIVE
        yield "Index", f"generation {case.index.number}" + ("" if is_live else ", which has been replaced since")
    if case.has_changed and case.entry and case.entry.indexed_at:
        yield "Indexed again", f"on {moment(case.entry.indexed_at)}, after this answer"
    if case.entry and case.entry.state == STATES.STALE:
        yield "Newest version", f"could not be read, so an older one serves: {case.entry.failure}"
    disabled = case.entry.chunk_count - len(case.chunks) if case.entry else 0
    if disabled > 0 and case.chunks:
        yield "Disabled chunks", f"{disabled:,} of {case.entry.chunk_count:,}" if case.entry else ""


def _funnel(record: Recorded, *, chunk_count: int) -> Iterator[Funnel]:
    yield Funnel("scope", chunk_count)
    if record.in_scope is not None:
        yield Funnel("filter", record.in_scope)
    yield Funnel("weighed", len(record.weighed))
    for stage in record.stages:
        if stage.dropped:
            yield Funnel(stage.name, stage.kept)
    yield Funnel("shown", len(record.shown))
    if record.cited is not None:
        yield Funnel("cited", len(record.cited))
