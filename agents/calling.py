"""The calls of one step: checked, confirmed where that is wanted, made side by side, and answered in their order.

Whatever goes wrong with a call goes back to the model as a result that it can act on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Literal

import structlog
from pydantic_core import from_json, to_json

from agents.actions import Around
from agents.course import Course
from agents.delimiting import delimited, shortened
from agents.found import in_story
from agents.offering import Offered
from agents.turn import Call
from magnet import json_schema
from magnet.errors import MagnetError, ToolTimedOut
from magnet.providers.base import ChatMessage, ToolCall
from magnet.tracing import span
from magnet.web.streaming import Event
from tools_app.citations import Renumbering

log = structlog.get_logger(__name__)

# Of what a model wants at once: so many are made, so many of them side by side.
MOST_CALLS, CALLS_AT_ONCE = 20, 6
CALL_SECONDS = 60.0
# What an event shows of a result.
SHOWN_CHARACTERS = 500
LONGEST_VALUE = 200
# These answer with a text of their own, which may be passed on as it is written.
WRITING = ("rag", "prompt", "agent", "workflow")

Outcome = Literal["on", "waits", "answered"]


@dataclass(frozen=True)
class Made:
    """What came of one call."""

    text: str
    is_error: bool = False
    cost: str = "0"
    trace_id: str = ""
    duration_ms: float = 0.0


async def carry_out(course: Course, calls: Sequence[ToolCall], *, around: Around) -> Outcome:
    """What became of the calls of one reply: the model goes on, a person is waited for, or the turn is answered."""
    return await settle(course, [_checked(course, call, place) for place, call in enumerate(calls)], around=around)


async def settle(course: Course, calls: Sequence[Call], *, around: Around) -> Outcome:
    """Make those calls that have no result and need not wait, or that a person has approved."""
    calls = [_answered(course, call) for call in calls]
    ready = [call for call in calls if call.result is None and not _waits(course, call)]
    is_direct = len(calls) == 1 and len(ready) == 1 and _answers_directly(course, ready[0])
    gate = asyncio.Semaphore(CALLS_AT_ONCE)
    results = await asyncio.gather(*(_make(course, call, gate, around, is_direct=is_direct) for call in ready))
    made = dict(zip((call.call_id for call in ready), results, strict=True))
    calls = [_with_result(call, made.get(call.call_id)) for call in calls]
    for call in calls:
        if call.call_id in made:
            course.note(call, call.result or "", is_error=call.is_error)
    if any(call.result is None for call in calls):
        course.waiting = tuple(calls)
        _ask_a_person(course, calls)
        return "waits"
    course.messages += [ChatMessage("tool", delimited(c.result or ""), tool_call_id=c.call_id) for c in calls]
    return "answered" if is_direct and not calls[0].is_error else "on"


def _with_result(call: Call, made: Made | None) -> Call:
    return call if made is None else replace(call, result=made.text, is_error=made.is_error)


def _answers_directly(course: Course, call: Call) -> bool:
    offered = course.offered[call.name]
    return offered.action.answers_directly or (course.agent.is_extractive and offered.action.kind in WRITING)


# -- Before a call ---------------------------------------------------------------------------------------------------


def _checked(course: Course, wanted: ToolCall, place: int) -> Call:
    """The call with the arguments that would be sent, or with a result that says what is wrong."""
    call = Call(wanted.id, wanted.name, wanted.arguments)
    offered = course.offered.get(wanted.name)
    if offered is None:
        names = ", ".join(course.offered) or "none"
        return _refused(course, call, f"There is no function “{wanted.name}”. There are: {names}.")
    call = replace(call, action=offered.action.key)
    if place >= MOST_CALLS:
        return _refused(course, call, f"At most {MOST_CALLS} calls are made at once. Call this one later.", offered)
    if offered.function is None:
        return _refused(course, call, f"“{offered.label}” cannot be used: {offered.missing}", offered)
    written, fault = _read(wanted.arguments)
    if fault:
        return _refused(course, call, fault, offered)
    try:
        call = replace(call, arguments=offered.arguments(written, course.variables))
        faults = json_schema.faults(offered.schema, call.arguments)
    except MagnetError as error:
        faults = [error.detail]
    return _refused(course, call, " ".join(["The arguments do not fit.", *faults]), offered) if faults else call


def _read(written: str) -> tuple[dict[str, Any], str]:
    """The arguments as the model wrote them, or what is wrong with them."""
    try:
        value = from_json(written, allow_inf_nan=False) if written.strip() else {}
    except ValueError as error:
        return {}, f"The arguments are not JSON: {error}. Write them again as one JSON object."
    return (value, "") if isinstance(value, dict) else ({}, "The arguments are one JSON object. Write them again.")


def _refused(course: Course, call: Call, said: str, offered: Offered | None = None) -> Call:
    """Nothing was called; the model is told why, and so is who follows the turn."""
    _tell_of_call(course, call, offered)
    _tell_of_result(course, call, Made(said, is_error=True))
    course.note(call, said, is_error=True)
    return replace(call, result=said, is_error=True)


# -- Confirmations ---------------------------------------------------------------------------------------------------


def _waits(course: Course, call: Call) -> bool:
    answer = course.answer_to(call)
    if answer is not None:
        return False
    offered = course.offered[call.name]
    is_approved = offered.action.key in course.turn.approved
    # What a person approved for good, they approved of arguments that they or the model thought of.
    return (offered.needs_confirmation and not is_approved) or (offered.action.confirms_untrusted and course.has_read)


def _answered(course: Course, call: Call) -> Call:
    """The call with the result that a refusal is, that its action's end is, or that of a person who cannot be asked."""
    if call.result is not None:
        return call
    offered, answer = course.offered.get(call.name), course.answer_to(call)
    if offered is None or offered.function is None:
        said = "It was taken away while the turn waited."
        return _refused(course, call, f"There is no function “{call.name}” any more. {said}", offered)
    if answer is not None and not answer.is_approved:
        said = f" They said: “{answer.comment.strip()}”" if answer.comment.strip() else ""
        return _refused(course, call, f"The person refused this call. It was not made.{said}", offered)
    if course.depth > 1 and _waits(course, call):
        return _refused(course, call, "This needs a person's confirmation, and nobody can be asked here.", offered)
    return call


def _ask_a_person(course: Course, calls: Iterable[Call]) -> None:
    for call in calls:
        if call.result is None:
            offered = course.offered[call.name]
            data = {
                "call_id": call.call_id,
                "action": call.action,
                "name": call.name,
                "label": offered.label,
                "arguments": call.arguments,
                "sentence": sentence_of(offered.label, call.arguments),
                "may_approve_all": not offered.action.confirms_untrusted,
            }
            course.tell(Event("confirmation", data))


def sentence_of(label: str, arguments: dict[str, Any]) -> str:
    """The call in plain words, its real arguments included."""
    told = [f"{name}: {_shown(value)}" for name, value in arguments.items()]
    return f"“{label}” will be called with {'; '.join(told)}." if told else f"“{label}” will be called."


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else to_json(value).decode()
    return shortened(" ".join(text.split()), characters=LONGEST_VALUE)


# -- A call ----------------------------------------------------------------------------------------------------------


async def _make(course: Course, call: Call, gate: asyncio.Semaphore, around: Around, *, is_direct: bool) -> Made:
    async with gate:
        _tell_of_call(course, call, course.offered[call.name])
        began = time.perf_counter()
        try:
            made = await _traced(course, call, around, is_direct=is_direct)
        except asyncio.CancelledError:
            course.note(call, "It was stopped before it answered.", is_error=True)
            raise
        made = replace(made, duration_ms=(time.perf_counter() - began) * 1_000)
        _tell_of_result(course, call, made)
        return made


async def _traced(course: Course, call: Call, around: Around, *, is_direct: bool) -> Made:
    offered, said_before = course.offered[call.name], course.text
    with span(f"call {call.name}", kind="tool", action=call.action, target=offered.action.slug) as step:
        step.keep(input={"arguments": call.arguments})
        try:
            async with asyncio.timeout(CALL_SECONDS):
                made = await _called(course, call, around, is_direct=is_direct)
        except Exception as error:
            if course.text != said_before and is_direct:
                # A part of the answer is out already.
                raise
            made = _failed(error, offered)
            step.fail(error)
        step.keep(output={"text": made.text})
    return made


def _failed(error: Exception, offered: Offered) -> Made:
    if isinstance(error, MagnetError):
        return Made(f"“{offered.label}” failed: {error.detail}", is_error=True)
    if isinstance(error, TimeoutError):
        late = ToolTimedOut(f"“{offered.label}” did not answer within {CALL_SECONDS:g} seconds.")
        return Made(late.detail, is_error=True)
    log.error("action_failed", action=offered.action.key, target=offered.action.slug, exc_info=error)
    return Made(f"“{offered.label}” failed for a reason that is in the log of Magnet.", is_error=True)


async def _called(course: Course, call: Call, around: Around, *, is_direct: bool) -> Made:
    function = course.offered[call.name].function
    assert function is not None
    hearing = _Hearing(course, call, is_direct=is_direct)
    async with aclosing(function.stream(call.arguments, around=around)) as events:
        async for event in events:
            hearing.take(event)
    data = hearing.data
    text = function.read(data)
    if is_direct:
        hearing.finish(text)
    trace_id = str(data.get("trace_id") or course.trace.id)
    return Made(shortened(text), cost=str(data.get("cost") or "0"), trace_id=trace_id)


class _Hearing:
    """What one call tells, as far as it concerns the turn: passages under its numbers, and text that is passed on."""

    def __init__(self, course: Course, call: Call, *, is_direct: bool) -> None:
        self.course, self.call, self.is_direct = course, call, is_direct
        self.data: dict[str, Any] = {}
        self._numbers: dict[int, int] = {}
        self._writing = Renumbering({})
        self._has_said = False
        course.begin_paragraph()

    def take(self, event: Event) -> None:
        if event.name == "passages":
            self._take_passages(event.data["passages"])
        elif event.name == "text" and self.is_direct:
            self._say(self._writing.feed(event.data["text"]))
        elif event.name in ("tool_call", "tool_result"):
            inner = {**event.data, "call_id": f"{self.call.call_id}/{event.data['call_id']}"}
            self.course.tell(Event(event.name, inner))
        elif event.name == "completed":
            self._take_passages(event.data.get("passages") or ())
            self.data = in_story(event.data, self._numbers)

    def finish(self, text: str) -> None:
        """The rest of the answer that is passed on, or all of it where nothing came before."""
        self._say(self._writing.close())
        if not self._has_said:
            self._say(text)
        cited = (passage["number"] for passage in self.data["passages"] if passage.get("is_cited"))
        self.course.cited.update(cited)

    def _say(self, text: str) -> None:
        self._has_said = self._has_said or bool(text)
        self.course.say(text)

    def _take_passages(self, passages: Sequence[dict[str, Any]]) -> None:
        known = set(self._numbers)
        self._numbers |= self.course.found.take(passages)
        fresh = [self._numbers[number] for number in self._numbers if number not in known]
        if fresh:
            self._writing = Renumbering(self._numbers)
            data = {"passages": self.course.found.shown(fresh), "call_id": self.call.call_id}
            self.course.tell(Event("passages", data))


# -- Telling ---------------------------------------------------------------------------------------------------------


def _tell_of_call(course: Course, call: Call, offered: Offered | None) -> None:
    data = {
        "call_id": call.call_id,
        "action": call.action,
        "name": call.name,
        "label": offered.label if offered else call.name,
        "kind": offered.action.kind if offered else "",
        "slug": offered.action.slug if offered else "",
        "arguments": call.arguments,
    }
    course.tell(Event("tool_call", data))


def _tell_of_result(course: Course, call: Call, made: Made) -> None:
    data = {
        "call_id": call.call_id,
        "action": call.action,
        "name": call.name,
        "text": shortened(made.text, characters=SHOWN_CHARACTERS),
        "is_error": made.is_error,
        "duration_ms": round(made.duration_ms, 1),
        "cost": made.cost,
        "trace_id": made.trace_id or str(course.trace.id),
    }
    course.tell(Event("tool_result", data))
