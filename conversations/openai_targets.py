"""What the `model` of an OpenAI client means here, and how that answers: in our events, the last one `completed`.

What can be refused is refused before the first event: afterwards it is too late for a status.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from agents import loading, loop
from agents.turn import Said, Turn
from conversations.openai_schemas import ChatBody, SentMessage
from magnet import gateway, prompts
from magnet.callers import current_caller
from magnet.database import cached
from magnet.errors import InvalidInput, NotAllowed, NotConfigured, NotFound
from magnet.models import AIModel
from magnet.prompt_parts import Variable, named, values_for
from magnet.providers.base import ChatMessage, ChatRequest, Usage
from magnet.tracing import stretch, trace
from magnet.web.prompt_events import events as prompt_events
from magnet.web.streaming import Event
from tools_app import rag

Events = AsyncGenerator[Event, None]

FEATURE = "model"
SUMMARY_CHARACTERS = 300
UNCONFIRMED = "Nothing has been done: it needs a confirmation, which this API cannot ask for. Use /api/conversations."


async def begin(body: ChatBody) -> Events:
    """The events of the answer. Raises NotFound, NotAllowed, InvalidInput and NotConfigured."""
    if body.n not in (None, 1):
        raise InvalidInput.in_fields({"n": ["Magnet gives one answer. Leave it out."]})
    if body.functions:
        raise InvalidInput.in_fields({"functions": ["Send them as `tools`."]})
    kind, _, slug = body.model.partition("/")
    if slug and kind in KINDS:
        return await KINDS[kind](slug, body)
    return await _of_model(body)


def require(scope: str) -> None:
    if not current_caller().may(scope):
        raise NotAllowed(
            f"This needs the scope {scope}. Use an API key that has it, or ask an administrator for it.", scope=scope
        )


# -- Agents ------------------------------------------------------------------------------------------------------------


async def _of_agent(slug: str, body: ChatBody) -> Events:
    require("agents:run")
    _refuse_settings_of_models(body)
    agent = await loading.load(slug)
    history, last = _split(body)
    turn = Turn(
        last.text,
        images=last.images,
        history=tuple(Said(message.role, message.text) for message in _said(history)),  # type: ignore[arg-type]  # never a tool
        variables=_declared(agent.variables, body),
    )
    return _told_of_confirmations(loop.run(agent, loop.cleaned(agent, turn)))


async def _told_of_confirmations(events: Events) -> Events:
    """A turn that waits for a person ends here, because nobody could go on with it: it says what it wanted to do."""
    wanted: list[str] = []
    async with aclosing(events):
        async for event in events:
            if event.name == "confirmation":
                wanted.append(event.data["sentence"])
            if event.name == "completed" and wanted:
                before = "\n\n" if event.data["text"] else ""
                text = before + "\n".join([*wanted, UNCONFIRMED])
                yield Event("text", {"text": text})
                event = replace(event, data={**event.data, "text": event.data["text"] + text})
            yield event


# -- RAG tools ---------------------------------------------------------------------------------------------------------


async def _of_rag(slug: str, body: ChatBody) -> Events:
    require("rag-tools:run")
    _refuse_settings_of_models(body)
    tool = await rag.load(slug)
    history, last = _split(body)
    _refuse_images(last)
    given = rag.Given(history=tuple(_said(history)), variables=_declared(tool.prompt.variables, body))
    question = rag.cleaned(last.text)
    rag.refuse_unfit(tool, given.variables)
    return rag.stream(tool, question, given=given)


# -- Prompt templates --------------------------------------------------------------------------------------------------


async def _of_prompt(slug: str, body: ChatBody) -> Events:
    """`metadata` fills the variables; the last message fills the text variable that is left, or is history as well."""
    require("prompt-templates:run")
    _refuse_settings_of_models(body)
    prompt = await prompts.load(slug)
    history, last = _split(body)
    _refuse_images(last)
    given = _declared(prompt.variables, body)
    if name := _left_for_message(prompt.variables, given):
        given[name] = last.text
    else:
        history = [*history, last]
    values_for(prompt.variables, given)
    events = prompt_events(prompt, given, history=tuple(_said(history)))
    return _only_whole(events) if prompt.is_json else events


def _left_for_message(variables: Sequence[Variable], given: dict[str, Any]) -> str:
    """The one text variable that is open, or of several the one that is needed; "" where none is open."""
    is_open = [each for each in variables if each.type == "text" and each.name not in given]
    is_needed = [each for each in is_open if each.is_needed]
    found = is_open if len(is_open) <= 1 else is_needed
    if is_open and len(found) != 1:
        names = named(each.name for each in is_needed or is_open)
        raise InvalidInput.in_fields({"metadata": [f"The message can fill only one of {names}. Name the others here."]})
    return found[0].name if found else ""


async def _only_whole(events: Events) -> Events:
    """JSON may be repaired at its end: what was heard before that does not count."""
    async with aclosing(events):
        async for event in events:
            if event.name == "completed":
                yield Event("text", {"text": event.data["text"]})
            if event.name != "text":
                yield event


# -- Models ------------------------------------------------------------------------------------------------------------


async def _of_model(body: ChatBody) -> Events:
    require("models:run")
    model = await find_model(body.model, purpose="chat")
    if not model.can_write:
        raise NotConfigured(f"The model “{model.name}” only quotes passages. Ask a RAG tool: rag/SLUG.")
    messages = [message.as_chat() for message in body.messages]
    if body.tools and not model.can_call_tools:
        raise InvalidInput.in_fields({"tools": [f"The model “{model.name}” calls no tools."]})
    if not model.can_see and any(message.images for message in messages):
        raise InvalidInput.in_fields({"messages": [f"The model “{model.name}” sees no images."]})
    request = ChatRequest(
        model=model.model_name,
        messages=messages,
        max_output_tokens=body.max_completion_tokens or body.max_tokens,
        response_format=body.response_format,
        tools=body.tools or (),
        options=body.options,
    )
    return _asked(model, request)


async def find_model(name: str, *, purpose: str) -> AIModel:
    """The active model with this slug, or with this name at its provider. Raises NotFound."""
    return await cached(("openai_model", name, purpose), partial(_find_model, name, purpose=purpose))


def _find_model(name: str, *, purpose: str) -> AIModel:
    usable = AIModel.objects.for_use().filter(purpose=purpose)
    by_name = usable.filter(model_name=name).order_by("-is_default", "pk")
    found: AIModel | None = usable.filter(slug=name).first() or by_name.first()
    if found is None:
        raise NotFound(f"There is no {purpose} model “{name}”. GET /v1/models lists what can be asked.")
    return found


async def _asked(model: AIModel, request: ChatRequest) -> Events:
    summary = request.messages[-1].text[:SUMMARY_CHARACTERS]
    with trace(feature=FEATURE, slug=model.slug, summary=summary) as record, stretch() as taken:
        yield Event("started", {"trace_id": str(record.id), "model": model.slug})
        said: list[str] = []
        ended: dict[str, Any] = {"usage": asdict(Usage()), "tool_calls": [], "finish_reason": ""}
        async with aclosing(gateway.stream(model, request, feature=FEATURE)) as deltas:
            async for delta in deltas:
                if delta.usage:
                    calls = [asdict(call) for call in delta.tool_calls]
                    ended = {
                        "usage": asdict(delta.usage),
                        "tool_calls": calls,
                        "finish_reason": delta.finish_reason or ("tool_calls" if calls else "stop"),
                    }
                if delta.text:
                    said.append(delta.text)
                    yield Event("text", {"text": delta.text})
        cost = format(taken.cost.normalize(), "f")
    yield Event("completed", {**ended, "text": "".join(said), "cost": cost, "trace_id": str(record.id)})


KINDS: dict[str, Callable[[str, ChatBody], Awaitable[Events]]] = {
    "agent": _of_agent,
    "rag": _of_rag,
    "prompt": _of_prompt,
}


# -- What all take from a body -----------------------------------------------------------------------------------------


def _split(body: ChatBody) -> tuple[list[SentMessage], SentMessage]:
    """What was said before, and the message that is to be answered."""
    *history, last = body.messages
    if last.role != "user":
        raise InvalidInput.in_fields({"messages": ["The last message has to be one of the user."]})
    return history, last


def _said(history: Sequence[SentMessage]) -> list[ChatMessage]:
    """Results of tools, and messages that only call them, are for the model that was asked then."""
    return [message.as_said() for message in history if message.role != "tool" and message.text.strip()]


def _declared(variables: Sequence[Variable], body: ChatBody) -> dict[str, Any]:
    """What `metadata` says of these variables; the rest of it are the caller's own notes."""
    names = {variable.name for variable in variables}
    return {name: value for name, value in (body.metadata or {}).items() if name in names}


def _refuse_settings_of_models(body: ChatBody) -> None:
    """Those without which the answer would not be what was asked for; a temperature is only passed over."""
    if body.tools:
        raise InvalidInput.in_fields({"tools": [f"{body.model} has its own tools. Send them to a model."]})
    if body.response_format and body.response_format.get("type", "text") != "text":
        said = f"{body.model} decides itself how it answers. Ask a model, or a prompt template that answers with JSON."
        raise InvalidInput.in_fields({"response_format": [said]})


def _refuse_images(message: SentMessage) -> None:
    if message.images:
        raise InvalidInput.in_fields({"messages": ["Images are for agents and models. Send text only."]})
