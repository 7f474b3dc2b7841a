"""Traces: what is recorded, that it is readable within a second, and that nothing is lost or broken by it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from decimal import Decimal

import psycopg
import pytest
from django.db import connections

from magnet import trace_writer
from magnet.callers import Caller, acting_as
from magnet.database import in_database
from magnet.errors import ProviderBusy
from magnet.models import Span, SpanPayload, Trace
from magnet.providers.base import Usage
from magnet.trace_writer import writer
from magnet.tracing import current_trace, detached_span, flush, span, stretch, trace

pytestmark = pytest.mark.django_db(transaction=True)

ANNA = Caller(kind="user", id="7", label="Anna", person="customer-9", request_id="r-1")


def test_a_trace_says_who_asked_what_and_what_it_cost():
    with acting_as(ANNA), trace(feature="rag", slug="handbook", summary="Why?", versions={"rag_tool": 3}) as record:
        with span("retrieve", kind="retrieval", sources=2) as step:
            step.set(candidates=200)
            with detached_span("embed", kind="embedding") as call:
                call.usage, call.cost, call.model = Usage(12, 0), Decimal("0.0000002400"), "small"
        with span("chat", kind="chat") as call:
            call.usage, call.cost = Usage(900, 80, 512, 16), Decimal("0.0012345678")
            call.keep(input=[{"role": "user", "text": "Why?"}], output="Because [1].")
        record.set(channel="api")
    assert flush()

    row = Trace.objects.get()
    assert (row.feature, row.slug, row.summary, row.channel) == ("rag", "handbook", "Why?", "api")
    assert (row.caller_type, row.caller_id, row.caller_label, row.person) == ("user", "7", "Anna", "customer-9")
    assert (row.input_tokens, row.output_tokens, row.cost) == (912, 80, Decimal("0.0012348078"))
    assert (row.versions, row.request_id, row.status) == ({"rag_tool": 3}, "r-1", "ok")
    steps = {step.name: step for step in row.spans.all()}
    assert steps["retrieve"].attributes == {"sources": 2, "candidates": 200}
    assert steps["embed"].parent_id == steps["retrieve"].id
    assert steps["retrieve"].parent_id is None
    assert (steps["chat"].cached_tokens, steps["chat"].reasoning_tokens) == (512, 16)
    assert steps["chat"].payload.output == "Because [1]."
    assert SpanPayload.objects.count() == 1


def test_a_trace_can_be_read_within_a_second_without_anybody_flushing():
    with trace(feature="rag"):
        pass

    deadline = time.monotonic() + 1
    while not Trace.objects.exists() and time.monotonic() < deadline:
        time.sleep(0.02)

    assert Trace.objects.exists()


@pytest.mark.parametrize(
    ("recording", "summary", "attributes", "has_texts"),
    [("full", "Why?", {"passages": 3}, True), ("metadata", "", {"passages": 3}, False), ("none", "", {}, False)],
)
def test_records_no_more_than_the_caller_allows(recording, summary, attributes, has_texts):
    with (
        acting_as(Caller(recording=recording)),
        trace(feature="rag", summary="Why?"),
        span("chat", passages=3) as call,
    ):
        call.keep(input="Why?", output="Because.")
        call.usage = Usage(5, 6)
    flush()

    step = Span.objects.get()
    assert (step.trace.summary, step.attributes, SpanPayload.objects.exists()) == (summary, attributes, has_texts)
    assert step.input_tokens == 5


def test_the_stricter_recording_wins():
    with acting_as(Caller(recording="metadata")), trace(feature="rag", recording="none") as record:
        pass

    assert record.recording == "none"


async def test_of_what_goes_on_at_once_each_keeps_what_it_allows():
    first_began, second_began, first_ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def first() -> None:
        with trace(feature="prompt", slug="first", recording="none"):
            first_began.set()
            await second_began.wait()
        first_ended.set()

    async def second() -> None:
        await first_began.wait()
        with trace(feature="prompt", slug="second", recording="none"):
            second_began.set()
            await first_ended.wait()
            with span("chat") as step:
                step.keep(input="A secret.")

    with trace(feature="agent", slug="support"):
        await asyncio.gather(first(), second())
        with span("answer") as step:
            step.keep(input="No secret.")
    await in_database(flush)

    kept = await in_database(lambda: list(SpanPayload.objects.values_list("input", flat=True)))
    assert kept == ["No secret."]


def test_failures_and_departures_are_told_apart():
    with pytest.raises(ProviderBusy), trace(feature="rag"), span("chat"):
        raise ProviderBusy("The provider asks us to slow down.")
    with pytest.raises(asyncio.CancelledError), trace(feature="rag"), span("chat"):
        raise asyncio.CancelledError
    flush()

    expected = [("error", "The provider asks us to slow down."), ("cancelled", "")]
    assert list(Trace.objects.order_by("started_at").values_list("status", "error")) == expected
    assert list(Span.objects.order_by("started_at").values_list("status", "error")) == expected


def test_a_trace_within_a_trace_is_a_step_of_it():
    with (
        trace(feature="agent", slug="support") as outer,
        trace(feature="rag", slug="handbook", versions={"rag_tool": 5}) as inner,
        span("chat"),
    ):
        pass
    flush()

    assert inner is outer
    assert Trace.objects.get().versions == {"rag_tool": 5}
    assert list(Span.objects.order_by("started_at").values_list("name", flat=True)) == ["rag handbook", "chat"]
    assert Span.objects.get(name="chat").parent_id == Span.objects.get(name="rag handbook").id


def test_a_step_outside_any_trace_gets_one_of_its_own():
    with detached_span("chat", kind="chat", feature="playground"):
        pass
    flush()

    assert Trace.objects.get().feature == "playground"
    assert current_trace() is None


async def test_what_the_reader_of_a_stream_does_is_no_part_of_the_stream():
    async def stream() -> AsyncIterator[int]:
        with detached_span("chat"):
            for number in range(3):
                yield number

    with trace(feature="rag"):
        async for _ in stream():
            with span("show"):
                await asyncio.sleep(0)
    await in_database(flush)

    parents = await in_database(lambda: set(Span.objects.values_list("parent_id", flat=True)))
    assert parents == {None}


async def test_steps_of_concurrent_requests_never_mix():
    async def request(number: int) -> None:
        with trace(feature="rag", slug=f"tool-{number}"):
            with span(f"first {number}"):
                await asyncio.sleep(0.001)
            with span(f"second {number}"):
                await asyncio.sleep(0.001)

    await asyncio.gather(*(request(number) for number in range(50)))
    await in_database(flush)

    rows = await in_database(lambda: list(Span.objects.values_list("name", "trace__slug")))
    assert len(rows) == 100
    assert all(name.split()[1] == slug.split("-")[1] for name, slug in rows)


async def test_what_goes_on_at_once_is_counted_apart_and_together():
    both_began, costs = asyncio.Barrier(2), {}

    async def work(name: str, cost: Decimal) -> None:
        with trace(feature="rag", slug=name), stretch() as taken:
            await both_began.wait()
            with span("step"), detached_span("chat", kind="chat") as call:
                call.cost, call.usage, call.model = cost, Usage(10, 1), name
            await both_began.wait()
            costs[name] = (taken.cost, taken.usage.input_tokens, taken.answered_by())

    with trace(feature="agent"), stretch() as whole:
        await asyncio.gather(work("a", Decimal(1)), work("b", Decimal(2)))

    assert costs == {"a": (Decimal(1), 10, "a"), "b": (Decimal(2), 10, "b")}
    assert (whole.cost, whole.usage.output_tokens) == (Decimal(3), 2)


def test_hostile_texts_do_not_stop_the_writer():
    with (
        trace(feature="rag", summary="NUL \x00 and half a pair \ud83d"),
        span("chat", nothing=float("nan"), path="C:\\u0000") as call,
    ):
        call.keep(input={"text": "\x00" * 10, "object": object()}, output="x" * 3_000_000)
    assert flush()

    row = Trace.objects.get()
    assert row.summary == "NUL  and half a pair ?"
    step = row.spans.get()
    assert step.attributes == {"nothing": None, "path": "C:\\u0000"}
    assert len(step.payload.output) < 300_000


def test_one_row_that_the_database_refuses_does_not_hold_up_the_others():
    with trace(feature="rag") as wrong:
        wrong.status = "much too long for its column"
    with trace(feature="rag"):
        pass

    assert flush()
    assert Trace.objects.count() == 1


def test_while_the_database_is_away_traces_wait_and_requests_go_on(monkeypatch):
    def refuse(alias: str) -> None:
        raise psycopg.OperationalError("The database is away.")

    with monkeypatch.context() as patched:
        patched.setattr(type(connections), "create_connection", lambda self, alias: refuse(alias))
        with trace(feature="rag"):
            pass
        assert not flush()

    assert flush()
    assert Trace.objects.count() == 1


def test_waiting_traces_give_up_their_texts_first_and_then_the_oldest(monkeypatch):
    monkeypatch.setattr(trace_writer, "MAX_WAITING_WITH_TEXTS", 1)
    monkeypatch.setattr(trace_writer, "MAX_WAITING", 3)
    with writer._writing:
        for number in range(5):
            with trace(feature="rag", slug=f"tool-{number}"), span("chat") as call:
                call.keep(output="text")
        waiting = list(writer._waiting)

    assert [entry.trace["slug"] for entry in waiting if entry.trace] == ["tool-2", "tool-3", "tool-4"]
    assert [len(entry.payloads) for entry in waiting] == [0, 0, 0]


PROGRAM = """
    import sys, time
    import django
    django.setup()
    from django.db import connections
    connections["default"].settings_dict["NAME"] = sys.argv[1]
    from magnet.tracing import span, trace
    for number in range(300):
        with trace(feature="rag", slug="before-the-end"):
            with span("chat"):
                pass
    print("ready", flush=True)
    if sys.argv[2] == "sigterm":
        time.sleep(30)
"""


@pytest.mark.parametrize("how", ["sigterm", "exit"])
def test_a_process_that_ends_loses_none(how):
    database = connections["default"].settings_dict["NAME"]
    program = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), database, how],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "magnet.settings"},
        stdout=subprocess.PIPE,
    )
    assert program.stdout is not None
    assert program.stdout.readline() == b"ready\n"

    if how == "sigterm":
        program.send_signal(signal.SIGTERM)

    assert program.wait(20) == (-signal.SIGTERM if how == "sigterm" else 0)
    assert Trace.objects.count() == 300
    assert Span.objects.count() == 300
