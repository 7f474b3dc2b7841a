"""What happened, step by step: traces and their spans, kept in memory until the writer takes them off the request path.

with trace(feature="rag", slug="handbook", summary=question):
    with span("retrieve", kind="retrieval", sources=2) as step:
        step.set(candidates=200)
        step.keep(output=passages)
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from contextvars import ContextVar, Token
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from magnet.callers import Caller, current_caller
from magnet.errors import MagnetError
from magnet.ids import uuid7
from magnet.providers.base import Usage
from magnet.trace_writer import writer

# From the least kept to the most: `none` keeps numbers, `metadata` also attributes, `full` also texts.
RECORDINGS = ("none", "metadata", "full")


@dataclass(slots=True)
class Timed:
    """What traces and spans have in common: a beginning, an end and how it ended."""

    id: UUID = field(default_factory=uuid7, init=False)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC), init=False)
    status: str = field(default="ok", init=False)
    error: str = field(default="", init=False)
    duration_ms: float = field(default=0.0, init=False)
    _start: float = field(default_factory=time.perf_counter, init=False)

    def fail(self, error: BaseException) -> None:
        """An error that was handled, or one that is on its way to the caller; leaving early is not an error."""
        if isinstance(error, asyncio.CancelledError | GeneratorExit):
            self.status = "cancelled"
            return
        self.status = "error"
        self.error = error.detail if isinstance(error, MagnetError) else f"{type(error).__name__}: {error}"

    def elapsed_ms(self) -> float:
        return (time.perf_counter() - self._start) * 1000


@dataclass(slots=True)
class TraceRecord(Timed):
    feature: str
    slug: str = ""
    summary: str = ""
    channel: str = ""
    caller: Caller = field(default_factory=current_caller)
    recording: str = "full"
    versions: dict[str, Any] = field(default_factory=dict)
    # Ids of the documents whose text is in a payload.
    documents: list[UUID] = field(default_factory=list)
    spans: list[SpanRecord] = field(default_factory=list, init=False)
    is_closed: bool = field(default=False, init=False)

    def set(self, **values: Any) -> None:
        """Fill in what is known only later: `slug`, `summary`, `channel`; `versions` are added to those known."""
        self.versions.update(values.pop("versions", {}))
        for name, value in values.items():
            setattr(self, name, value)

    def close(self) -> None:
        self.duration_ms = self.elapsed_ms()
        self.is_closed = True
        writer.put(self.row(), [span.row() for span in self.spans], [s.payload() for s in self.spans])

    def row(self) -> dict[str, Any]:
        caller = self.caller
        return {
            "id": self.id,
            "feature": self.feature[:50],
            "slug": self.slug[:100],
            "versions": self.versions,
            "documents": self.documents,
            "status": self.status,
            "error": self.error,
            "started_at": self.started_at,
            "duration_ms": self.duration_ms,
            "input_tokens": sum(span.usage.input_tokens for span in self.spans),
            "output_tokens": sum(span.usage.output_tokens for span in self.spans),
            "cost": sum((span.cost for span in self.spans), Decimal(0)),
            "summary": self.summary[:300] if self.recording == "full" else "",
            "caller_type": caller.kind,
            "caller_id": caller.id[:50],
            "caller_label": caller.label[:300],
            "person": caller.person[:300],
            "channel": self.channel[:30],
            "request_id": caller.request_id[:100],
            "recording": self.recording,
        }


@dataclass(slots=True)
class SpanRecord(Timed):
    trace: TraceRecord
    name: str
    kind: str = "step"
    parent_id: UUID | None = None
    # The most that is kept of this step; the trace may allow more.
    recording: str = "full"
    attributes: dict[str, Any] = field(default_factory=dict)
    model: str = ""
    provider: str = ""
    usage: Usage = field(default_factory=Usage)
    cost: Decimal = Decimal(0)
    first_token_ms: float | None = None
    input: Any = None
    output: Any = None
    closes_trace: bool = False
    # Those that this step is counted in.
    stretches: tuple[Stretch, ...] = ()

    def set(self, **attributes: Any) -> None:
        self.attributes.update(attributes)

    def keep(self, *, input: Any = None, output: Any = None) -> None:
        """Large or personal values, kept apart and for a shorter time; dropped unless everything is recorded."""
        if self.recording == "full":
            self.input = self.input if input is None else input
            self.output = self.output if output is None else output

    def note_first_token(self) -> None:
        if self.first_token_ms is None:
            self.first_token_ms = self.elapsed_ms()

    def close(self) -> None:
        self.duration_ms = self.elapsed_ms()
        if self.trace.is_closed:
            # A step that outlives its request, such as a stream that nobody read to its end.
            writer.put(None, [self.row()], [self.payload()])
            return
        self.trace.spans.append(self)
        for stretch in self.stretches:
            stretch.spans.append(self)
        if self.closes_trace:
            self.trace.status, self.trace.error = self.status, self.error
            self.trace.close()

    def row(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "trace_id": self.trace.id,
            "parent_id": self.parent_id,
            "name": self.name[:200],
            "kind": self.kind,
            "status": self.status,
            "error": self.error,
            "started_at": self.started_at,
            "duration_ms": self.duration_ms,
            "first_token_ms": self.first_token_ms,
            "model": self.model[:100],
            "provider": self.provider[:100],
            "input_tokens": self.usage.input_tokens,
            "output_tokens": self.usage.output_tokens,
            "cached_tokens": self.usage.cached_tokens,
            "reasoning_tokens": self.usage.reasoning_tokens,
            "cost": self.cost,
            "attributes": {} if self.recording == "none" else self.attributes,
        }

    def payload(self) -> dict[str, Any] | None:
        if self.input is None and self.output is None:
            return None
        return {"span_id": self.id, "created_at": self.started_at, "input": self.input, "output": self.output}


@dataclass(slots=True)
class Stretch:
    """The steps of one piece of work, in the order in which they end, without those that go on beside it."""

    spans: list[SpanRecord] = field(default_factory=list)
    _start: float = field(default_factory=time.perf_counter)

    @property
    def cost(self) -> Decimal:
        return sum((span.cost for span in self.spans), Decimal(0))

    @property
    def usage(self) -> Usage:
        names = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")
        return Usage(**{name: sum(getattr(span.usage, name) for span in self.spans) for name in names})

    def answered_by(self, *, before: int | None = None) -> str:
        """The model that wrote last, as a slug, of the first so many steps; "" where none did."""
        written = (span.model for span in reversed(self.spans[:before]) if span.kind == "chat" and span.status == "ok")
        return next(written, "")

    def elapsed_ms(self) -> float:
        return (time.perf_counter() - self._start) * 1000


@dataclass(frozen=True, slots=True)
class _Here:
    """`recording` belongs to the place, not to the trace: what goes on beside it may be kept all the same."""

    trace: TraceRecord
    recording: str
    span_id: UUID | None = None
    stretches: tuple[Stretch, ...] = ()


_here: ContextVar[_Here | None] = ContextVar("trace", default=None)


def current_trace() -> TraceRecord | None:
    here = _here.get()
    return None if here is None or here.trace.is_closed else here.trace


@contextmanager
def without_texts() -> Iterator[None]:
    """What is said to models meanwhile is not kept: for work over whole documents, of which only figures matter."""
    with _recording_at_most("metadata"):
        yield


@contextmanager
def _recording_at_most(recording: str) -> Iterator[None]:
    here = _here.get()
    with _at(here and replace(here, recording=least(recording, here.recording))):
        yield


@contextmanager
def stretch() -> Iterator[Stretch]:
    """What is done within, to know what it costs: a trace may tell a longer story, and of several things at once.

    It belongs inside a `trace`; without one nothing is counted.
    """
    made, here = Stretch(), _here.get()
    with _at(here and replace(here, stretches=(*here.stretches, made))):
        yield made


@contextmanager
def _at(here: _Here | None) -> Iterator[None]:
    if here is None:
        yield
        return
    token = _here.set(here)
    try:
        yield
    finally:
        _leave(token)


def least(*recordings: str) -> str:
    """Of several levels, the one that keeps the least."""
    return min(recordings, key=RECORDINGS.index)


@contextmanager
def trace(
    *,
    feature: str,
    slug: str = "",
    summary: str = "",
    channel: str = "",
    versions: Mapping[str, Any] | None = None,
    caller: Caller | None = None,
    recording: str = "full",
) -> Iterator[TraceRecord]:
    """One request from outside. Within another trace it becomes a span of that one, which is what is yielded.

    `recording` is the most that is kept of it; the caller may allow less.
    """
    outer = current_trace()
    if outer is not None:
        outer.versions.update(versions or {})
        step = span(f"{feature} {slug}".strip(), feature=feature, slug=slug, versions=dict(versions or {}))
        with step, _recording_at_most(recording):
            yield outer
        return
    caller = caller or current_caller()
    record = TraceRecord(
        feature=feature,
        slug=slug,
        summary=summary,
        channel=channel,
        caller=caller,
        recording=least(recording, caller.recording),
        versions=dict(versions or {}),
    )
    with _Step(record, _Here(record, record.recording)):
        yield record


def span(name: str, *, kind: str = "step", **attributes: Any) -> AbstractContextManager[SpanRecord]:
    """One step; steps opened inside it become its children."""
    record = _opened(name, kind=kind, attributes=attributes)
    return _Step(record, _Here(record.trace, record.recording, record.id, record.stretches))


def detached_span(
    name: str, *, kind: str = "step", feature: str = "", **attributes: Any
) -> AbstractContextManager[SpanRecord]:
    """One step of an async generator: its reader runs between its yields, and what that does is no part of it."""
    return _Step(_opened(name, kind=kind, attributes=attributes, feature=feature))


def _opened(name: str, *, kind: str, attributes: dict[str, Any], feature: str = "") -> SpanRecord:
    here = _here.get()
    if here is None or here.trace.is_closed:
        # Work that nobody traced still shows up: it gets a trace of its own, closed with the span.
        caller = current_caller()
        own = TraceRecord(feature=feature or "other", caller=caller, recording=caller.recording)
        return SpanRecord(own, name, kind, recording=own.recording, attributes=attributes, closes_trace=True)
    return SpanRecord(here.trace, name, kind, here.span_id, here.recording, attributes, stretches=here.stretches)


Record = TypeVar("Record", TraceRecord, SpanRecord)


class _Step(AbstractContextManager[Record]):
    """Closes the record at its end; with `here`, it is meanwhile where we are. Not a generator: each step is one."""

    __slots__ = ("_here", "_record", "_token")

    def __init__(self, record: Record, here: _Here | None = None) -> None:
        self._record: Record = record
        self._here = here
        self._token: Token[_Here | None] | None = None

    def __enter__(self) -> Record:
        if self._here is not None:
            self._token = _here.set(self._here)
        return self._record

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        try:
            if error is not None:
                self._record.fail(error)
            self._record.close()
        finally:
            if self._token is not None:
                _leave(self._token)


def _leave(token: Token[_Here | None]) -> None:
    # An async generator may be closed by another task than the one that read it: its context is gone.
    with suppress(ValueError):
        _here.reset(token)


def flush() -> bool:
    """Write what is waiting, now; whether all of it was written. Call it when a process ends."""
    return writer.flush()
