"""Conversations handed out whole, as JSON or as a table, a few at a time and without holding a connection."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncGenerator, Iterable
from typing import Any, Literal
from uuid import UUID

from django.db.models import QuerySet

from conversations import finding
from conversations.models import Conversation, Message
from conversations.schemas import show_conversation, show_message
from magnet.database import in_database
from magnet.web.problems import plain_json

Format = Literal["json", "csv"]
BATCH = 50
COLUMNS = (
    "conversation_id", "agent", "user", "title", "position", "role", "status", "text", "topic", "model", "cost",
    "trace_id", "created_at",
)  # fmt: skip
# A cell that begins so is a formula to a spreadsheet.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


async def export(rows: QuerySet[Conversation], *, format: Format) -> AsyncGenerator[str, None]:
    """Newest first; a conversation that is added meanwhile is left out, and none stands there twice."""
    ids = await in_database(lambda: list(rows.order_by("-pk").values_list("pk", flat=True)))
    batches = [ids[start : start + BATCH] for start in range(0, len(ids), BATCH)]
    yield _row_of_names() if format == "csv" else '{"conversations": ['
    is_first = True
    for batch in batches:
        for conversation, messages in await in_database(_read, batch):
            if format == "csv":
                yield _as_table(conversation, messages)
            else:
                yield ("" if is_first else ",") + _as_json(conversation, messages)
            is_first = False
    if format == "json":
        yield "]}"


def _read(ids: list[UUID]) -> list[tuple[Conversation, list[Message]]]:
    rows = Conversation.objects.filter(pk__in=ids).select_related("analysis").order_by("-pk")
    said: dict[UUID, list[Message]] = {}
    messages = Message.objects.filter(conversation__in=ids).defer("paused").prefetch_related("confirmations")
    for message in messages.order_by("conversation", "position"):
        said.setdefault(message.conversation_id, []).append(message)
    found = [(row, said.get(row.pk, [])) for row in rows]
    for row, written in found:
        finding.hide(row, written)
    return found


def _as_json(conversation: Conversation, messages: Iterable[Message]) -> str:
    shown = show_conversation(conversation).model_dump(mode="json")
    shown["messages"] = [show_message(message).model_dump(mode="json") for message in messages]
    return json.dumps(shown, ensure_ascii=False, default=plain_json)


def _row_of_names() -> str:
    return _line(COLUMNS)


def _as_table(conversation: Conversation, messages: Iterable[Message]) -> str:
    about = {
        "conversation_id": conversation.pk,
        "agent": conversation.agent_slug,
        "user": conversation.person,
        "title": conversation.title,
    }
    return "".join(_line([_cell(message, about, name) for name in COLUMNS]) for message in messages)


def _cell(message: Message, about: dict[str, Any], name: str) -> str:
    value = about[name] if name in about else getattr(message, name)
    text = "" if value is None else plain_json(value) if not isinstance(value, str | int) else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def _line(cells: Iterable[str]) -> str:
    written = io.StringIO()
    csv.writer(written).writerow(cells)
    return written.getvalue()
