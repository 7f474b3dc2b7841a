"""One step of a turn: the model is asked, its text is passed on as it comes, and the calls that it wants are read."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from agents.course import Course
from magnet import gateway, prompts
from magnet.errors import ProviderAnswerInvalid
from magnet.providers.base import ChatDelta, ChatMessage, ChatRequest, ToolCall
from magnet.tracing import span
from tools_app.citations import CitationFilter

FEATURE = "agent"
LAST_STEP = "You cannot call functions any more in this turn. Answer with what you know, and say what is missing."


@dataclass(frozen=True)
class Reply:
    text: str
    calls: tuple[ToolCall, ...] = ()


async def ask(course: Course) -> Reply:
    """One reply of the model; the last one that its agent allows is written without tools. Raises ProviderErrors."""
    course.asked += 1
    is_last = course.asked >= course.agent.limits.steps
    with span(f"step {course.asked}") as step:
        reply = await _streamed(course, request_for(course, is_last=is_last))
        step.set(calls=[call.name for call in reply.calls], is_last=is_last)
    if is_last:
        _conclude(course, reply)
        return Reply(reply.text)
    if not reply.text and not reply.calls:
        raise ProviderAnswerInvalid(f"The model “{course.agent.model.name}” said nothing. Try again.")
    course.messages.append(ChatMessage("assistant", reply.text, reply.calls))
    return reply


def _conclude(course: Course, reply: Reply) -> None:
    """The model wanted to go on and may not: what it said at the end is the answer, or the sentence for limits."""
    if reply.text:
        course.stopped_by = "steps"
    else:
        course.stop("steps")


async def _streamed(course: Course, request: ChatRequest) -> Reply:
    course.begin_paragraph()
    checking = CitationFilter(course.found.numbers)
    said: list[str] = []
    last = ChatDelta()

    def pass_on(text: str) -> None:
        if text:
            said.append(text)
            course.say(text)

    async with aclosing(gateway.stream(course.agent.model, request, feature=FEATURE)) as deltas:
        async for delta in deltas:
            last = delta if delta.finish_reason else last
            pass_on(checking.feed(delta.text))
    pass_on(checking.close())
    course.cited |= checking.cited
    course.is_cut_off = last.finish_reason == "length"
    return Reply("".join(said), _named_apart(last.tool_calls))


def _named_apart(calls: Sequence[ToolCall]) -> tuple[ToolCall, ...]:
    """Some providers send no ids, or the same one twice; results are told apart by them."""
    seen: set[str] = set()
    done = []
    for call in calls:
        name = call.id if call.id and call.id not in seen else f"call_{uuid4().hex[:20]}"
        seen.add(name)
        done.append(replace(call, id=name))
    return tuple(done)


# -- What the model is asked -----------------------------------------------------------------------------------------


def request_for(course: Course, *, is_last: bool) -> ChatRequest:
    agent, turn = course.agent, course.turn
    request = prompts.request_for(
        agent.processing, _given(course), model=agent.model, history=course.recalled, question=turn.text
    )
    *before, message = request.messages
    told = [*before, replace(message, images=(*message.images, *turn.images)), *course.messages]
    if is_last:
        told.append(ChatMessage("system", LAST_STEP))
    tools: list[dict[str, Any]] = [] if is_last else [each.as_tool() for each in course.offered.values()]
    return replace(request, messages=told, tools=tools)


def _given(course: Course) -> dict[str, Any]:
    """What the prompt template declares, of what there is; the agent's own variables among it."""
    topic = course.topic
    summary = f"\nWhat was said before, in short:\n{course.summary}" if course.summary else ""
    known: dict[str, Any] = {
        **course.variables.values,
        "agent": course.agent.name,
        "instructions": course.variables.filled_text(topic.instructions) if topic else "",
        "today": datetime.now(UTC).date().isoformat(),
        "summary": summary,
        "message": course.turn.text,
    }
    return {
        variable.name: known[variable.name] for variable in course.agent.processing.variables if variable.name in known
    }
