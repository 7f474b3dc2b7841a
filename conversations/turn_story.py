"""What a turn has told so far: what of it is still to be written, and what becomes of its message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from conversations.endings import Outcome
from conversations.models import Message
from magnet.errors import MagnetError
from magnet.ids import uuid7
from magnet.web.streaming import Event

# What `completed` says that stands in columns of the message.
COLUMNS = ("text", "topic", "steps", "passages", "usage", "model", "duration_ms", "stopped_by")


class Story:
    def __init__(self, said_before: str = "") -> None:
        self._waiting: list[Event] = []
        self._taken = 0
        self._documents: set[UUID] = set()
        self._documents_taken: set[UUID] = set()
        self._texts: list[str] = [said_before]
        self._confirmations: list[dict[str, Any]] = []
        self._known: dict[str, Any] = {}
        self._completed: Mapping[str, Any] | None = None

    def take(self, event: Event) -> None:
        if event.name == "completed":
            # It is written with the message, in one transaction.
            self._completed = event.data
            return
        if event.name == "text":
            self._texts.append(str(event.data.get("text", "")))
        elif event.name == "started":
            self._known = {name: event.data[name] for name in ("trace_id", "version", "model") if name in event.data}
        elif event.name == "topic" and event.data.get("kind") == "topic":
            self._known["topic"] = event.data.get("key", "")
        elif event.name == "confirmation":
            event = Event("confirmation", {"id": str(uuid7()), **event.data})
            self._confirmations.append(event.data)
        self._documents |= documents_in(event.data.get("passages", ()))
        self._waiting.append(event)

    # -- What is still to be written -------------------------------------------------------------------------------

    def unwritten(self) -> tuple[list[Event], list[UUID]]:
        """The events that wait, neighbouring texts joined, and whose documents' text stands in them."""
        self._taken, self._documents_taken = len(self._waiting), set(self._documents)
        return joined(self._waiting), sorted(self._documents)

    def note_written(self) -> None:
        """What `unwritten` has said is written; other events may have come since."""
        del self._waiting[: self._taken]
        self._documents -= self._documents_taken
        self._taken, self._documents_taken = 0, set()

    # -- What became of it -----------------------------------------------------------------------------------------

    def outcome(self) -> Outcome:
        if self._completed is None:
            return self.failed(MagnetError("The answer ended before it was complete. Ask again."))
        data = self._completed
        said = {**self._known, **{name: data[name] for name in COLUMNS if data.get(name) is not None}}
        said |= {"trace_id": data.get("trace_id") or self._known.get("trace_id"), "cost": money(data.get("cost"))}
        waits = data.get("status") == Message.Status.AWAITING_CONFIRMATION
        if waits:
            said["paused"] = data.get("paused")
        status = Message.Status.AWAITING_CONFIRMATION if waits else Message.Status.DONE
        return Outcome(
            status,
            said,
            confirmations=tuple(self._confirmations),
            summary=data.get("summary"),
            summarised=int(data.get("summarised") or 0),
        )

    def failed(self, error: MagnetError) -> Outcome:
        return Outcome.failed(error, **self._so_far())

    def cancelled(self) -> Outcome:
        return Outcome.cancelled(**self._so_far())

    def _so_far(self) -> dict[str, Any]:
        return {**self._known, "text": "".join(self._texts)}


def joined(events: Sequence[Event]) -> list[Event]:
    rows: list[Event] = []
    for event in events:
        if rows and event.name == rows[-1].name == "text":
            rows[-1] = Event("text", {**event.data, "text": rows[-1].data["text"] + event.data["text"]})
        else:
            rows.append(event)
    return rows


def documents_in(passages: Any) -> set[UUID]:
    """The ids of the documents that passages quote."""
    found: set[UUID] = set()
    for passage in passages if isinstance(passages, list | tuple) else ():
        document = passage.get("document") if isinstance(passage, Mapping) else None
        if isinstance(document, Mapping) and document.get("id"):
            found.add(UUID(str(document["id"])))
    return found


def money(value: Any) -> Decimal:
    try:
        return Decimal(str(value or 0))
    except InvalidOperation:
        return Decimal(0)
