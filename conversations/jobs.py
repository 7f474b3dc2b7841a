"""What the clock does with conversations: jobs receive ids, load, and call one function."""

from __future__ import annotations

from uuid import UUID

from conversations import analysis, closing, endings, erasing, quotations, titles
from magnet import queue

TICK = "conversations.jobs.tick"


def tick() -> int:
    """Once a minute: close what nobody writes in any more, and go on with what died."""
    closed = closing.close_due()
    if closed >= closing.BATCH:
        queue.enqueue(TICK)
    return closed + endings.close_abandoned() + analysis.analyse_left_behind()


def analyse(conversation_id: str) -> bool:
    return analysis.analyse(UUID(conversation_id))


def name_conversation(conversation_id: str) -> bool:
    return titles.name(UUID(conversation_id))


def sweep() -> dict[str, int]:
    """Once a day: forget what was kept long enough, and texts of deleted documents."""
    return {"forgotten": erasing.forget_old(), "blanked": quotations.blank_late()}
