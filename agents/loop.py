"""One turn with an agent, told in events: a topic is chosen, the model asked, what it wants called, until it answers.

async with aclosing(loop.run(await loading.load("support"), Turn("Where is my order?"))) as events: …
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from agents import asking, calling, memory, quoting, routing
from agents.actions import Around
from agents.course import Course
from agents.loading import LoadedAgent, LoadedTopic
from agents.models.proving import DEEPEST_AGENTS
from agents.offering import Variables, offer, variables_of
from agents.routing import Route
from agents.turn import Turn
from magnet.callers import bind_caller, current_caller
from magnet.errors import InvalidInput, MagnetError, NotConfigured
from magnet.tracing import TraceRecord, span, stretch, trace
from magnet.web.streaming import Event

FEATURE = "agent"
MAX_MESSAGE_CHARACTERS, MAX_IMAGES = 20_000, 10


async def run(agent: LoadedAgent, turn: Turn, *, depth: int = 1) -> AsyncGenerator[Event, None]:
    """The turn in events, the last of which is `completed`; closing the generator stops everything upstream.

    Limits end a turn with what is known. Raises InvalidInput, NotConfigured, ToolError and ProviderErrors.
    """
    turn = cleaned(agent, turn)
    told: asyncio.Queue[Event | None] = asyncio.Queue()
    # A task of its own: its steps, spans and time limits never touch the context of whoever reads.
    work = asyncio.create_task(_work(agent, turn, told, depth=depth))
    work.add_done_callback(lambda _: told.put_nowait(None))
    try:
        while (event := await told.get()) is not None:
            yield event
        await work
    finally:
        await _ended(work)


async def _ended(work: asyncio.Task[None]) -> None:
    """However it ends: whoever waits for its outcome has got it already."""
    work.cancel()
    await asyncio.wait([work])
    if not work.cancelled():
        work.exception()


def cleaned(agent: LoadedAgent, turn: Turn) -> Turn:
    """The turn as it is used. Raises InvalidInput for a message, variables or images that do not fit."""
    text = turn.text.replace("\0", " ").encode(errors="ignore").decode().strip()
    if not text:
        raise InvalidInput("The message is empty. Write at least one word.")
    if len(text) > MAX_MESSAGE_CHARACTERS:
        raise InvalidInput(
            f"The message has {len(text):,} characters; {MAX_MESSAGE_CHARACTERS:,} are allowed. Shorten it.",
            max_characters=MAX_MESSAGE_CHARACTERS,
        )
    if len(turn.images) > MAX_IMAGES:
        raise InvalidInput(f"The message has {len(turn.images)} images; {MAX_IMAGES} are allowed.")
    if turn.images and not agent.model.can_see:
        raise InvalidInput(f"The model “{agent.model.name}” sees no images. Send the message without them.")
    if turn.paused is not None and (turn.paused.agent, turn.paused.version) != (agent.slug, agent.version):
        raise InvalidInput("This turn has paused with another version of the agent. Ask again.")
    variables_of(agent.variables, turn.variables)
    return replace(turn, text=text)


async def _work(agent: LoadedAgent, turn: Turn, told: asyncio.Queue[Event | None], *, depth: int) -> None:
    variables = variables_of(agent.variables, turn.variables)
    caller = current_caller()
    # APIs may be called with what the person has brought along.
    bind_caller(replace(caller, variables={**caller.variables, **variables.values}))
    recording = agent.processing.recording
    asked = trace(
        feature=FEATURE, slug=agent.slug, summary=turn.text, versions=dict(agent.versions), recording=recording
    )
    with asked as record, stretch() as taken:
        course = Course(agent, turn, variables, record, taken, told.put_nowait, depth=depth)
        told.put_nowait(_started(agent, record))
        try:
            async with asyncio.timeout(course.seconds_left()) as limit:
                summary = await _go(course)
        except TimeoutError:
            if not limit.expired():
                raise
            summary = {}
            course.stop("seconds")
    # The trace is closed by now: whoever reads `completed` finds it a moment later.
    told.put_nowait(Event("completed", {**course.completed(), "summary": None, "summarised": 0, **summary}))


def _started(agent: LoadedAgent, record: TraceRecord) -> Event:
    data = {
        "trace_id": str(record.id),
        "agent": agent.slug,
        "version": agent.version,
        "model": agent.model.slug,
        "is_extractive": agent.is_extractive,
    }
    return Event("started", data)


async def _go(course: Course) -> Mapping[str, Any]:
    """The turn from its topic to its end; what is new of the summary."""
    paused = course.turn.paused
    if paused is not None:
        course.go_on(paused)
        course.topic = course.agent.topic(paused.topic)
        await _remember(course)
        await _process(course)
        return {}
    route = await routing.choose(course.agent, course.turn)
    course.tell(Event("topic", route.as_json()))
    if said := _said_without_model(course.agent, route):
        course.say(said)
        return {}
    course.topic = route.topic
    summary = await _remember(course)
    await _process(course)
    return summary


def _said_without_model(agent: LoadedAgent, route: Route) -> str:
    """A sentence of the agent for what is no topic; "" where the model answers."""
    if route.topic is not None:
        return ""
    texts = agent.texts
    said = {
        "greeting": texts.greeting,
        "farewell": texts.farewell,
        "unclear": texts.unclear,
        "off_topic": texts.off_topic,
    }[route.kind]
    if not said and agent.is_extractive:
        raise NotConfigured(
            f"The agent “{agent.name}” leaves this answer to a language model, and none is configured. "
            "Set OPENAI_API_KEY, or add a provider in the admin under Providers."
        )
    return said


async def _remember(course: Course) -> Mapping[str, Any]:
    """What was said before, as far as the model is shown it; summed up first where it has become too long."""
    agent, turn = course.agent, course.turn
    course.summary = turn.summary if agent.memory.kind == "summary" else ""
    count, fresh = memory.due(agent, turn.history), {}
    if count and turn.paused is None:
        with span("sum up", messages=count) as step:
            try:
                course.summary = await memory.summarised(agent, turn.history[:count], summary=turn.summary)
                fresh = {"summary": course.summary, "summarised": count}
            except MagnetError as error:
                # An answer does not fail because nobody could sum up; what was left out is left out.
                step.fail(error)
    course.recalled = memory.recalled(agent, turn)
    return fresh


async def _process(course: Course) -> None:
    """Ask and call in turns, until the model answers, a person is waited for, or a limit is reached."""
    course.offered = await offer(course.topic)
    _refuse_unfit_model(course.agent, course.topic)
    around = Around(partial(_run_within, course))
    ask = quoting.ask if course.agent.is_extractive else asking.ask
    outcome: calling.Outcome = "on"
    if course.turn.paused is not None:
        outcome = await calling.settle(course, course.turn.paused.calls, around=around)
    while outcome == "on":
        if reason := course.exceeded():
            course.stop(reason)
            return
        reply = await ask(course)
        if not reply.calls:
            return
        outcome = await calling.carry_out(course, reply.calls, around=around)


def _refuse_unfit_model(agent: LoadedAgent, topic: LoadedTopic | None) -> None:
    if topic and topic.actions and not agent.is_extractive and not agent.model.can_call_tools:
        raise NotConfigured(f"The model “{agent.model.name}” calls no tools. Choose another one for “{agent.name}”.")


def _run_within(course: Course, agent: LoadedAgent, message: str) -> AsyncGenerator[Event, None]:
    """The turn of an agent that is an action of this one; it is given those variables that it declares."""
    if course.depth >= DEEPEST_AGENTS:
        raise InvalidInput(f"Agents call agents at most {DEEPEST_AGENTS} deep.")
    known: Variables = course.variables
    declared = {variable.name for variable in agent.variables}
    given = {name: value for name, value in known.values.items() if name in declared and value != ""}
    return run(agent, Turn(message, variables=given), depth=course.depth + 1)
