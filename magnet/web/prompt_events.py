"""The run of a prompt template as events: started, text…, completed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from magnet import prompt_runs
from magnet.models import AIModel
from magnet.prompt_runs import PromptReply
from magnet.prompts import LoadedPrompt
from magnet.providers.base import ChatMessage
from magnet.web.streaming import Event


async def events(
    prompt: LoadedPrompt,
    given: Mapping[str, Any],
    *,
    model: AIModel | None = None,
    history: tuple[ChatMessage, ...] = (),
) -> AsyncGenerator[Event, None]:
    """As prompt_runs.stream; `completed` is the whole reply, as the API shows it. Errors are raised."""
    model = await prompt_runs.model_for(prompt, wanted=model)
    yield Event("started", {"prompt_template": prompt.slug, "version": prompt.version, "model": model.slug})
    async with aclosing(prompt_runs.stream(prompt, given, model=model, history=history)) as parts:
        async for part in parts:
            if isinstance(part, PromptReply):
                yield Event("completed", prompt_runs.as_json(part))
            else:
                yield Event("text", {"text": part})
