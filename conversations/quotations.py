"""When a document is deleted, its texts go from what agents have found and shown; what they have said stays.

Answers already given stay until their retention, as figures and links do; passages, results of calls and events that
may quote the document are emptied.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone

from conversations import endings
from conversations.endings import Outcome
from conversations.models import Message, TurnEvent
from knowledge.models import Document
from magnet.errors import Conflict

# What may quote a document, by the name of the event.
QUOTING = ("passages", "tool_result", "completed")
LATE, BATCH = timedelta(days=2), 500
GONE = "A document that this turn has read was deleted meanwhile, so it cannot go on. Ask again."


def blank(documents: Sequence[UUID]) -> int:
    """Empty what quotes these documents, in the transaction that deletes them; returns in how many messages."""
    wanted = set(documents)
    ids = list(Message.objects.filter(documents__overlap=list(documents)).order_by("pk").values_list("pk", flat=True))
    for message_id in ids:
        _blank_message(message_id, wanted)
    return len(ids)


def blank_late() -> int:
    """Empty what was written of documents after they were deleted, because a turn was on its way meanwhile."""
    recent = Message.objects.filter(created_at__gte=timezone.now() - LATE).exclude(documents=[])
    named = {document for documents in recent.values_list("documents", flat=True).iterator() for document in documents}
    there: set[UUID] = set()
    asked = sorted(named)
    for start in range(0, len(asked), BATCH):
        there.update(Document.objects.filter(id__in=asked[start : start + BATCH]).values_list("id", flat=True))
    gone = sorted(named - there)
    unblanked = recent.filter(documents__overlap=gone, is_blanked=False) if gone else Message.objects.none()
    return blank(gone) if unblanked.exists() else 0


def _blank_message(message_id: UUID, documents: Collection[UUID]) -> None:
    message = endings.locked(message_id)
    if message is None:
        return
    if message.status == Message.Status.AWAITING_CONFIRMATION:
        # What it would go on with holds the text.
        endings.end(message_id, Outcome.failed(Conflict(GONE)))
        message.refresh_from_db()
    message.passages = [emptied(passage, documents) for passage in message.passages]
    message.steps = [{**step, "result": ""} for step in message.steps]
    message.is_blanked = True
    message.save(update_fields=["passages", "steps", "is_blanked"])
    for event in TurnEvent.objects.filter(message=message, name__in=QUOTING):
        event.data = _emptied_event(event.data, documents)
        event.save(update_fields=["data"])


def _emptied_event(data: Mapping[str, Any], documents: Collection[UUID]) -> dict[str, Any]:
    kept = dict(data)
    if "passages" in kept:
        kept["passages"] = [emptied(passage, documents) for passage in kept["passages"]]
    if "steps" in kept:
        kept["steps"] = [{**step, "result": ""} for step in kept["steps"]]
    # Of a tool's result only; `completed` says with its text what was answered, and that stays.
    if "call_id" in kept and "text" in kept:
        kept["text"] = ""
    return kept


def emptied(passage: Mapping[str, Any], documents: Collection[UUID]) -> dict[str, Any]:
    """The passage without its text where it quotes one of these documents; its place stays."""
    document = passage.get("document") or {}
    if str(document.get("id", "")) not in {str(each) for each in documents}:
        return dict(passage)
    return {**passage, "text": "", "heading": "", "document": {**document, "title": "", "url": "", "remote_id": ""}}
