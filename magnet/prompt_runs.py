"""A prompt template asked on its own: filled in, answered by its model, and its JSON proven.

reply = await prompt_runs.run(await prompts.load("rewrite-question"), {"question": …, "conversation": …})
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic_core import from_json

from magnet import gateway, json_schema
from magnet.database import cached
from magnet.errors import NotConfigured, ProviderAnswerInvalid
from magnet.models import AIModel
from magnet.prompts import LoadedPrompt, request_for
from magnet.providers.base import ChatMessage, ChatReply, ChatRequest, Usage
from magnet.tracing import Stretch, TraceRecord, span, stretch, trace

FEATURE = "prompt_template"
SUMMARY_CHARACTERS = 300
MOST_FAULTS_SENT = 10
FENCE = "```"

REPAIR = """\
Your answer does not fit: {faults}
Write the whole answer again as JSON that fits, and nothing else."""


@dataclass(frozen=True)
class PromptReply:
    """`data` is the parsed JSON of templates that ask for JSON, else None. `cost` is US dollars."""

    text: str
    data: Any
    prompt: str
    version: int | None
    model: str
    usage: Usage
    cost: Decimal
    trace_id: UUID
    duration_ms: float
    # No language model is configured: the text is quoted from what was filled in.
    is_extractive: bool
    # Whether the model was told once what was wrong with its JSON.
    is_repaired: bool = False


async def run(
    prompt: LoadedPrompt,
    given: Mapping[str, Any],
    *,
    model: AIModel | None = None,
    history: tuple[ChatMessage, ...] = (),
) -> PromptReply:
    """The whole answer. `model` goes before the template's own and the default; `history` was said before.

    Raises InvalidInput for variables that do not fit, ProviderAnswerInvalid for JSON that does not fit after one
    repair, ProviderErrors and NotConfigured.
    """
    model = await model_for(prompt, wanted=model)
    request = request_for(prompt, given, model=model, history=history)
    with _running(prompt, model, request) as work:
        reply = await gateway.chat(model, request, feature=FEATURE)
        return await work.finish(reply.text, usage=reply.usage)


async def stream(
    prompt: LoadedPrompt,
    given: Mapping[str, Any],
    *,
    model: AIModel | None = None,
    history: tuple[ChatMessage, ...] = (),
) -> AsyncGenerator[str | PromptReply, None]:
    """The answer as it is written, and at the end the whole of it; errors are raised as by `run`.

    Of JSON, the parts that are streamed are those of the first attempt; what counts is the end.
    """
    model = await model_for(prompt, wanted=model)
    request = request_for(prompt, given, model=model, history=history)
    with _running(prompt, model, request) as work:
        heard: list[str] = []
        usage = Usage()
        async with aclosing(gateway.stream(model, request, feature=FEATURE)) as deltas:
            async for delta in deltas:
                usage = delta.usage or usage
                if delta.text:
                    heard.append(delta.text)
                    yield delta.text
        reply = await work.finish("".join(heard), usage=usage)
    yield reply


async def model_for(prompt: LoadedPrompt, *, wanted: AIModel | None = None) -> AIModel:
    """The wanted model, else the template's own, else the default.

    Raises NotConfigured where it only quotes and there is nothing to quote: what is no answer must not look like one.
    """
    model = wanted or prompt.ai_model
    if model is None:
        model = await cached(("default_model", "chat"), default_model)
    if not model.can_write and (what := _beyond_quoting(prompt)):
        raise NotConfigured(
            f"The prompt template “{prompt.name}” {what}, which needs a language model; none is configured. "
            "Set OPENAI_API_KEY, or add a provider in the admin under Providers."
        )
    return model


def _beyond_quoting(prompt: LoadedPrompt) -> str:
    """What of it cannot be answered by quoting; empty for a question with a text that may hold the answer."""
    if prompt.is_json:
        return "answers with JSON"
    texts = {variable.name for variable in prompt.variables if variable.type in ("text", "list")}
    return "" if "question" in texts and len(texts) > 1 else "asks for more than quotations"


def default_model() -> AIModel:
    model: AIModel = AIModel.objects.default_for("chat")
    return model


@contextmanager
def _running(prompt: LoadedPrompt, model: AIModel, request: ChatRequest) -> Iterator[_Run]:
    summary = request.messages[-1].text[:SUMMARY_CHARACTERS]
    versions = {"prompt_template": prompt.as_version()}
    asked = trace(feature=FEATURE, slug=prompt.slug, summary=summary, versions=versions, recording=prompt.recording)
    with asked as record, stretch() as taken:
        yield _Run(prompt, model, request, record, taken)


class _Run:
    """One call of a template, and what it took so far."""

    def __init__(
        self, prompt: LoadedPrompt, model: AIModel, request: ChatRequest, record: TraceRecord, taken: Stretch
    ) -> None:
        self.prompt, self.model, self.request, self.trace, self._taken = prompt, model, request, record, taken

    async def finish(self, text: str, *, usage: Usage) -> PromptReply:
        if not self.prompt.is_json:
            return self._reply(text, usage=usage)
        data, faults = checked(text, self.prompt)
        if not faults:
            return self._reply(text, data=data, usage=usage)
        with span("repair") as step:
            step.keep(input={"faults": faults[:MOST_FAULTS_SENT]})
            again = await self._asked_again(text, faults)
            data, left = checked(again.text, self.prompt)
            if left:
                raise self._misfit(left, is_quoted=step.recording == "full")
        return replace(self._reply(again.text, data=data, usage=added(usage, again.usage)), is_repaired=True)

    async def _asked_again(self, text: str, faults: list[str]) -> ChatReply:
        told = ChatMessage("user", REPAIR.format(faults=" ".join(faults[:MOST_FAULTS_SENT])))
        said = [*self.request.messages, ChatMessage("assistant", text or "(nothing)"), told]
        return await gateway.chat(self.model, replace(self.request, messages=said), feature=FEATURE)

    def _misfit(self, faults: list[str], *, is_quoted: bool) -> ProviderAnswerInvalid:
        """Faults quote the answer, and sentences of errors go into traces and logs: whoever asked reads them apart."""
        listed = faults[:MOST_FAULTS_SENT]
        quoted = f": {' '.join(listed)}" if is_quoted else "."
        return ProviderAnswerInvalid(
            f"The model “{self.model.name}” did not answer with JSON that fits “{self.prompt.name}”, not even when "
            f"told what was wrong{quoted}",
            errors={"answer": listed},
        )

    def _reply(self, text: str, *, usage: Usage, data: Any = None) -> PromptReply:
        return PromptReply(
            text=text,
            data=data,
            prompt=self.prompt.slug,
            version=self.prompt.version,
            model=self._taken.answered_by() or self.model.slug,
            usage=usage,
            cost=self._taken.cost,
            trace_id=self.trace.id,
            duration_ms=self._taken.elapsed_ms(),
            is_extractive=not self.model.can_write,
        )


# -- JSON ------------------------------------------------------------------------------------------------------------


def checked(text: str, prompt: LoadedPrompt) -> tuple[Any, list[str]]:
    """The parsed answer, and in sentences what does not fit."""
    try:
        data = from_json(unfenced(text), allow_inf_nan=False)
    except ValueError as error:
        return None, [f"It is not JSON: {error}."]
    if prompt.response_format != "schema" or not prompt.response_schema:
        return data, []
    return data, json_schema.faults(dict(prompt.response_schema), data)


def unfenced(text: str) -> str:
    """Models like to put JSON into a code fence, whatever they are told."""
    stripped = text.strip()
    if stripped.startswith(FENCE) and stripped.endswith(FENCE) and len(stripped) > 2 * len(FENCE):
        return stripped.removeprefix(FENCE).removesuffix(FENCE).removeprefix("json").strip()
    return stripped


def added(first: Usage, second: Usage) -> Usage:
    names = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")
    return Usage(**{name: getattr(first, name) + getattr(second, name) for name in names})


def as_json(reply: PromptReply) -> dict[str, Any]:
    """The reply as the API shows it. Money is a decimal string."""
    return {
        "text": reply.text,
        "data": reply.data,
        "prompt_template": reply.prompt,
        "version": reply.version,
        "model": reply.model,
        "usage": asdict(reply.usage),
        "cost": format(reply.cost.normalize(), "f"),
        "trace_id": str(reply.trace_id),
        "duration_ms": round(reply.duration_ms, 1),
        "is_extractive": reply.is_extractive,
        "is_repaired": reply.is_repaired,
    }
