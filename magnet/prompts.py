"""Prompt templates at work: loaded once, filled in, and turned into what a model is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from magnet.database import cached
from magnet.default_prompts import BY_SLUG
from magnet.errors import NotConfigured, NotFound
from magnet.models import AIModel, PromptTemplate, PromptTemplateVersion
from magnet.prompt_parts import Example, Values, Variable, render, values_for
from magnet.providers.base import ChatMessage, ChatRequest, Evidence

# What a model is told where it cannot be bound to a schema, or to JSON at all.
JSON_ONLY = "Answer with JSON only: no words before or after it, and no code fence."


@dataclass(frozen=True)
class LoadedPrompt:
    """A version of a template with its model. `version` is None where the text that it starts with serves."""

    slug: str
    name: str
    version: int | None
    version_id: int | None
    instructions: str
    prompt: str
    variables: tuple[Variable, ...] = ()
    examples: tuple[Example, ...] = ()
    ai_model: AIModel | None = None
    temperature: float | None = None
    top_p: float | None = None
    reasoning_effort: str = ""
    max_output_tokens: int | None = None
    stop: tuple[str, ...] = ()
    response_format: str = "text"
    response_schema: Mapping[str, Any] | None = None
    recording: str = "full"

    @property
    def options(self) -> dict[str, Any]:
        """In the provider's vocabulary; the gateway leaves out what the model does not have."""
        options = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "reasoning_effort": self.reasoning_effort or None,
            "stop": list(self.stop) or None,
        }
        return {name: value for name, value in options.items() if value is not None}

    @property
    def is_json(self) -> bool:
        return self.response_format != "text"

    def as_version(self) -> dict[str, Any]:
        """What a trace freezes."""
        return {"slug": self.slug, "version": self.version, "id": self.version_id}


async def load(slug: str, *, version: int | None = None, draft: bool = False) -> LoadedPrompt:
    """The live version, the one of this number, or the draft (the live one where there is none).

    A default template that somebody has deleted serves with the text it starts with. Raises NotFound and NotConfigured.
    """
    return await cached(("prompt_template", slug, version, draft), partial(read, slug, version=version, draft=draft))


def read(slug: str, *, version: int | None = None, draft: bool = False) -> LoadedPrompt:
    template = PromptTemplate.objects.select_related("live", "draft").filter(slug=slug).first()
    if template is None and slug in BY_SLUG and version is None:
        return default(slug)
    if template is None:
        raise NotFound(f"There is no prompt template “{slug}”.")
    chosen = template.draft if draft and version is None and template.draft else template.version(version)
    return of_version(chosen, template=template)


def of_version(version: PromptTemplateVersion, *, template: PromptTemplate) -> LoadedPrompt:
    copied = ("instructions", "prompt", "temperature", "top_p", "reasoning_effort", "max_output_tokens")
    settings = {name: getattr(version, name) for name in (*copied, "response_format", "response_schema", "recording")}
    return LoadedPrompt(
        slug=template.slug,
        name=template.name,
        version=version.number,
        version_id=version.pk,
        variables=tuple(version.declared()),
        examples=tuple(version.shown_examples()),
        stop=tuple(version.stop),
        ai_model=usable(version.ai_model_id, of=template.name),
        **settings,
    )


def default(slug: str) -> LoadedPrompt:
    start = BY_SLUG[slug]
    version = PromptTemplateVersion(**start.settings())
    return LoadedPrompt(
        slug=slug,
        name=start.name,
        version=None,
        version_id=None,
        instructions=start.instructions,
        prompt=start.prompt,
        variables=tuple(version.declared()),
        temperature=start.temperature,
        response_format=version.response_format,
        response_schema=start.response_schema,
    )


def usable(model_id: int | None, *, of: str = "") -> Any:
    """The model, active and with its provider; None stays None. Raises NotConfigured."""
    if model_id is None:
        return None
    model = AIModel.objects.for_use().filter(pk=model_id).first()
    if model is None:
        name = AIModel.objects.get(pk=model_id).name
        raise NotConfigured(
            f"The model “{name}”{f' of “{of}”' if of else ''} or its provider is not active. "
            "Make it active in the admin under Models, or choose another model."
        )
    return model


# -- What a model is asked -----------------------------------------------------------------------------------------


def request_for(
    prompt: LoadedPrompt,
    given: Mapping[str, Any],
    *,
    model: AIModel,
    history: tuple[ChatMessage, ...] = (),
    question: str = "",
    evidence: tuple[Evidence, ...] = (),
) -> ChatRequest:
    """The request of one call; `history` stands between the examples and the prompt.

    Raises InvalidInput naming each variable that is missing or does not fit, and NotConfigured for an image that the
    model cannot see.
    """
    values = values_for(prompt.variables, given)
    if values.images and not model.can_see:
        raise NotConfigured(f"The model “{model.name}” sees no images. Choose one that does.")
    return ChatRequest(
        model=model.model_name,
        messages=messages(prompt, values, model=model, history=history),
        max_output_tokens=prompt.max_output_tokens,
        response_format=response_format(prompt, model=model),
        options=prompt.options,
        question=question or values.texts.get("question", ""),
        evidence=evidence or quotable(prompt, values),
    )


def messages(
    prompt: LoadedPrompt, values: Values, *, model: AIModel, history: tuple[ChatMessage, ...] = ()
) -> list[ChatMessage]:
    instructions = render(prompt.instructions, **values.texts).strip()
    if prompt.is_json and not (prompt.response_format == "schema" and model.can_follow_schema):
        instructions = "\n\n".join(filter(None, (instructions, JSON_ONLY)))
    said = [ChatMessage("system", instructions)] if instructions else []
    for example in prompt.examples:
        said += [ChatMessage("user", example.input), ChatMessage("assistant", example.output)]
    return [*said, *history, ChatMessage("user", render(prompt.prompt, **values.texts), images=values.images)]


def response_format(prompt: LoadedPrompt, *, model: AIModel) -> dict[str, Any] | None:
    if not prompt.is_json:
        return None
    if prompt.response_schema and prompt.response_format == "schema" and model.can_follow_schema:
        # Not `strict`: that dialect forbids most schemas, and the answer is validated here anyway.
        shape = {"name": prompt.slug.replace("-", "_")[:64], "schema": dict(prompt.response_schema)}
        return {"type": "json_schema", "json_schema": shape}
    return {"type": "json_object"}


def quotable(prompt: LoadedPrompt, values: Values) -> tuple[Evidence, ...]:
    """For the built-in answerer, which cannot read a prompt: it quotes from the texts that were filled in."""
    texts = [text for name, text in values.texts.items() if name != "question" and text.strip()]
    return tuple(Evidence(number, text) for number, text in enumerate(texts, start=1))
