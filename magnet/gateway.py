"""The only door to a model. Every call is limited, retried, priced, and leaves a span.

`model` is an AIModel with its provider, its fallback and that one's provider loaded, as `AIModel.objects.for_use()`
does: nothing here asks the database on the way to a model.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any, Literal

import structlog

from magnet.attempts import Attempts
from magnet.embedding_batches import Batch, batches, embed_in_order
from magnet.errors import NotConfigured, ProviderAnswerInvalid, ProviderError
from magnet.event_loop import run_from_sync
from magnet.models import AIModel, Provider
from magnet.outbound import async_http, closing
from magnet.provider_clients import client_of, close_clients, new_client
from magnet.providers.base import (
    ChatDelta,
    ChatReply,
    ChatRequest,
    Embeddings,
    ModelProvider,
    Reranked,
    ToolCall,
    Usage,
)
from magnet.tracing import SpanRecord, detached_span

__all__ = ["chat", "check", "close_all", "embed", "rerank", "run_from_sync", "stream"]

log = structlog.get_logger(__name__)

# Near enough for any script; only until, or unless, the provider has counted.
BYTES_PER_TOKEN = 4
USUAL_OUTPUT_TOKENS = 500
COST_STEP = Decimal("1e-10")


async def chat(model: AIModel, request: ChatRequest, *, feature: str = "") -> ChatReply:
    """A whole answer. Raises ProviderError when the model and its fallback failed, NotConfigured when both are off."""
    for candidate, fallback in candidates(model):
        with chat_span(candidate, request, primary=model, feature=feature) as span:
            try:
                return await ask(candidate, fitted(request, candidate), span=span)
            except ProviderError as error:
                pass_on_to(fallback, span=span, error=error)
    raise AssertionError("The last candidate answers or raises.")


async def stream(model: AIModel, request: ChatRequest, *, feature: str = "") -> AsyncGenerator[ChatDelta, None]:
    """The answer as it is written; the last delta carries usage, tool calls and finish reason.

    Close it (`aclosing`) to leave: that cancels the call upstream. Once a word was given out a failure is final; a
    fallback does not go on in mid-sentence. Errors as in `chat`.
    """
    for candidate, fallback in candidates(model):
        last: ChatDelta | None = None
        with chat_span(candidate, request, primary=model, feature=feature) as span:
            try:
                async with aclosing(ask_streamed(candidate, fitted(request, candidate), span=span)) as deltas:
                    async for delta in deltas:
                        if delta.finish_reason:
                            last = delta
                        else:
                            yield delta
            except ProviderError as error:
                pass_on_to(None if span.first_token_ms else fallback, span=span, error=error)
        if last is not None:
            # The span is closed: who leaves now has not left early.
            yield last
            return


async def embed(
    model: AIModel,
    texts: Sequence[str],
    *,
    purpose: Literal["document", "query"] = "query",
    feature: str = "",
) -> Embeddings:
    """One vector a text, in the order asked. There is no fallback: vectors of two models cannot be compared."""
    refuse_inactive(model)
    client = client_of(model.provider)
    with model_span(model, "embedding", feature=feature, texts=len(texts), purpose=purpose) as span:

        async def embed_batch(batch: Batch) -> Embeddings:
            # Patience is counted for each batch: a large document must not run out of it at its hundredth.
            attempts = Attempts(model.provider, span=span, is_limited=not client.is_built_in)
            found = await attempts.make(
                lambda: client.embed(batch.texts, model=model.model_name, dimensions=model.dimensions),
                tokens=batch.bytes / BYTES_PER_TOKEN if attempts.limits else 0,
            )
            return with_usage(checked(found, model=model), batch, span=span)

        wanted = batches(texts, provider=client, max_input_tokens=model.max_input_tokens)
        span.set(requests=len(wanted))
        done = await embed_in_order(wanted, dimensions=model.dimensions or 0, embed=embed_batch)
        charge(span, model, done.usage)
    return done


async def rerank(model: AIModel, query: str, texts: Sequence[str], *, top_n: int, feature: str = "") -> Reranked:
    """The best `top_n` of the texts for the query. Raises ProviderError, NotConfigured.

    There is no fallback: who asks has an order already, which is better than to wait for another.
    """
    refuse_inactive(model)
    client = client_of(model.provider)
    size = sum(len(text.encode(errors="replace")) for text in (query, *texts))
    with model_span(model, "rerank", feature=feature, texts=len(texts), top_n=top_n) as span:
        attempts = Attempts(model.provider, span=span, is_limited=not client.is_built_in)
        found = await attempts.make(
            lambda: client.rerank(query, texts, model=model.model_name, top_n=top_n),
            tokens=size / BYTES_PER_TOKEN if attempts.limits else 0,
        )
        if not is_counted(found.usage):
            span.set(usage_is_estimated=True)
            found = replace(found, usage=Usage(input_tokens=size // BYTES_PER_TOKEN))
        charge(span, model, found.usage)
        span.set(scored=len(found.order))
    return found


async def check(provider: Provider) -> list[str]:
    """Prove that a provider answers; returns the names of the models it offers. The row need not be saved yet."""
    client = new_client(provider)
    try:
        return await client.check()
    finally:
        await client.close()


async def close_all() -> None:
    """Close this event loop's connections to providers and to the APIs of tools, when it ends."""
    await close_clients()
    await async_http.close_clients()
    await closing.close_all()


# -- Which model ---------------------------------------------------------------------------------------------


def candidates(model: AIModel) -> Iterator[tuple[AIModel, AIModel | None]]:
    """The model and, when that fails, its fallback, each with the one that comes next; only active ones."""
    usable = [one for one in (model, model.fallback) if one is not None and is_usable(one)]
    if not usable:
        refuse_inactive(model)
    for position, one in enumerate(usable):
        yield one, usable[position + 1] if position + 1 < len(usable) else None


def is_usable(model: AIModel) -> bool:
    return model.is_active and model.provider.is_active


def refuse_inactive(model: AIModel) -> None:
    if not is_usable(model):
        raise NotConfigured(
            f"The model “{model.name}” or its provider is switched off. Switch it on, or choose another model."
        )


def pass_on_to(fallback: AIModel | None, *, span: SpanRecord, error: ProviderError) -> None:
    """Note the failure on the span and let the fallback have its turn; without one the error goes on."""
    if fallback is None:
        raise error
    span.fail(error)
    span.set(passed_on_to=fallback.slug)
    log.warning("model_failed", model=span.model, fallback=fallback.slug, error=error.detail)


def fitted(request: ChatRequest, model: AIModel) -> ChatRequest:
    """The request with this model's name, and without the settings that it refuses."""
    refused = set() if model.takes_temperature else {"temperature", "top_p"}
    if not model.can_reason:
        refused.add("reasoning_effort")
    limits = [limit for limit in (request.max_output_tokens, model.max_output_tokens) if limit]
    return replace(
        request,
        model=model.model_name,
        max_output_tokens=min(limits) if request.max_output_tokens else None,
        options={name: value for name, value in request.options.items() if name not in refused},
    )


# -- Asking one model ----------------------------------------------------------------------------------------


async def ask(model: AIModel, request: ChatRequest, *, span: SpanRecord) -> ChatReply:
    client = client_of(model.provider)
    attempts = Attempts(model.provider, span=span, is_limited=not client.is_built_in)
    expected = expected_tokens(request)
    reply = await attempts.make(lambda: client.chat(request), tokens=expected)
    usage = reply.usage if is_counted(reply.usage) else estimated(span, request, reply.text)
    conclude(span, model, usage, text=reply.text, tool_calls=reply.tool_calls)
    attempts.correct(usage.input_tokens + usage.output_tokens - expected)
    span.set(finish_reason=reply.finish_reason)
    return replace(reply, usage=usage)


async def ask_streamed(model: AIModel, request: ChatRequest, *, span: SpanRecord) -> AsyncGenerator[ChatDelta, None]:
    client = client_of(model.provider)
    attempts = Attempts(model.provider, span=span, is_limited=not client.is_built_in)
    expected = expected_tokens(request)
    heard: list[str] = []
    last = ChatDelta()
    try:
        deltas = attempts.make_stream(lambda: opened(client, model, request), tokens=expected)
        async with aclosing(deltas):
            async for delta in deltas:
                span.note_first_token()
                heard.append(delta.text)
                if delta.finish_reason:
                    last = delta
                if delta.text:
                    yield delta if not delta.finish_reason else ChatDelta(text=delta.text)
    finally:
        # Also for one who leaves early: what was written until then is paid for.
        text = "".join(heard)
        usage = last.usage or (estimated(span, request, text) if heard else Usage())
        conclude(span, model, usage, text=text, tool_calls=last.tool_calls)
        attempts.correct(usage.input_tokens + usage.output_tokens - expected)
    span.set(finish_reason=last.finish_reason)
    yield replace(last, text="", usage=usage)


def opened(client: ModelProvider, model: AIModel, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
    return client.stream(request) if model.can_stream else whole_as_stream(client, request)


async def whole_as_stream(client: ModelProvider, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
    """For models that cannot stream: everything at once."""
    reply = await client.chat(request)
    usage = reply.usage if is_counted(reply.usage) else None
    yield ChatDelta(reply.text, reply.tool_calls, usage, reply.finish_reason)


def checked(found: Embeddings, *, model: AIModel) -> Embeddings:
    length = found.vectors.shape[1]
    if length != model.dimensions:
        raise ProviderAnswerInvalid(
            f"The model “{model.name}” sent vectors of {length} numbers, but its dimensions are set to "
            f"{model.dimensions}. Correct the dimensions in the admin under Models."
        )
    return found


# -- What it cost --------------------------------------------------------------------------------------------


def is_counted(usage: Usage) -> bool:
    return usage.input_tokens > 0 or usage.output_tokens > 0


def estimated(span: SpanRecord, request: ChatRequest, text: str) -> Usage:
    """For a provider that does not count, and for an answer that nobody heard to its end."""
    span.set(usage_is_estimated=True)
    return Usage(input_tokens=tokens_in(request), output_tokens=len(text.encode(errors="replace")) // BYTES_PER_TOKEN)


def with_usage(found: Embeddings, batch: Batch, *, span: SpanRecord) -> Embeddings:
    if is_counted(found.usage):
        return found
    span.set(usage_is_estimated=True)
    return replace(found, usage=Usage(input_tokens=batch.bytes // BYTES_PER_TOKEN))


def tokens_in(request: ChatRequest) -> int:
    return sum(len(message.text.encode(errors="replace")) for message in request.messages) // BYTES_PER_TOKEN


def expected_tokens(request: ChatRequest) -> int:
    """What the limit of tokens is thought to lose, until the provider has counted."""
    return tokens_in(request) + min(request.max_output_tokens or USUAL_OUTPUT_TOKENS, USUAL_OUTPUT_TOKENS)


def charge(span: SpanRecord, model: AIModel, usage: Usage) -> None:
    """Prices are frozen on the span: a later price change must not rewrite history."""
    span.usage, span.cost = usage, model.cost(usage).quantize(COST_STEP)


# -- Spans ---------------------------------------------------------------------------------------------------


@contextmanager
def model_span(model: AIModel, kind: str, *, feature: str, **attributes: Any) -> Iterator[SpanRecord]:
    with detached_span(f"{kind} {model.slug}", kind=kind, feature=feature, **attributes) as span:
        span.model, span.provider = model.slug, model.provider.slug
        yield span


@contextmanager
def chat_span(model: AIModel, request: ChatRequest, *, primary: AIModel, feature: str) -> Iterator[SpanRecord]:
    with model_span(model, "chat", feature=feature, options=dict(request.options)) as span:
        if model is not primary:
            span.set(fallback_for=primary.slug)
        span.keep(input={"messages": request.messages, "tools": request.tools})
        yield span


def conclude(span: SpanRecord, model: AIModel, usage: Usage, *, text: str, tool_calls: Sequence[ToolCall]) -> None:
    charge(span, model, usage)
    span.keep(output={"text": text, "tool_calls": tool_calls} if tool_calls else {"text": text})
