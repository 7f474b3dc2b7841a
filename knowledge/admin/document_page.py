"""What the page of one document shows: its text in parts, its chunks, and the passage that a citation names."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from knowledge.admin.metadata_form import form_for
from knowledge.admin.reading import Mark, Part, part_of, rendered
from knowledge.metadata_fields import mapping_of, typed
from knowledge.models import Chunk, Document, IndexedDocument, KnowledgeIndex
from magnet.models import Trace

# The side list of a part; a part has about this many chunks at most.
MAX_CHUNKS = 400
MAX_ANSWERS = 5


def document_context(request: HttpRequest, document: Document) -> dict[str, Any]:
    passage = asked_passage(request, document)
    wanted = number(request.GET.get("part", ""))
    part = part_of(len(document.text), wanted=wanted, passage=passage)
    index = document.source.live_index
    chunks = chunks_of(document, part, index=index)
    return {
        "entry": IndexedDocument.objects.filter(document=document, index=index).first(),
        **fields_of(document, index=index),
        "chunks": chunks,
        "part": part,
        "passage": passage,
        "chosen": chosen_chunk(request.GET.get("chunk", ""), document),
        "html": rendered(
            document.text[part.start : part.end],
            marks=[mark_of(chunk, part) for chunk in chunks],
            passage=(passage[0] - part.start, passage[1] - part.start) if passage else None,
        ),
        "metadata": [(key, plain(value)) for key, value in document.metadata.items()],
        "form": form_for(document.source, stored=document.metadata) if document.source.is_pushed else None,
        "answers": answers_with(document) if request.user.has_perm("magnet.view_trace") else [],
        # A link of a document is a link of somebody else's making.
        "is_web_address": document.url.startswith(("https://", "http://")),
        "has_changed": bool(request.GET.get("hash")) and request.GET["hash"] != document.content_hash,
    }


def answers_with(document: Document) -> list[Trace]:
    """The last answers whose passages it gave."""
    rows = Trace.objects.filter(documents__contains=[document.pk]).exclude(summary="")
    return list(rows.only("pk", "summary", "started_at").order_by("-started_at")[:MAX_ANSWERS])


def fields_of(document: Document, *, index: KnowledgeIndex | None) -> dict[str, Any]:
    """What filters see of the document where its metadata is mapped, and what does not fit the mapping."""
    mapping = mapping_of(index.metadata_fields) if index else ()
    if not mapping:
        return {"fields": [], "unfit": []}
    seen = typed(document.metadata, mapping)
    rows = [(field.name, field.type, plain(seen.fields[field.name])) for field in mapping if field.name in seen.fields]
    return {"fields": rows, "unfit": [str(one) for one in seen.unfit], "is_mapped": True}


def asked_passage(request: HttpRequest, document: Document) -> tuple[int, int] | None:
    """`?chunk=ID`, or `?start=…&end=…` in characters of the text; None where they name nothing in it."""
    chunk_id, start, end = (number(request.GET.get(name, "")) for name in ("chunk", "start", "end"))
    if chunk_id is not None:
        chunk = Chunk.objects.filter(pk=chunk_id, document=document).only("start", "end").first()
        if chunk is not None:
            return chunk.start, chunk.end
    if start is not None and end is not None and start < min(end, len(document.text)):
        return start, min(end, len(document.text))
    return None


def chosen_chunk(said: str, document: Document) -> Chunk | None:
    pk = number(said)
    return None if pk is None else Chunk.objects.filter(pk=pk, document=document, index__status="live").first()


def number(said: str) -> int | None:
    return int(said) if said.isdecimal() and len(said) < 19 else None


def chunks_of(document: Document, part: Part, *, index: KnowledgeIndex | None) -> list[Any]:
    rows = Chunk.objects.filter(document=document, index=index, start__lt=max(part.end, 1), end__gt=part.start)
    shown = ("id", "position", "heading", "page", "start", "end", "token_count", "document_id", "is_disabled")
    return list(rows.only(*shown).order_by("position")[:MAX_CHUNKS])


def mark_of(chunk: Any, part: Part) -> Mark:
    return Mark(max(chunk.start - part.start, 0), chunk.end - part.start, label_of(chunk))


def label_of(chunk: Any) -> str:
    parts = [_("Chunk %(n)d") % {"n": chunk.position + 1}, chunk.heading]
    if chunk.page:
        parts.append(_("page %(n)d") % {"n": chunk.page})
    parts.append(_("%(n)d tokens") % {"n": chunk.token_count})
    if chunk.is_disabled:
        parts.append(_("disabled"))
    return " · ".join(part for part in parts if part)


def plain(value: Any) -> str:
    """A metadata value as people write it."""
    if isinstance(value, list):
        return ", ".join(map(plain, value))
    if isinstance(value, dict):
        return "; ".join(f"{key}: {plain(item)}" for key, item in value.items())
    return _("yes") if value is True else _("no") if value is False else "–" if value is None else str(value)
