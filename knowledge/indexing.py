"""Documents become chunks: fetch, read, cut, embed, and replace each document in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
import structlog
from django.db import DatabaseError, InterfaceError, OperationalError
from psycopg.errors import ProgramLimitExceeded

from knowledge import contexts, ledger, originals, run_log
from knowledge.chunk_writer import replace as write
from knowledge.connectors.base import Connector
from knowledge.contexts import PlacedChunk
from knowledge.cutting import HARMLESS, Bill, vector_key
from knowledge.ledger import Failure
from knowledge.models import Chunk, IndexedDocument, KnowledgeIndex
from knowledge.prepared import Prepared, prepare, replacement
from knowledge.side_by_side import SideBySide
from knowledge.stored_texts import StoredTexts, texts_of
from magnet import gateway
from magnet.errors import MagnetError, NotConfigured, ProviderError, StorageFull

log = structlog.get_logger(__name__)

# Chunks that are embedded and written together: enough for full batches, few enough to stay small in memory.
CHUNKS_AT_ONCE = 400
# Where a model is asked for each chunk, less is in flight, and less is lost.
CHUNKS_IN_CONTEXT_AT_ONCE, DOCUMENTS_IN_CONTEXT_AT_ONCE = 64, 16


@dataclass
class Outcome(Bill):
    """What one batch did and cost, to be added to its run."""

    done: int = 0
    failed: int = 0
    embedded: int = 0
    reused: int = 0

    def add(self, other: Outcome) -> None:
        for name in vars(other):
            setattr(self, name, getattr(self, name) + getattr(other, name))


def index_documents(
    index: KnowledgeIndex,
    entries: Sequence[IndexedDocument],
    *,
    connector: Connector | None,
    token: UUID,
    outcome: Outcome | None = None,
) -> Outcome:
    """Bring leased documents up to date. A failed one is noted in the ledger and never stops the others.

    Without a connector nothing is fetched and no document changes: their stored texts are cut for this generation.
    Where no document is to blame it raises: ProviderError for a provider that takes no text at all, StorageFull for a
    full disk. `outcome` tells what was done until then.
    """
    outcome, written = outcome or Outcome(), Outcome()
    unchanged: list[IndexedDocument] = []
    waiting: list[Prepared] = []
    stored = texts_of([entry.document for entry in entries], connector=connector)
    try:
        with SideBySide() as writer:
            for entry in entries:
                prepared = _prepare(index, entry, connector=connector, stored=stored, token=token, outcome=outcome)
                if prepared is None:
                    continue
                if prepared.is_unchanged:
                    unchanged.append(entry)
                    continue
                waiting.append(prepared)
                if sum(len(item.pieces) for item in waiting) >= chunks_at_once(index):
                    writer.begin(partial(_embed_and_write, index, waiting, token=token, outcome=written))
                    waiting = []
            writer.wait()
            if waiting:
                _embed_and_write(index, waiting, token=token, outcome=written)
    finally:
        outcome.add(written)
    outcome.done += ledger.confirm(unchanged, token=token)
    return outcome


def chunks_at_once(index: KnowledgeIndex) -> int:
    return CHUNKS_IN_CONTEXT_AT_ONCE if index.context_model_id else CHUNKS_AT_ONCE


def documents_at_once(index: KnowledgeIndex, *, most: int) -> int:
    """How many documents a step should claim at a time, at most `most`."""
    return min(most, DOCUMENTS_IN_CONTEXT_AT_ONCE) if index.context_model_id else most


# -- Fetch and read ------------------------------------------------------------------------------------------------


def _prepare(
    index: KnowledgeIndex,
    entry: IndexedDocument,
    *,
    connector: Connector | None,
    stored: StoredTexts,
    token: UUID,
    outcome: Outcome,
) -> Prepared | None:
    try:
        return prepare(index, entry, connector=connector, stored=stored, bill=outcome)
    except (StorageFull, NotConfigured, OperationalError, InterfaceError):
        # No document is to blame for what the operator has to mend, nor for a fault of the database.
        raise
    except ProviderError as error:
        # A chunker that embeds asks the provider, too.
        if not _takes_other_texts(index, error):
            raise
        failure = Failure.of(error)
    except MagnetError as error:
        failure = Failure.of(error)
    except Exception:
        # A document must never stop the others, whatever a parser makes of it.
        log.exception("document_crashed_its_reader", document=str(entry.document_id))
        failure = Failure(
            "reader_crashed", "The file could not be read: its reader stopped with an error. It may be damaged.", False
        )
    ledger.fail(entry, failure, token=token)
    outcome.failed += 1
    return None


# -- Embed and write -----------------------------------------------------------------------------------------------


def _embed_and_write(
    index: KnowledgeIndex,
    batch: list[Prepared],
    *,
    token: UUID,
    outcome: Outcome,
    bought: dict[bytes, Any] | None = None,
) -> None:
    """One that the provider or the database refuses fails alone: the halves of a refused batch are tried again."""
    if bought is None:
        bought, batch = {}, _in_context(index, batch, token=token, outcome=outcome)
    try:
        # A row must not refer to a file that a power cut could take away.
        originals.flush(item.columns["file"] for item in batch if item.columns.get("file"))
        vectors = _vectors(index, batch, outcome=outcome, bought=bought)
        outcome.done += write(index, [replacement(item, vectors) for item in batch], token=token)
        keys = [key for item in batch for key in item.keys]
        outcome.reused += len(keys) - len(bought.keys() & set(keys))
        return
    except ProviderError as error:
        if not _takes_other_texts(index, error):
            raise
        failure = Failure.of(error)
    except DatabaseError as error:
        if not is_about_the_rows(error):
            raise
        failure = Failure("unstorable", f"The database cannot hold this document: {said(error)}.", False)
    if len(batch) == 1:
        ledger.fail(batch[0].entry, failure, token=token)
        outcome.failed += 1
        return
    for half in (batch[: len(batch) // 2], batch[len(batch) // 2 :]):
        _embed_and_write(index, half, token=token, outcome=outcome, bought=bought)


def _in_context(index: KnowledgeIndex, batch: list[Prepared], *, token: UUID, outcome: Outcome) -> list[Prepared]:
    """With a line of context for each piece, where the generation has a model for it."""
    if index.context_model_id is None:
        return batch
    asked = [
        PlacedChunk(item.entry.document_id, item.title, piece.heading, item.extract.text, piece.start, piece.end)
        for item in batch
        for piece in item.pieces
        if not item.given
    ]
    lines = iter(contexts.lines(index, asked, bill=outcome))
    done = []
    for item in batch:
        if not item.given:
            item = replace(item, contexts=[next(lines) for _ in item.pieces])
            model, text = index.embedding_model, item.extract.text
            pieces = zip(item.headers(), item.pieces, strict=True)
            keys = [vector_key(model, header=head, text=text[piece.start : piece.end]) for head, piece in pieces]
            item = replace(item, keys=keys)
            run_log.say_without_context(item.entry.document, item.contexts.count(""), token=token)
        done.append(item)
    return done


def _takes_other_texts(index: KnowledgeIndex, error: ProviderError) -> bool:
    """Whether these texts are to blame, or one of them. A harmless text tells, where the error itself does not."""
    if contexts.is_out_of_reach(error):
        return False
    try:
        gateway.run_from_sync(gateway.embed(index.embedding_model, [HARMLESS], purpose="document"))
    except ProviderError:
        return False
    return True


def is_about_the_rows(error: DatabaseError) -> bool:
    """Whether the database refuses what it was given (a text with too many words), rather than failing itself."""
    return isinstance(error.__cause__, psycopg.DataError | psycopg.IntegrityError | ProgramLimitExceeded)


def said(error: DatabaseError) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")


def _vectors(
    index: KnowledgeIndex, batch: list[Prepared], *, outcome: Outcome, bought: dict[bytes, Any]
) -> dict[bytes, Any]:
    """A vector for each key: kept ones are used again, only the others are bought, each once (`bought`)."""
    texts = {key: text for item in batch for key, text in zip(item.keys, item.texts(), strict=True)}
    known = dict(
        Chunk.objects.filter(index__source_id=index.source_id, vector_key__in=list(texts))
        .exclude(embedding=None)
        .values_list("vector_key", "embedding")
    )
    given = {key: vector for item in batch for key, vector in item.given.items()}
    vectors: dict[bytes, Any] = {**bought, **{bytes(key): value for key, value in known.items()}, **given}
    missing = [key for key in texts if key not in vectors]
    if missing:
        embeddings = gateway.run_from_sync(
            gateway.embed(index.embedding_model, [texts[key] for key in missing], purpose="document")
        )
        bought.update(zip(missing, embeddings.vectors, strict=True))
        vectors.update(bought)
        outcome.embedded += len(missing)
        outcome.tokens += embeddings.usage.input_tokens
        outcome.cost += index.embedding_model.cost(embeddings.usage)
    return vectors
