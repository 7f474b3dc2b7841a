"""One step of a turn where no language model is configured: a tool that searches is called, and its passages quoted."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from pydantic_core import to_json

from agents.asking import FEATURE, Reply
from agents.course import Course
from agents.offering import Offered
from agents.routing import likeness_to
from magnet import gateway
from magnet.errors import NotConfigured, ToolError
from magnet.providers.base import ChatMessage, ChatRequest, Evidence, ToolCall
from magnet.tracing import span
from tools_app.citations import CitationFilter, without_markers

# The argument that takes a question, by the kind of the action.
QUESTION_IN = {"rag": "question", "retrieval": "query", "agent": "message"}


async def ask(course: Course) -> Reply:
    """First the call of the tool that fits, then what its passages say. Raises NotConfigured, ToolError."""
    course.asked += 1
    if course.steps:
        return Reply(await _quoted(course))
    chosen = await _chosen(course)
    call = ToolCall(f"call_{course.asked}", chosen.action.name, to_json({_argument(chosen): course.turn.text}).decode())
    course.messages.append(ChatMessage("assistant", "", (call,)))
    return Reply("", (call,))


def _argument(offered: Offered) -> str:
    return QUESTION_IN[offered.action.kind]


async def _chosen(course: Course) -> Offered:
    """Of several, the one whose description is most like the message."""
    fitting = [offered for offered in course.offered.values() if offered.action.kind in QUESTION_IN]
    if not fitting:
        raise NotConfigured(
            f"No language model is configured, and the agent “{course.agent.name}” has nothing here that it could "
            "quote from. Set OPENAI_API_KEY, or add a provider in the admin under Providers."
        )
    if len(fitting) == 1:
        return fitting[0]
    described = [f"{each.label}. {each.as_tool()['function']['description']}" for each in fitting]
    likeness = await asyncio.to_thread(likeness_to, course.turn.text, described)
    return fitting[max(range(len(fitting)), key=likeness.__getitem__)]


async def _quoted(course: Course) -> str:
    last = course.steps[-1]
    if last.is_error:
        raise ToolError(last.result)
    passages = course.found.cited(())
    if not passages:
        course.say(course.agent.texts.unclear)
        return course.agent.texts.unclear
    evidence = tuple(
        Evidence(passage["number"], without_markers(passage["text"]), title=passage["document"]["title"])
        for passage in passages
    )
    request = ChatRequest(
        course.agent.model.model_name,
        [ChatMessage("user", course.turn.text)],
        question=course.turn.text,
        evidence=evidence,
    )
    return await _streamed(course, request)


async def _streamed(course: Course, request: ChatRequest) -> str:
    course.begin_paragraph()
    checking, said = CitationFilter(course.found.numbers), []
    with span(f"step {course.asked}"):
        async with aclosing(gateway.stream(course.agent.model, request, feature=FEATURE)) as deltas:
            async for delta in deltas:
                text = checking.feed(delta.text)
                said.append(text)
                course.say(text)
        said.append(checking.close())
        course.say(said[-1])
    course.cited |= checking.cited
    return "".join(said)
