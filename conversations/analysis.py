"""What is found out about a conversation once it is closed: a summary, language, sentiment, whether it was solved.

Never on anybody's way; whatever goes wrong is written beside it. What a person has corrected stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from agents.models import AgentVersion
from conversations.models import Conversation, ConversationAnalysis
from conversations.titles import documents_of
from magnet import language, prompt_runs, prompts
from magnet.callers import current_caller
from magnet.conversation_prompts import ANALYSE_CONVERSATION
from magnet.errors import MagnetError, NotFound
from magnet.event_loop import run_from_sync
from magnet.models import AIModel, AuditEntry
from magnet.tracing import trace

log = structlog.get_logger(__name__)

# A worker that died leaves its analysis to the next.
GIVEN_UP_AFTER, MOST_ATTEMPTS, BATCH = timedelta(minutes=10), 3, 20
MOST_CHARACTERS = 60_000
NOTHING_SAID = "Nobody has said anything in this conversation."


def analyse(conversation_id: UUID) -> bool:
    """Find out what can be known about a closed conversation; whether it was ours to do. Twice does no harm."""
    conversation = Conversation.objects.filter(pk=conversation_id, status=Conversation.Status.CLOSED).first()
    version = _version_of(conversation) if conversation is not None else None
    if conversation is None or version is None or not version.analyses_conversations:
        return False
    row, is_new = ConversationAnalysis.objects.get_or_create(conversation=conversation)
    if not is_new and not _taken_over(row):
        return False
    _fill_in(row, conversation, version)
    return True


def analyse_left_behind() -> int:
    """Go on with what a worker that died has begun; returns how many."""
    ids = _left_behind().values_list("conversation_id", flat=True)[:BATCH]
    return sum(map(analyse, list(ids)))


def _left_behind() -> Any:
    return ConversationAnalysis.objects.filter(
        state=ConversationAnalysis.State.RUNNING,
        updated_at__lt=timezone.now() - GIVEN_UP_AFTER,
        attempts__lt=MOST_ATTEMPTS,
    )


def _taken_over(row: ConversationAnalysis) -> bool:
    fresh = {"attempts": F("attempts") + 1, "updated_at": timezone.now()}
    return bool(_left_behind().filter(pk=row.pk).update(**fresh))


def _fill_in(row: ConversationAnalysis, conversation: Conversation, version: AgentVersion) -> None:
    said = list(conversation.messages.exclude(text="").order_by("position").values_list("role", "text"))
    row.language = language.detect(" ".join(text for role, text in said if role == "user")[:MOST_CHARACTERS])
    model = version.ai_model or AIModel.objects.default_for("chat")
    if not said:
        row.failure = NOTHING_SAID
    elif model.can_write:
        talk = "\n".join(f"{role}: {text}" for role, text in said)[-MOST_CHARACTERS:]
        _ask_model(row, conversation, talk, categories=version.categories, model=model)
    row.state = ConversationAnalysis.State.FAILED if row.failure and said else ConversationAnalysis.State.DONE
    # A person who was faster knows better.
    if not ConversationAnalysis.objects.filter(pk=row.pk).exclude(edited_by="").exists():
        row.save()


def _ask_model(
    row: ConversationAnalysis, conversation: Conversation, talk: str, *, categories: list[str], model: AIModel
) -> None:
    with trace(feature="conversation_analysis", slug=conversation.agent_slug) as record:
        # Its payloads quote the same documents, and go with them.
        record.documents.extend(documents_of(conversation))
        try:
            _note(row, run_from_sync(_asked(talk, categories, model=model)))
        except MagnetError as error:
            log.warning("conversation_not_analysed", conversation=str(conversation.pk), error=error.detail)
            row.failure = error.detail


async def _asked(talk: str, categories: list[str], *, model: AIModel) -> Any:
    prompt = await prompts.load(ANALYSE_CONVERSATION.slug)
    listed = "\n".join(f"- {name}" for name in categories) or "- (find a short one yourself)"
    given = {"conversation": talk, "categories": listed}
    return await prompt_runs.run(prompt, given, model=None if prompt.ai_model else model)


def _note(row: ConversationAnalysis, reply: Any) -> None:
    found: Mapping[str, Any] = reply.data
    row.summary, row.category = str(found["summary"]), str(found["category"])[:100]
    row.sentiment, row.resolution = str(found["sentiment"]), str(found["resolution"])
    row.language = str(found["language"])[:20].lower() or row.language
    row.ai_model = reply.model


def _version_of(conversation: Conversation) -> AgentVersion | None:
    if conversation.agent is None:
        return None
    try:
        version: AgentVersion = conversation.agent.version(conversation.agent_version)  # type: ignore[assignment]
    except NotFound:
        return None
    return version


# -- What people know better -------------------------------------------------------------------------------------------


@transaction.atomic
def correct(conversation: Conversation, changes: Mapping[str, Any]) -> ConversationAnalysis:
    """Set what a person knows better; made where nothing was found out yet."""
    row, _ = ConversationAnalysis.objects.select_for_update().get_or_create(conversation=conversation)
    for name, value in changes.items():
        if value is not None:
            setattr(row, name, value)
    row.state, row.failure = ConversationAnalysis.State.DONE, ""
    row.edited_by = current_caller().label[:300]
    row.save()
    AuditEntry.record("corrected the analysis of", conversation, fields=sorted(changes))
    return row
