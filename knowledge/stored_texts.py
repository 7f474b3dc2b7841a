"""The texts of claimed documents, a few megabytes at a time: one by one takes long, all at once takes much memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Case, F, Func, IntegerField, TextField, Value, When
from django.db.models.functions import Coalesce

from knowledge.connectors.base import Connector
from knowledge.models import Document

MOST_BYTES_AT_ONCE = 4 * 1024 * 1024


@dataclass(frozen=True)
class StoredText:
    """What a document says: uploaded and not indexed yet (`incoming`), or as it was indexed last."""

    incoming: str | None
    text: str
    page_starts: tuple[int, ...]


NOTHING = StoredText(None, "", ())


def texts_of(documents: Sequence[Document], *, connector: Connector | None) -> StoredTexts:
    """The texts of those documents that are neither fetched nor read from a file; without a connector, of all."""
    is_pushed = connector is not None and connector.is_pushed
    wanted = [document for document in documents if connector is None or is_pushed or is_read(document)]
    return StoredTexts(wanted, incoming=is_pushed)


def is_read(document: Document) -> bool:
    """Whether the text of its newest content is stored."""
    return document.fetched_version == document.version and bool(document.content_hash)


class StoredTexts:
    """Give them out in the order of `documents`; with `incoming`, what was uploaded since comes first."""

    def __init__(self, documents: Sequence[Document], *, incoming: bool) -> None:
        self.waiting = [document.pk for document in documents]
        self.incoming = incoming
        self.sizes: dict[UUID, int] | None = None
        self.held: dict[UUID, StoredText] = {}

    def take(self, document: Document) -> StoredText:
        """The text of a document, empty where it was deleted meanwhile."""
        if document.pk not in self.held:
            self.held = self._load(document.pk)
        return self.held.pop(document.pk, NOTHING)

    def _load(self, first: UUID) -> dict[UUID, StoredText]:
        wanted = self._next(first)
        incoming, text = (F("incoming_text"), TEXT_UNLESS_NEW) if self.incoming else (NO_TEXT, F("text"))
        rows = Document.objects.filter(pk__in=wanted).values_list("pk", incoming, text, "page_starts")
        return {pk: StoredText(new, old, tuple(starts)) for pk, new, old, starts in rows}

    def _next(self, first: UUID) -> list[UUID]:
        """The first one, and as many behind it as are small enough together."""
        sizes = self._sizes()
        start = self.waiting.index(first)
        size, stop = sizes.get(first, 0), start + 1
        while stop < len(self.waiting) and size + sizes.get(self.waiting[stop], 0) <= MOST_BYTES_AT_ONCE:
            size += sizes.get(self.waiting[stop], 0)
            stop += 1
        return self.waiting[start:stop]

    def _sizes(self) -> dict[UUID, int]:
        if self.sizes is None:
            # What PostgreSQL knows without reading the text.
            size = Coalesce(bytes_of("incoming_text"), bytes_of("text")) if self.incoming else bytes_of("text")
            self.sizes = dict(Document.objects.filter(pk__in=self.waiting).values_list("pk", size))
        return self.sizes


def bytes_of(column: str) -> Func:
    return Func(F(column), function="octet_length", output_field=IntegerField())


TEXT_UNLESS_NEW = Case(When(incoming_text=None, then="text"), default=Value(""), output_field=TextField())
NO_TEXT = Value(None, output_field=TextField())
