"""The JSON of agents: their settings, and turns without a conversation."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from django.core import signing
from pydantic import BaseModel, Field

from agents.topic_parts import TopicShape
from agents.turn import ConfirmationAnswer, Paused, Said, Turn
from magnet.api.schemas import Changes, Given, Money, Name, PositiveInt, Slug, Text, UsageOut
from magnet.errors import InvalidInput
from magnet.prompt_parts import Variable
from tools_app.retrieval_schemas import Person
from tools_app.schemas import LinkTitles, SampleQuestions

MAX_MESSAGE_CHARACTERS, MAX_HISTORY = 20_000, 200
Sentence = Annotated[Text, Field(max_length=2_000)]
# So long may a person think about a confirmation of a turn without a conversation.
PAUSE = timedelta(hours=1)
SALT = "agents.paused"


class AgentSettings(BaseModel):
    topics: list[TopicShape]
    ai_model: str | None
    routing_prompt: str | None
    processing_prompt: str | None
    summary_prompt: str | None
    variables: list[Variable]
    memory: str
    memory_messages: int
    memory_tokens: int
    max_steps: int
    max_seconds: int
    max_tokens: int | None
    # US dollars as a decimal string.
    max_cost: Money | None
    greeting_text: str
    farewell_text: str
    unclear_text: str
    off_topic_text: str
    limit_text: str
    welcome_text: str
    header: str
    introduction: str
    sample_questions: list[str]
    takes_feedback: bool
    link_titles: str
    opens_passages: bool
    closure_after_minutes: int | None
    analyses_conversations: bool
    categories: list[str]


class AgentChanges(Changes):
    revision: PositiveInt | None = None
    name: Name | None = None
    description: Text | None = None
    tags: list[Name] | None = None
    # All topics in their order; those that keep their `key` stay the same topics.
    topics: Annotated[list[TopicShape], Field(max_length=50)] | None = None
    ai_model: Slug | None = None
    # Empty: `agent-choose-topic`, `agent-answer` and `agent-summary`.
    routing_prompt: Slug | None = None
    processing_prompt: Slug | None = None
    summary_prompt: Slug | None = None
    variables: Annotated[list[Variable], Field(max_length=50)] | None = None
    memory: Literal["messages", "tokens", "summary"] | None = None
    memory_messages: Annotated[int, Field(ge=0, le=200)] | None = None
    memory_tokens: PositiveInt | None = None
    max_steps: PositiveInt | None = None
    max_seconds: PositiveInt | None = None
    max_tokens: PositiveInt | None = None
    max_cost: Annotated[Decimal, Field(gt=0, max_digits=12, decimal_places=6, allow_inf_nan=False)] | None = None
    greeting_text: Sentence | None = None
    farewell_text: Sentence | None = None
    unclear_text: Sentence | None = None
    off_topic_text: Sentence | None = None
    limit_text: Sentence | None = None
    welcome_text: Sentence | None = None
    header: Text | None = None
    introduction: Text | None = None
    sample_questions: SampleQuestions | None = None
    takes_feedback: bool | None = None
    link_titles: LinkTitles | None = None
    opens_passages: bool | None = None
    closure_after_minutes: PositiveInt | None = None
    analyses_conversations: bool | None = None
    categories: Annotated[list[Name], Field(max_length=50)] | None = None


class NewAgent(AgentChanges):
    name: Name
    slug: Slug | None = None
    topics: Annotated[list[TopicShape], Field(min_length=1, max_length=50)]


# -- Turns -----------------------------------------------------------------------------------------------------------


class SaidBefore(Given):
    role: Literal["user", "assistant"]
    text: Annotated[str, Field(max_length=100_000)]


class Answered(Given):
    """What a person says to a call that waits."""

    call_id: Annotated[str, Field(max_length=200)]
    approve: bool
    comment: Annotated[Text, Field(max_length=2_000)] = ""


class AgentRun(Given):
    question: str = Field(min_length=1, max_length=MAX_MESSAGE_CHARACTERS)
    # Data URLs, for models that see.
    images: Annotated[list[Annotated[str, Field(max_length=7_000_000)]], Field(max_length=10)] = []
    history: list[SaidBefore] = Field([], max_length=MAX_HISTORY)
    variables: Annotated[dict[str, Any], Field(max_length=50)] = {}
    user: Person | None = None
    # By default the live version.
    version: PositiveInt | None = None
    # The key of the topic of the turn before.
    topic: Annotated[str, Field(max_length=100)] = ""
    # Keys of actions that need no confirmation any more.
    approved: Annotated[list[Annotated[str, Field(max_length=100)]], Field(max_length=200)] = []
    # To go on: the same question again, with `paused` of its answer and what was said to its confirmations.
    paused: Annotated[str, Field(max_length=10_000_000)] | None = None
    answers: Annotated[list[Answered], Field(max_length=100)] = []

    def turn(self, *, agent: str) -> Turn:
        """Raises InvalidInput for a pause that is too old, or not from here."""
        return Turn(
            text=self.question,
            images=tuple(self.images),
            history=tuple(Said(said.role, said.text.replace("\0", " ")) for said in self.history),
            variables=self.variables,
            topic=self.topic,
            approved=frozenset(self.approved),
            paused=taken_up(self.paused, agent=agent) if self.paused else None,
            answers=tuple(ConfirmationAnswer(each.call_id, each.approve, each.comment) for each in self.answers),
        )


def put_aside(completed: dict[str, Any]) -> dict[str, Any]:
    """The pause as a signed text: what a person is asked about is what will be called, whoever keeps it meanwhile."""
    paused = completed["paused"]
    return {**completed, "paused": signing.dumps(paused, salt=SALT, compress=True) if paused else None}


def taken_up(paused: str, *, agent: str) -> Paused:
    try:
        stored = Paused.from_json(signing.loads(paused, salt=SALT, max_age=PAUSE))
    except signing.SignatureExpired as error:
        raise InvalidInput("This turn has waited for more than an hour. Ask again.") from error
    except signing.BadSignature as error:
        raise InvalidInput("`paused` is not what a turn of this agent has answered. Send it back unchanged.") from error
    if stored.agent != agent:
        raise InvalidInput(f"This turn has paused with the agent “{stored.agent}”. Go on with that one.")
    return stored


class AgentStepOut(BaseModel):
    """One call. `action` is its key, `name` what the model calls it."""

    call_id: str
    action: str
    name: str
    arguments: dict[str, Any]
    result: str
    is_error: bool


class AgentTurnOut(BaseModel):
    status: Literal["done", "awaiting_confirmation"]
    text: str
    # The key of the topic; send it along with the next question.
    topic: str
    steps: list[AgentStepOut]
    passages: list[dict[str, Any]]
    usage: UsageOut
    # US dollars as a decimal string.
    cost: str
    agent: str
    version: int
    model: str
    # True where no language model is configured: the answer quotes the documents.
    is_extractive: bool
    # True where the answer has reached the longest length that its prompt template or model allows.
    is_cut_off: bool
    trace_id: UUID
    duration_ms: float
    # "steps", "seconds", "tokens" or "cost" where a limit ended the turn; "" otherwise.
    stopped_by: str
    # What waits for a person, and the text with which the turn goes on.
    confirmations: list[dict[str, Any]]
    paused: str | None
    # Where the agent remembers a summary: a new one, which stands for so many of the oldest messages of `history`.
    summary: str | None
    summarised: int


STREAM: dict[str, Any] = {
    "responses": {
        200: {
            "content": {
                "text/event-stream": {
                    "schema": {
                        "type": "string",
                        "description": (
                            "Events `started`, `topic`, `tool_call`, `tool_result`, `passages`, `text`, "
                            "`confirmation`, and one of `completed` and `error`."
                        ),
                    }
                }
            }
        }
    }
}
