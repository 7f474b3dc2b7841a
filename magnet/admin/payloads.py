"""What a span kept of its input and output, as panels that people read: messages, passages, tables, facts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from magnet.admin.naming import Name

MAX_ROWS = 100
MAX_TEXT = 20_000
ROLES = {
    "system": gettext_lazy("Instructions"),
    "user": gettext_lazy("Said to the model"),
    "assistant": gettext_lazy("Model"),
    "tool": gettext_lazy("Tool"),
}
HEADERS = {
    "chunk_id": gettext_lazy("Document · chunk"),
    "source": gettext_lazy("Source"),
    "score": gettext_lazy("Score"),
    "semantic_score": gettext_lazy("Meaning"),
    "word_score": gettext_lazy("Words"),
    "semantic_place": gettext_lazy("Place by meaning"),
    "word_place": gettext_lazy("Place by words"),
}


@dataclass(frozen=True)
class Known:
    """What things are called that payloads name by number or slug, and which chunks became passages (`numbers`)."""

    chunks: Mapping[Any, Name] = field(default_factory=dict)
    sources: Mapping[Any, Name] = field(default_factory=dict)
    models: Mapping[Any, Name] = field(default_factory=dict)
    numbers: Mapping[Any, Any] = field(default_factory=dict)


NOTHING_KNOWN = Known()


@dataclass(frozen=True)
class Panel:
    """`kind` chooses how it is drawn: text, messages, passages, table or facts."""

    kind: str
    title: str
    items: Any


def panels_of(value: Any, *, title: str, known: Known = NOTHING_KNOWN) -> Iterator[Panel]:
    """Panels for one payload; nothing for an empty one."""
    if value in (None, "", {}, []):
        return
    if not isinstance(value, Mapping):
        yield Panel("text", title, clipped(value))
        return
    rest = dict(value)
    if messages := rest.pop("messages", None):
        yield Panel("messages", title, [message_of(message) for message in messages])
    if passages := rest.pop("passages", None):
        yield Panel("passages", title, [passage_of(passage) for passage in passages])
    if "columns" in rest and "candidates" in rest:
        yield Panel("table", _("Candidates, best first"), table_of(rest.pop("columns"), rest.pop("candidates"), known))
    if text := rest.pop("text", None):
        yield Panel("text", title, clipped(text))
    facts = [(key.replace("_", " "), clipped(plain(item))) for key, item in rest.items() if item not in (None, "", [])]
    if facts:
        yield Panel("facts", title, facts)


def message_of(message: Any) -> dict[str, str]:
    role = str(message.get("role", "")) if isinstance(message, Mapping) else ""
    text = message.get("text", "") if isinstance(message, Mapping) else message
    return {"role": str(ROLES.get(role, role)), "text": clipped(text)}


def passage_of(passage: Any) -> dict[str, Any]:
    document = passage.get("document") or {}
    # The hash is the text's of that day: the page says when the document has changed since.
    at = {"start": int(passage.get("start") or 0), "end": int(passage.get("end") or 0)}
    place = f"?{urlencode({**at, 'hash': passage.get('content_hash') or ''})}#passage"
    url = reverse("admin:knowledge_document_change", args=[document["id"]]) + place if document.get("id") else ""
    return {
        "number": passage.get("number"),
        "title": document.get("title") or document.get("remote_id") or "",
        "heading": passage.get("heading") or "",
        "text": clipped(passage.get("text", "")),
        "score": passage.get("score"),
        "url": url,
    }


def table_of(columns: Sequence[Any], rows: Sequence[Sequence[Any]], known: Known) -> dict[str, Any]:
    return {
        "headers": [HEADERS.get(str(column), str(column).replace("_", " ")) for column in columns],
        "rows": [
            [named_cell(column, cell, known) for column, cell in zip(columns, row, strict=False)]
            for row in rows[:MAX_ROWS]
        ],
        "more": max(len(rows) - MAX_ROWS, 0),
    }


def named_cell(column: Any, cell: Any, known: Known) -> dict[str, Any]:
    """What a cell says, where it leads, and the number of the passage that the chunk became."""
    if column == "chunk_id":
        # Chunks of a changed document are new ones, so nobody can tell any more which of the two it was.
        gone = Name(_("a document that was changed or deleted since"))
        name = known.chunks.get(cell, gone)
        return {"text": name.label, "url": name.url, "number": known.numbers.get(cell)}
    if column == "source":
        name = known.sources.get(cell, Name(str(cell)))
        return {"text": name.label, "url": name.url}
    return {"text": cell_of(cell)}


def cell_of(cell: Any) -> str:
    return "–" if cell is None else f"{cell:.3f}" if isinstance(cell, float) else str(cell)


def plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {plain(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(plain, value))
    return cell_of(value)


def clipped(value: Any) -> str:
    text = value if isinstance(value, str) else plain(value)
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…"
