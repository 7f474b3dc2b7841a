"""The one statement of a search: candidates by meaning and by rare words, scored together, the best with their text.

RETRIEVAL.md has the measurements behind it. Numbers of generations are written into the text, because only then can
the planner prove that a partial index fits, and so are limits, because a plan that serves all questions must know
them; everything else is bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, LiteralString

from psycopg import sql

from knowledge.filters import Condition
from knowledge.stores import pgvector

Mode = Literal["hybrid", "meaning", "words"]
# How the question's words become lexemes.
Wording = Literal["one language", "several languages", "single characters"]

# 100 + 100 candidates lose nothing against scoring every document (RETRIEVAL.md).
CANDIDATES = 100
# A longer question is a pasted document: its rarest words say what it is about.
MOST_WORDS = 64
# A question of one very common word: this many of its chunks are ranked, because ranking all takes too long.
MOST_RANKED_ROWS = 10_000

# Which chunks, by what their document says. A narrow scope is found first, a wide one is asked for each chunk.
NARROW: LiteralString = " and c.document_id in (select id from scope)"
# What the ledger says of it stands in `i`; a condition that asks for the document `d` only reads nothing else.
WIDE: LiteralString = " and (select {condition} from {entries} and i.document_id = c.document_id)"
WIDE_OF_DOCUMENTS: LiteralString = " and (select {condition} from knowledge_document d where d.id = c.document_id)"
SCOPE: LiteralString = """scope as materialized (
select i.document_id as id from {entries} and {condition}),
"""
SCOPE_OF_DOCUMENTS: LiteralString = """scope as materialized (
select d.id from knowledge_document d where d.source_id = any(%(sources)s) and {condition}),
"""

# Documents that were found before: the scope is not looked for again.
SCOPE_AS_FOUND: LiteralString = """scope as materialized (select unnest(%(scope)s::uuid[]) as id),
"""

# Each generation for itself, and no further than to the number from which on it does not matter; below it also which
# they are, as PostgreSQL writes arrays: nobody but PostgreSQL reads them.
COUNT: LiteralString = """select g.id, found.count, found.documents
from unnest(%(indexes)s::bigint[], %(sources)s::bigint[]) g (id, source_id) cross join lateral (
select count(*) as count, {documents} as documents
from ({fitting} limit %(most)s) n) found"""
DOCUMENTS: LiteralString = "case when count(*) < %(most)s then array_agg(n.id)::text end"
FITTING: LiteralString = "select i.document_id as id from {entries} and {condition}"
FITTING_DOCUMENTS: LiteralString = (
    "select d.id from knowledge_document d where d.source_id = g.source_id and {condition}"
)

# The planner leaves the document out where no condition asks for it.
ENTRIES: LiteralString = """knowledge_indexeddocument i{sample} left join knowledge_document d on d.id = i.document_id
where i.index_id = {index}"""
# Some blocks of the table, always the same ones, tell about how many rows of it fit.
SAMPLE: LiteralString = " tablesample system ({percent}) repeatable (1)"
SAMPLED: LiteralString = "select count(*) from {entries} and {condition}"
SAMPLED_DOCUMENTS: LiteralString = """select count(*) from knowledge_document d{sample}
where d.source_id = {source} and {condition}"""

# How many of the chunks that another store has named may be shown.
SHOWN: LiteralString = """select count(*) from knowledge_chunk c
where c.index_id = {index} and c.id = any(%(near)s::bigint[]) and not c.is_disabled{scope}"""

# One row for each generation: whose vector, and how its cosines become scores.
TARGET: LiteralString = """target (index_id, vector, weight, floor, ceiling) as materialized (values {rows}),
"""

# The question's words as the documents' words were made. What is a stop word in the language that the question is
# most likely in (the one that knows most of its words as such) is none in any other: "die" asks for no dice.
ASKED_IN_ONE_LANGUAGE: LiteralString = """asked as materialized (
select lexeme, positions[1] as position from unnest(to_tsvector((%(configurations)s::regconfig[])[1], %(words)s))),
"""
ASKED_IN_SEVERAL_LANGUAGES: LiteralString = """spoken as materialized (
select l.name, v.lexeme, p.position from unnest(%(configurations)s::regconfig[]) l (name)
cross join unnest(to_tsvector(l.name, %(words)s)) v cross join unnest(v.positions) p (position)),
heard as (
select l.name, count(distinct s.position) as kept from unnest(%(configurations)s::regconfig[]) l (name)
left join spoken s using (name) group by 1),
likely as materialized (select name from heard where kept = (select min(kept) from heard)),
meant as materialized (
select position from spoken join likely using (name) group by 1
having count(distinct name) = (select count(*) from likely)),
asked as materialized (
select lexeme, min(position) as position from spoken where position in (select position from meant) group by 1),
"""
# A character by itself is found through the pairs that hold it, those that say most about where it stands. What the
# two indexes of pairs hold is said as they say it.
ASKED_BY_SINGLE_CHARACTERS: LiteralString = """asked as materialized (
select letter as lexeme, position from unnest(%(characters)s::text[]) with ordinality l (letter, position)
union
select p.lexeme, position from unnest(%(characters)s::text[]) with ordinality l (letter, position)
cross join lateral (select lexeme from (
select lexeme, document_frequency from knowledge_word where index_id in ({indexes})
and char_length(lexeme) = 2 and octet_length(lexeme) between 6 and 8 and left(lexeme, 1) = l.letter union all
select lexeme, document_frequency from knowledge_word where index_id in ({indexes})
and char_length(lexeme) = 2 and octet_length(lexeme) between 6 and 8 and right(lexeme, 1) = l.letter) held
group by lexeme order by sum(document_frequency) desc, lexeme limit {most_words} / cardinality(%(characters)s)) p),
"""

# `mass` is what all words of the question weigh, those that no document has included: a word found among many
# that are not is a weak sign. A word of the question has one position; in several languages it may be several lexemes.
WORDS: LiteralString = """total as materialized (
select greatest(sum(chunk_count), 1)::float8 as chunks,
greatest(sum(lexeme_total), 1)::float8 / greatest(sum(chunk_count), 1) as mean_length
from knowledge_knowledgeindex where id in ({indexes})),
frequency as (
select a.lexeme, a.position, least(coalesce(sum(w.document_frequency), 0), t.chunks) as df, t.chunks
from total t cross join asked a left join knowledge_word w on w.lexeme = a.lexeme and w.index_id in ({indexes})
group by a.lexeme, a.position, t.chunks),
weighed as materialized (
select lexeme, position, df, ln(1 + (chunks - df + .5) / (df + .5)) as idf from frequency),
word as materialized (
select lexeme, df, idf, sum(df) over (order by df, lexeme) as rows from weighed where df > 0
order by df, lexeme limit {most_words}),
mass as materialized (
select coalesce(sum(idf), 1) as mass from (
select coalesce(max(idf) filter (where df > 0), max(idf)) as idf from weighed
group by position order by 1 limit {most_words}) by_position),
rare as materialized (
select string_agg('''' || replace(replace(lexeme, '\\', '\\\\'), '''', '''''') || '''', ' | ')::tsquery as query
from word where rows <= %(rare_rows)s or df = rows),
"""
BY_WORDS: LiteralString = """by_words as materialized (
select c.id, c.index_id from (
select c.id, c.index_id, c.lexemes from knowledge_chunk c
where c.index_id in ({indexes}) and c.lexemes @@ (select query from rare)
and not c.is_disabled{scope} limit {most_rows}) c
order by ts_rank(c.lexemes, (select query from rare), 1) desc, c.id limit {candidates}),
"""

# The chunks of the few documents in scope are fetched once, for both ways.
SCOPED: LiteralString = """scoped as materialized (
select c.id, c.index_id, {cosine} as cosine, {rank} as rank
from scope s join knowledge_chunk c on c.document_id = s.id join target t on t.index_id = c.index_id
where not c.is_disabled),
"""
COSINE: LiteralString = "1 - (c.embedding <=> t.vector)"
RANK: LiteralString = """case when c.lexemes @@ (select query from rare)
then ts_rank(c.lexemes, (select query from rare), 1) end"""
SCOPED_BY_MEANING: LiteralString = """by_meaning as materialized (
select n.id, n.index_id from scoped n join target t using (index_id) where n.cosine is not null
order by (n.cosine - t.floor) / (t.ceiling - t.floor) desc limit {candidates}),
"""
SCOPED_BY_WORDS: LiteralString = """by_words as materialized (
select id, index_id from scoped where rank is not null order by rank desc, id limit {candidates}),
"""

BY_MEANING: LiteralString = """by_meaning as materialized (
select n.id, n.index_id from ({nearest}) n join target t using (index_id)
order by (n.cosine - t.floor) / (t.ceiling - t.floor) desc limit {candidates}),
"""

# `ts_filter` leaves only the question's words of a chunk, before its lexemes become rows.
BM25: LiteralString = """bm25 as materialized (
select k.id, sum(w.idf * cardinality(u.positions) * 2.2 / (cardinality(u.positions)
+ 1.2 * (.25 + .75 * k.lexeme_count / t.mean_length))) as score, sum(w.idf) as matched
from total t cross join (select array_agg(lexeme) as lexemes from word) asked cross join candidate c
join knowledge_chunk k using (id)
cross join unnest(ts_filter(setweight(k.lexemes, 'A', asked.lexemes), '{{a}}')) u join word w using (lexeme)
group by k.id),
"""
NO_BM25: LiteralString = """bm25 as (select null::bigint as id, 0 as score, 0 as matched where false),
mass as (select 1 as mass),
"""

SCORED: LiteralString = """measured as (
select k.id, k.index_id, t.weight,
least(1, greatest(0, (1 - (k.embedding <=> t.vector) - t.floor) / (t.ceiling - t.floor))) as meaning,
coalesce(b.score / nullif(max(b.score) over (), 0) * least(1, max(b.matched) over () / m.mass), 0) as words
from candidate c join knowledge_chunk k using (id) join target t on t.index_id = k.index_id
cross join mass m left join bm25 b using (id)),
scored as (
select id, index_id, meaning, words, t.weight * coalesce(meaning, 0) + (1 - t.weight) * words as score from measured t),
ranked as (
select *, row_number() over (order by score desc, id) as place,
case when meaning is not null then rank() over (order by meaning desc nulls last) end as meaning_place,
case when words > 0 then rank() over (order by words desc) end as words_place from scored)
select r.id, r.index_id, r.score, r.meaning, r.words, r.meaning_place, r.words_place,
d.id, d.remote_id, d.title, d.url, k.text, k.heading, k.page,
d.page_starts[k.page + 1 : width_bucket(k."end" - 1, d.page_starts)], k.start, k."end", d.content_hash, k.token_count
from ranked r left join knowledge_chunk k on k.id = case when r.place <= %(limit)s then r.id end
left join knowledge_document d on d.id = k.document_id
order by r.place"""


@dataclass(frozen=True)
class Part:
    """What the statement must know of one generation while it is written."""

    index_id: int
    dimensions: int
    is_exact: bool
    # The candidates were found elsewhere, and are bound to the statement.
    is_given: bool = False


@lru_cache(maxsize=256)
def unrestricted(mode: Mode, parts: tuple[Part, ...], *, wording: Wording, candidates: int = CANDIDATES) -> bytes:
    """The search over all documents, as sent: writing it takes longer than many a search."""
    return search(mode, parts, wording=wording, candidates=candidates)


def search(
    mode: Mode,
    parts: Sequence[Part],
    *,
    wording: Wording,
    condition: Condition | None = None,
    candidates: int = CANDIDATES,
    near: int | None = None,
) -> bytes:
    """The search, limited to the documents that fit the condition; so many `candidates` by words, `near` by meaning."""
    texts: list[sql.Composable] = [_target(mode, parts)]
    if condition is not None and any(part.is_exact for part in parts):
        texts.insert(0, _documents_in_scope(condition))
    if mode != "meaning":
        texts += [_asked(wording, parts), _words(parts), _by_words(parts, condition, candidates=candidates)]
    if mode != "words":
        nearest = _nearest(parts, condition, candidates=near or candidates)
        texts.append(sql.SQL(BY_MEANING).format(nearest=nearest, candidates=sql.Literal(candidates)))
    return _scored(mode, texts)


def search_found(mode: Mode, parts: Sequence[Part], *, wording: Wording, candidates: int = CANDIDATES) -> bytes:
    """The search among the chunks of some documents, which are bound as `scope`."""
    texts: list[sql.Composable] = [sql.SQL(SCOPE_AS_FOUND), _target(mode, parts)]
    if mode != "meaning":
        texts += [_asked(wording, parts), _words(parts)]
    cosine = sql.SQL("null::float8" if mode == "words" else COSINE)
    rank = sql.SQL("null::float4" if mode == "meaning" else RANK)
    texts.append(sql.SQL(SCOPED).format(cosine=cosine, rank=rank))
    ways = {"words": SCOPED_BY_WORDS, "meaning": SCOPED_BY_MEANING}
    chosen = ways.values() if mode == "hybrid" else [ways[mode]]
    texts += [sql.SQL(way).format(candidates=sql.Literal(candidates)) for way in chosen]
    return _scored(mode, texts)


def _scored(mode: Mode, texts: Sequence[sql.Composable]) -> bytes:
    scores = [_candidates(mode), sql.SQL(NO_BM25 if mode == "meaning" else BM25).format(), sql.SQL(SCORED)]
    return (sql.SQL("with ") + sql.Composed([*texts, *scores])).as_bytes(None)


def count(condition: Condition, *, is_named: bool) -> bytes:
    """How many documents of each generation fit the condition, and if wanted which, where they are less than `most`."""
    fitting = sql.SQL(FITTING if condition.has_fields else FITTING_DOCUMENTS)
    found = fitting.format(entries=_entries("g.id"), condition=condition.sql)
    documents = sql.SQL(DOCUMENTS if is_named else "null")
    return sql.SQL(COUNT).format(fitting=found, documents=documents).as_bytes(None)


def sampled(index_id: int, *, source_id: int, condition: Condition, percent: float) -> bytes:
    """How many documents fit the condition in so many hundredths of the ledger."""
    sample = sql.SQL(SAMPLE).format(percent=sql.Literal(percent))
    if not condition.has_fields:
        text = sql.SQL(SAMPLED_DOCUMENTS)
        return text.format(sample=sample, source=sql.Literal(source_id), condition=condition.sql).as_bytes(None)
    entries = sql.SQL(ENTRIES).format(sample=sample, index=sql.Literal(index_id))
    return sql.SQL(SAMPLED).format(entries=entries, condition=condition.sql).as_bytes(None)


def shown(index_id: int, condition: Condition) -> bytes:
    """How many of the chunks `near` fit the condition."""
    text = sql.SQL(SHOWN).format(index=sql.Literal(index_id), scope=_scope(condition, is_narrow=False))
    return text.as_bytes(None)


def vector_name(part: Part) -> str:
    return f"vector_{part.index_id}"


def near_name(index_id: int) -> str:
    return f"near_{index_id}"


def _target(mode: Mode, parts: Sequence[Part]) -> sql.Composed:
    row = sql.SQL("({index}, {vector}::halfvec, {weight}::float8, {floor}::float8, {ceiling}::float8)")
    rows = [
        row.format(
            index=sql.Literal(part.index_id),
            vector=sql.SQL("null") if mode == "words" else sql.Placeholder(vector_name(part)),
            **{name: sql.Placeholder(f"{name}_{part.index_id}") for name in ("weight", "floor", "ceiling")},
        )
        for part in parts
    ]
    return sql.SQL(TARGET).format(rows=sql.SQL(", ").join(rows))


def _nearest(parts: Sequence[Part], condition: Condition | None, *, candidates: int) -> sql.Composed:
    found = [_nearest_in(part, condition, candidates=candidates) for part in parts]
    return sql.SQL(" union all ").join(found)


def _nearest_in(part: Part, condition: Condition | None, *, candidates: int) -> sql.Composed:
    vector, scope = sql.Placeholder(vector_name(part)), _scope(condition, is_narrow=part.is_exact)
    if part.is_given:
        near = sql.Placeholder(near_name(part.index_id))
        return pgvector.among(part.index_id, near=near, vector=vector, scope=scope, limit=candidates)
    return pgvector.nearest(
        part.index_id,
        dimensions=part.dimensions,
        vector=vector,
        is_exact=part.is_exact,
        scope=scope,
        limit=candidates,
    )


def _asked(wording: Wording, parts: Sequence[Part]) -> sql.Composed:
    asked: dict[Wording, LiteralString] = {
        "one language": ASKED_IN_ONE_LANGUAGE,
        "several languages": ASKED_IN_SEVERAL_LANGUAGES,
        "single characters": ASKED_BY_SINGLE_CHARACTERS,
    }
    return sql.SQL(asked[wording]).format(indexes=_indexes(parts), most_words=sql.Literal(MOST_WORDS))


def _words(parts: Sequence[Part]) -> sql.Composed:
    return sql.SQL(WORDS).format(most_words=sql.Literal(MOST_WORDS), indexes=_indexes(parts))


def _by_words(parts: Sequence[Part], condition: Condition | None, *, candidates: int) -> sql.Composed:
    return sql.SQL(BY_WORDS).format(
        most_rows=sql.Literal(MOST_RANKED_ROWS),
        candidates=sql.Literal(candidates),
        indexes=_indexes(parts),
        scope=_scope(condition, is_narrow=any(part.is_exact for part in parts)),
    )


def _indexes(parts: Sequence[Part]) -> sql.Composed:
    return sql.SQL(", ").join([sql.Literal(part.index_id) for part in parts])


def _scope(condition: Condition | None, *, is_narrow: bool) -> sql.Composable:
    if condition is None:
        return sql.SQL("")
    if is_narrow:
        return sql.SQL(NARROW)
    text = sql.SQL(WIDE if condition.has_fields else WIDE_OF_DOCUMENTS)
    return text.format(condition=condition.sql, entries=_entries("c.index_id"))


def _documents_in_scope(condition: Condition) -> sql.Composable:
    text = sql.SQL(SCOPE if condition.has_fields else SCOPE_OF_DOCUMENTS)
    return text.format(condition=condition.sql, entries=_entries("any(%(indexes)s)"))


def _entries(index: LiteralString) -> sql.Composable:
    return sql.SQL(ENTRIES).format(sample=sql.SQL(""), index=sql.SQL(index))


def _candidates(mode: Mode) -> sql.Composable:
    both = "select id from by_meaning union select id from by_words"
    chosen: dict[Mode, LiteralString] = {
        "hybrid": both,
        "meaning": "select id from by_meaning",
        "words": "select id from by_words",
    }
    return sql.SQL("candidate as materialized ({}),\n").format(sql.SQL(chosen[mode]))
