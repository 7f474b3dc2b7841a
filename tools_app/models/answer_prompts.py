"""Which prompt templates a RAG tool can use: those with a place for the question and for the passages."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from magnet.models import PromptTemplate
from magnet.prompt_parts import Variable, named, variables_of

# What answering fills into a prompt template.
VARIABLES = frozenset({"question", "passages"})


def fault_in(name: str, texts: str, *, variables: Iterable[Variable], declared: Collection[str]) -> str:
    """Why no RAG tool can use this template, in a sentence; empty where one can.

    What the template itself declares, callers give with each question. What only stands in its texts nobody does: it
    is misspelt, most likely.
    """
    needed = {variable.name for variable in variables if variable.is_needed}
    unknown = sorted(needed - VARIABLES - set(declared))
    if unknown:
        return (
            f"The prompt template “{name}” has {{{unknown[0]}}}, which no RAG tool fills in. "
            "Use {question} and {passages}, and publish the template."
        )
    lacking = sorted(VARIABLES - variables_of(texts))
    if lacking:
        return (
            f"The prompt template “{name}” has no {named(lacking)}, so no RAG tool can use it. "
            "Choose one with {question} and {passages}, or write them into it and publish it."
        )
    return ""


def fault_of(template: PromptTemplate) -> str:
    """As `fault_in`, of what is live; what was never published is told when somebody asks."""
    live = template.live
    if live is None:
        return ""
    declared = {str(variable["name"]) for variable in live.variables}
    return fault_in(template.name, f"{live.instructions}\n{live.prompt}", variables=live.declared(), declared=declared)


def unfit_templates() -> list[int]:
    """The templates that no RAG tool can use."""
    return [row.pk for row in PromptTemplate.objects.select_related("live") if fault_of(row)]
