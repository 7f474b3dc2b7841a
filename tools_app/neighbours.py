"""Shows passages with what stands before and after them: adjacent chunks, by one statement, merged where they touch.

A merged passage is the exact text of its document from its `start` to its `end`, so citations point at the right place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar
from uuid import UUID

from knowledge.pages import Pages
from knowledge.retrieval import Passage
from magnet.database import raw_pool

# `gap` is what stands in the document between a chunk and the one before it: most often an empty line.
AROUND = """
with wanted as materialized (
    select distinct n.id
    from unnest(%(chunks)s::bigint[]) w (id) join knowledge_chunk c on c.id = w.id
    join knowledge_chunk n on n.index_id = c.index_id and n.document_id = c.document_id
        and n.position between c.position - %(count)s and c.position + %(count)s
    where not n.is_disabled
), placed as (
    select n.*, lag(n.position) over around as before, lag(n."end") over around as before_end
    from wanted join knowledge_chunk n using (id)
    window around as (partition by n.index_id, n.document_id order by n.position)
)
select p.id, p.document_id, p.position, p.start, p."end", p.text, p.token_count, p.page,
    d.page_starts[p.page + 1 : width_bucket(p."end" - 1, d.page_starts)],
    case when p.before = p.position - 1 and p.start > p.before_end
        then substr(d.text, p.before_end + 1, p.start - p.before_end) else '' end
from placed p join knowledge_document d on d.id = p.document_id
order by p.index_id, p.document_id, p.position"""

P = TypeVar("P", bound=Passage)


@dataclass(frozen=True)
class Near:
    """A chunk of a passage's document, the passage's own included."""

    chunk_id: int
    document_id: UUID
    position: int
    start: int
    end: int
    text: str
    token_count: int
    page: int | None
    # Where further pages begin, in the document's text.
    later_pages: Sequence[int] | None
    gap: str


async def around(passages: Sequence[P], *, count: int, max_tokens: int, question: str) -> list[P]:
    """The passages, each with up to `count` chunks on either side, while these fit into `max_tokens` together."""
    if not passages or count < 1:
        return list(passages)
    near = await _near([passage.chunk_id for passage in passages], count=count)
    by_place = {(each.document_id, each.position): each for each in near}
    own = {each.chunk_id: each for each in near}
    chosen = _chosen(passages, own, by_place, count=count, max_tokens=max_tokens)
    return _merged(passages, own, by_place, chosen, question=question)


async def _near(chunks: Sequence[int], *, count: int) -> list[Near]:
    pool = await raw_pool()
    async with pool.connection() as connection, connection.cursor(binary=True) as cursor:
        await cursor.execute(AROUND, {"chunks": list(chunks), "count": count})
        return [Near(*row) for row in await cursor.fetchall()]


Place = tuple[UUID, int]


def _chosen(
    passages: Sequence[Passage],
    own: Mapping[int, Near],
    by_place: Mapping[Place, Near],
    *,
    count: int,
    max_tokens: int,
) -> set[Place]:
    """The nearest first, and of these the ones of the best passages; none beyond a gap."""
    chosen = {place for passage in passages if (place := _place(own.get(passage.chunk_id), 0)) is not None}
    left = max_tokens
    for distance in range(1, count + 1):
        for passage in passages:
            for side in (-1, 1):
                place = _place(own.get(passage.chunk_id), side * distance)
                inner = _place(own.get(passage.chunk_id), side * (distance - 1))
                neighbour = by_place.get(place) if place is not None and inner in chosen else None
                if place is None or neighbour is None or place in chosen or neighbour.token_count > left:
                    continue
                chosen.add(place)
                left -= neighbour.token_count
    return chosen


def _place(chunk: Near | None, offset: int) -> Place | None:
    return (chunk.document_id, chunk.position + offset) if chunk else None


def _merged(
    passages: Sequence[P],
    own: Mapping[int, Near],
    by_place: Mapping[Place, Near],
    chosen: set[Place],
    *,
    question: str,
) -> list[P]:
    """One passage for each unbroken run of chosen chunks, at the place of the best passage in it."""
    merged: list[P] = []
    shown: set[int] = set()
    for passage in passages:
        chunk = own.get(passage.chunk_id)
        if chunk is None:
            # Its document was indexed again a moment ago; the passage stays as it was found.
            merged.append(passage)
        elif passage.chunk_id not in shown:
            run = _run(chunk, by_place, chosen)
            shown |= {each.chunk_id for each in run}
            merged.append(passage if len(run) == 1 else _as_one(passage, run, question=question))
    return merged


def _run(chunk: Near, by_place: Mapping[Place, Near], chosen: set[Place]) -> list[Near]:
    first = last = chunk.position
    while (chunk.document_id, first - 1) in chosen:
        first -= 1
    while (chunk.document_id, last + 1) in chosen:
        last += 1
    return [by_place[chunk.document_id, position] for position in range(first, last + 1)]


def _as_one(passage: P, run: Sequence[Near], *, question: str) -> P:
    start, end, text = run[0].start, run[0].end, run[0].text
    for each in run[1:]:
        # Chunks that overlap share their beginning with the end of the one before.
        text += each.text[end - each.start :] if each.start < end else each.gap + each.text
        end = max(end, each.end)
    pages = _pages(run, start=start)
    return replace(
        passage,
        text=text,
        start=start,
        end=end,
        token_count=sum(each.token_count for each in run),
        pages=pages,
        page=pages.best(text, question=question) if pages else None,
    )


def _pages(run: Sequence[Near], *, start: int) -> Pages | None:
    first = run[0].page
    if not first:
        return None
    breaks: list[int] = []
    for each in run:
        # A page that began between two chunks is one from the second on.
        begun = (each.page or first) - first - len(breaks)
        breaks += [each.start - start] * max(0, begun)
        breaks += [place - start for place in each.later_pages or () if place - start > (breaks[-1] if breaks else 0)]
    return Pages(first, tuple(breaks))
