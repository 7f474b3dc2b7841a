"""The JSON of conversations: what callers send, and what they get."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from conversations.models import Confirmation, Conversation, ConversationAnalysis, Message
from magnet.api.listing import Listing
from magnet.api.schemas import Changes, Given, Money, PositiveInt, Slug, Text
from tools_app.retrieval_schemas import Person

MOST_IMAGES = 4
# Of a message; checked in words by the turn, and here against a flood.
LONGEST_TEXT = 200_000

STREAM: dict[str, Any] = {
    "responses": {
        200: {
            "content": {
                "text/event-stream": {
                    "schema": {
                        "type": "string",
                        "description": "Events `started`, `topic`, `tool_call`, `tool_result`, `passages`, `text`, "
                        "`confirmation`, and at the end one of `completed` and `error`. Each has an id: send the last "
                        "one as `Last-Event-ID` to the events of the conversation, and read on from there.",
                    }
                }
            }
        }
    }
}


class NewConversation(Given):
    agent: Slug
    # By default the version that is live at each turn.
    version: PositiveInt | None = None
    variables: Annotated[dict[str, Any], Field(max_length=50)] = {}
    # Whom the caller acts for: the conversation is theirs.
    user: Person | None = None


class NewMessage(Given):
    text: str = Field(max_length=LONGEST_TEXT)
    # Images as data URLs, for agents whose model sees.
    attachments: Annotated[list[str], Field(max_length=MOST_IMAGES)] = []


class Answer(Given):
    approve: bool
    comment: Annotated[Text, Field(max_length=2_000)] = ""
    # Approves every call of this action in this conversation.
    for_conversation: bool = False


class ConversationChanges(Changes):
    title: Annotated[Text, Field(max_length=200)] | None = None
    # Keeps it, whatever its time says. Needs the scope conversations:write.
    is_held: bool | None = None
    revision: PositiveInt | None = None


class AnalysisChanges(Changes):
    summary: Annotated[Text, Field(max_length=5_000)] | None = None
    language: Annotated[Text, Field(max_length=20)] | None = None
    category: Annotated[Text, Field(max_length=100)] | None = None
    sentiment: Literal["positive", "neutral", "negative", ""] | None = None
    resolution: Literal["resolved", "partly", "unresolved", ""] | None = None


class ConversationListing(Listing):
    """Which conversations are wanted."""

    agent: str = Field("", max_length=100)
    status: Literal["open", "closed", ""] = ""
    user: str = Field("", max_length=300)
    topic: str = Field("", max_length=100)
    rating: Literal["like", "dislike", ""] = ""
    resolution: Literal["resolved", "partly", "unresolved", ""] = ""
    category: str = Field("", max_length=100)
    since: datetime | None = None
    until: datetime | None = None
    # Also for who may read all: only those of the caller.
    own: bool = False


class ConfirmationOut(BaseModel):
    id: UUID
    message_id: UUID
    action: str
    # The function as the model calls it, and as people know it.
    name: str
    label: str
    # As they will really be sent.
    arguments: dict[str, Any]
    sentence: str
    status: str
    is_for_conversation: bool
    comment: str
    created_at: datetime
    expires_at: datetime
    answered_at: datetime | None
    answered_by: str


class MessageOut(BaseModel):
    id: UUID
    conversation_id: UUID
    position: int
    role: str
    status: str
    text: str
    attachments: int
    topic: str
    version: int | None
    model: str
    steps: list[dict[str, Any]]
    passages: list[dict[str, Any]]
    # True where a document was deleted, and its passages with it.
    is_blanked: bool
    # True where it quotes documents of groups that you may not find, so that its texts are not shown to you.
    is_hidden: bool
    usage: dict[str, Any]
    cost: Money
    duration_ms: float
    # Which limit ended the turn: steps, seconds, tokens, cost; or empty.
    stopped_by: str
    # Problem Details of what went wrong.
    failure: dict[str, Any] | None
    confirmations: list[ConfirmationOut]
    trace_id: UUID | None
    created_at: datetime
    ended_at: datetime | None


class ConversationAnalysisOut(BaseModel):
    state: str
    summary: str
    language: str
    category: str
    sentiment: str
    resolution: str
    # Empty where no model was asked: then only the language is known.
    ai_model: str
    edited_by: str
    updated_at: datetime


class ConversationOut(BaseModel):
    id: UUID
    agent: str
    version: int | None
    user: str
    channel: str
    status: str
    title: str
    topic: str
    variables: dict[str, Any]
    cost: Money
    is_held: bool
    revision: int
    # The id of the last event that was kept.
    last_event: int
    created_at: datetime
    last_message_at: datetime
    closes_at: datetime | None
    closed_at: datetime | None
    kept_until: datetime | None
    analysis: ConversationAnalysisOut | None


class ConversationDetail(ConversationOut):
    # The last ones, oldest first; all of them are a list of their own.
    messages: list[MessageOut]


class NewErasure(Given):
    # Whose conversations go: the address or name by which callers know the person.
    user: Annotated[Text, Field(min_length=1, max_length=300)]


class ErasureOut(BaseModel):
    id: UUID
    created_at: datetime
    # SHA-256 of whose data it was: who knows the name can check it, nobody else can read it.
    fingerprint: str
    counts: dict[str, int]
    # Conversations that a legal hold has kept.
    held: int
    by: str
    statement: str


# -- Showing -------------------------------------------------------------------------------------------------------

CONFIRMATION_COLUMNS = tuple(name for name in ConfirmationOut.model_fields)
CONVERSATION_COLUMNS = tuple(set(ConversationOut.model_fields) - {"agent", "version", "user", "analysis"})
MESSAGE_COLUMNS = tuple(set(MessageOut.model_fields) - {"attachments", "confirmations", "is_hidden"})


def show_confirmation(row: Confirmation) -> ConfirmationOut:
    return ConfirmationOut(**{name: getattr(row, name) for name in CONFIRMATION_COLUMNS})


def show_message(row: Message) -> MessageOut:
    return MessageOut(
        **{name: getattr(row, name) for name in MESSAGE_COLUMNS},
        attachments=len(row.images),
        is_hidden=row.is_hidden,
        confirmations=[show_confirmation(each) for each in row.confirmations.all()],
    )


def show_conversation(row: Conversation) -> ConversationOut:
    return ConversationOut(**_fields(row))


def show_detail(row: Conversation, *, messages: list[Message]) -> ConversationDetail:
    return ConversationDetail(**_fields(row), messages=[show_message(message) for message in messages])


def _fields(row: Conversation) -> dict[str, Any]:
    analysis: ConversationAnalysis | None = getattr(row, "analysis", None)
    shown = ConversationAnalysisOut.model_validate(analysis, from_attributes=True) if analysis else None
    named = {"agent": row.agent_slug, "version": row.agent_version, "user": row.person, "analysis": shown}
    return {name: getattr(row, name) for name in CONVERSATION_COLUMNS} | named
