"""What a conversation is called: its first question, shortened, until a model or a person finds better words."""

from __future__ import annotations

from uuid import UUID

import structlog

from conversations.models import Conversation, Message
from magnet import prompt_runs, prompts, queue
from magnet.conversation_prompts import NAME_CONVERSATION
from magnet.errors import MagnetError
from magnet.event_loop import run_from_sync
from magnet.models import AIModel
from magnet.tracing import trace

log = structlog.get_logger(__name__)

LONGEST = 80
JOB = "conversations.jobs.name_conversation"
MOST_READ = 2_000


def name_by(conversation: Conversation, text: str) -> None:
    """Name it by its first question; not saved."""
    if not conversation.title:
        conversation.title = shortened(text)


def shortened(text: str) -> str:
    """One line, cut between words."""
    line = " ".join(text.split())
    if len(line) <= LONGEST:
        return line
    cut = line[: LONGEST - 1]
    words = cut.rsplit(" ", 1)[0] if " " in cut[LONGEST // 2 :] else cut
    return f"{words.rstrip(' ,;:-')}…"


def want_better(conversation: Conversation, message: Message) -> None:
    """After the first answer, a model may find a better title in the background."""
    if message.position == 2 and message.status == Message.Status.DONE and not conversation.is_named:
        queue.enqueue(JOB, str(conversation.pk))


def name(conversation_id: UUID) -> bool:
    """Have a model name the conversation, where one is configured; whether it did."""
    conversation = Conversation.objects.filter(pk=conversation_id, is_named=False).first()
    model = AIModel.objects.default_for("chat")
    if conversation is None or not model.can_write:
        return False
    said = list(conversation.messages.order_by("position").values_list("role", "text")[:2])
    talk = "\n".join(f"{role}: {text[:MOST_READ]}" for role, text in said)
    try:
        with trace(feature="conversation_title", slug=conversation.agent_slug) as record:
            record.documents.extend(documents_of(conversation))
            reply = run_from_sync(_asked(talk, model=model))
    except MagnetError as error:
        log.warning("conversation_not_named", conversation=str(conversation_id), error=error.detail)
        return False
    title = shortened(reply.strip().strip("\"“”'."))
    # A person may have been faster.
    rows = Conversation.objects.filter(pk=conversation_id, is_named=False)
    return bool(title) and rows.update(title=title, is_named=True) == 1


async def _asked(talk: str, *, model: AIModel) -> str:
    prompt = await prompts.load(NAME_CONVERSATION.slug)
    reply = await prompt_runs.run(prompt, {"conversation": talk}, model=None if prompt.ai_model else model)
    return reply.text


def documents_of(conversation: Conversation) -> list[UUID]:
    lists = conversation.messages.exclude(documents=[]).values_list("documents", flat=True)
    return sorted({document for documents in lists for document in documents})
