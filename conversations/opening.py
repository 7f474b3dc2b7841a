"""Conversations begin and are renamed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from agents import loading
from agents.models import Agent
from conversations.keeping import kept_for
from conversations.models import Conversation
from magnet.callers import current_caller
from magnet.database import in_database, one_transaction
from magnet.errors import Conflict, InvalidInput
from magnet.models import AuditEntry
from magnet.prompt_parts import values_for

# One that nobody has written in is closed after this time whatever its agent says.
EMPTY_FOR = timedelta(days=1)


async def begin(
    agent: str, *, version: int | None = None, variables: Mapping[str, Any] | None = None, channel: str = "api"
) -> Conversation:
    """A new conversation of the current caller. Raises NotFound, NotConfigured, and InvalidInput for variables."""
    loaded = await loading.load(agent, version=version)
    given = dict(variables or {})
    # Proven now: in the middle of the first turn it would be too late for a clear answer.
    values_for(loaded.variables, given)
    return await in_database(_create, agent, version=version, variables=given, channel=channel)


def _create(slug: str, *, version: int | None, variables: dict[str, Any], channel: str) -> Conversation:
    caller = current_caller()
    row = Conversation(
        agent=Agent.objects.get(slug=slug),
        agent_slug=slug,
        agent_version=version,
        caller_type=caller.kind,
        caller_id=caller.id,
        caller_label=caller.label[:300],
        person=caller.person[:300],
        groups=list(caller.groups) if caller.kind == "key" and caller.person and caller.groups is not None else None,
        channel=channel,
        variables=variables,
    )
    row.note_activity(closes_after=EMPTY_FOR, kept_for=kept_for(row))
    row.save(force_insert=True)
    return row


@one_transaction
def change(row: Conversation, *, title: str | None, is_held: bool | None, revision: int | None) -> Conversation:
    """Rename it, or keep it whatever its time says. Raises Conflict where somebody was faster."""
    held: Conversation = Conversation.objects.select_for_update(no_key=True).get(pk=row.pk)
    if revision is not None and revision != held.revision:
        raise Conflict("Somebody else has changed this conversation meanwhile. Load it again.", revision=held.revision)
    if title is not None:
        if not title.strip():
            raise InvalidInput("A title has at least one character.", errors={"title": ["Write a title."]})
        held.title, held.is_named = title.strip(), True
    if is_held is not None and is_held != held.is_held:
        held.is_held = is_held
        AuditEntry.record("held" if is_held else "released", held)
    held.revision += 1
    held.save(update_fields=["title", "is_named", "is_held", "revision", "updated_at"])
    return held
