"""What answering needs to know of a RAG tool, read once and kept: no table is touched between question and answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from magnet import language, prompts
from magnet.database import cached
from magnet.default_prompts import RAG_ANSWER
from magnet.errors import NotConfigured, NotFound
from magnet.models import AIModel, PromptTemplate
from magnet.prompts import LoadedPrompt
from tools_app.models import RagTool, RagToolVersion
from tools_app.models.answer_prompts import fault_in
from tools_app.retrieval_loading import LoadedRetrieval, generations_of, retrieval_of


@dataclass(frozen=True)
class LoadedTool:
    """A version of a RAG tool with all that it refers to. `versions` is what a trace freezes."""

    slug: str
    name: str
    description: str
    version: int
    retrieval: LoadedRetrieval
    nothing_found_text: str
    # By the language of the question.
    nothing_found_texts: dict[str, str]
    support_check: str
    prompt: LoadedPrompt
    model: AIModel
    versions: dict[str, Any]

    @property
    def is_extractive(self) -> bool:
        return is_extractive(self.model)

    def nothing_found(self, question: str) -> str:
        """What is said when nothing fits, in the language of the question where somebody has written it."""
        return self.nothing_found_texts.get(language.detect(question), self.nothing_found_text)


def is_extractive(model: AIModel) -> bool:
    """No language model is configured: answers are quotations."""
    return bool(model.provider.kind == "local")


async def load(slug: str, *, version: int | None = None, draft: bool = False) -> LoadedTool:
    """The live version, the one of this number, or the draft (the live one where there is none).

    Raises NotFound, and NotConfigured where its model or its prompt template cannot be used.
    """
    return await cached(("rag_tool", slug, version, draft), partial(read, slug, version=version, draft=draft))


def read(slug: str, *, version: int | None, draft: bool) -> LoadedTool:
    tool = RagTool.objects.select_related("live", "draft").filter(slug=slug).first()
    if tool is None:
        raise NotFound(f"There is no RAG tool “{slug}”.")
    chosen: RagToolVersion = tool.draft if draft and version is None and tool.draft else tool.version(version)
    prompt = read_prompt(chosen)
    model = chat_model(chosen, prompt, tool_name=tool.name)
    retrieval = retrieval_of(chosen, tool_name=tool.name, model=model)
    return LoadedTool(
        slug=slug,
        name=tool.name,
        description=tool.description,
        version=chosen.number,
        retrieval=retrieval,
        nothing_found_text=chosen.nothing_found_text,
        nothing_found_texts={row["language"]: row["text"] for row in chosen.nothing_found_texts},
        support_check=chosen.support_check,
        prompt=prompt,
        model=model,
        versions=versions_of(slug, chosen, prompt, retrieval.sources),
    )


def read_prompt(version: RagToolVersion) -> LoadedPrompt:
    """Raises NotConfigured where no RAG tool can use the template as it is now."""
    named: PromptTemplate | None = version.prompt_template
    prompt = prompts.read(named.slug if named is not None else RAG_ANSWER.slug)
    texts = f"{prompt.instructions}\n{prompt.prompt}"
    fault = fault_in(prompt.name, texts, variables=prompt.variables, declared=declared_by(prompt.slug))
    if fault:
        raise NotConfigured(fault)
    return prompt


def declared_by(slug: str) -> set[str]:
    """The variables that the live template declares itself: callers give them with each question."""
    live = PromptTemplate.objects.filter(slug=slug).values_list("live__variables", flat=True).first()
    return {str(variable["name"]) for variable in live or ()}


def chat_model(version: RagToolVersion, prompt: LoadedPrompt, *, tool_name: str) -> AIModel:
    """The tool's own model, else its prompt template's, else the default."""
    if version.ai_model_id is None:
        default: AIModel = prompt.ai_model or AIModel.objects.default_for("chat")
        return default
    own: AIModel = prompts.usable(version.ai_model_id, of=tool_name)
    return own


def versions_of(slug: str, version: RagToolVersion, prompt: LoadedPrompt, sources: Iterable[str]) -> dict[str, Any]:
    return {
        "rag_tool": {"slug": slug, "version": version.number, "id": version.pk, "revision": version.identity.revision},
        "prompt_template": prompt.as_version(),
        "indexes": generations_of(sources),
    }
