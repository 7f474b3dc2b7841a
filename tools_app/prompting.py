"""What the model is told: as many passages as there is room for, marked as data, under the numbers it may cite."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from magnet import prompts
from magnet.errors import InvalidInput
from magnet.prompt_parts import values_for
from magnet.providers.base import ChatMessage, ChatRequest, Evidence
from tools_app.answers import CitedPassage, place_of
from tools_app.citations import without_markers
from tools_app.loading import LoadedTool
from tools_app.models.answer_prompts import VARIABLES

MAX_QUESTION_CHARACTERS = 20_000
# The longest answer where nobody set one, and what instructions and delimiters take.
ANSWER_TOKENS, FRAME_TOKENS = 1_000, 600
LEAST_TOKENS = 50
# Fewer characters than this make no token in the languages we know; a question is never counted exactly.
CHARACTERS_PER_TOKEN = 2
# The conversation so far takes at most this part of what the model reads at once.
HISTORY_SHARE = 2
DELIMITER = re.compile(r"<(?=\s*/?\s*passage)", re.IGNORECASE)


@dataclass(frozen=True)
class Given:
    """What comes with a question: what was said before, a filter, and variables of the tool's prompt template."""

    history: tuple[ChatMessage, ...] = ()
    filter: Mapping[str, Any] | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)


NOTHING_GIVEN = Given()


def refuse_unfit(tool: LoadedTool, variables: Mapping[str, Any]) -> None:
    """Raises InvalidInput naming each variable that is missing, does not fit, or is filled in by the tool itself."""
    own = sorted(VARIABLES & set(variables))
    if own:
        raise InvalidInput(f"The tool fills in {{{own[0]}}} itself. Leave it out of `variables`.")
    declared = {variable.name for variable in tool.prompt.variables}
    values_for(tool.prompt.variables, {**dict.fromkeys(VARIABLES & declared, "-"), **variables})


def fitting(tool: LoadedTool, given: Given) -> Given:
    """With as much of what was said before as a model can read beside the rest: the oldest is left out first."""
    left, kept = tool.model.context_tokens * CHARACTERS_PER_TOKEN // HISTORY_SHARE, list[ChatMessage]()
    for turn in reversed(given.history):
        left -= len(turn.text)
        if left < 0:
            break
        kept.append(turn)
    if len(kept) == len(given.history):
        return given
    while kept and kept[-1].role != "user":
        kept.pop()  # An answer without its question.
    return replace(given, history=tuple(reversed(kept)))


def room(tool: LoadedTool, question: str, *, given: Given = NOTHING_GIVEN) -> int:
    """Tokens for passages: what the tool allows, and no more than its model can read beside the rest."""
    answer = tool.prompt.max_output_tokens or tool.model.max_output_tokens or ANSWER_TOKENS
    rest = (
        min(answer, tool.model.context_tokens // 2)
        + FRAME_TOKENS
        + _characters(question, given) // CHARACTERS_PER_TOKEN
    )
    return max(LEAST_TOKENS, min(tool.retrieval.context_tokens, tool.model.context_tokens - rest))


def _characters(question: str, given: Given) -> int:
    said = sum(len(turn.text) for turn in given.history)
    return len(question) + said + sum(len(str(value)) for value in given.variables.values())


def request_for(
    tool: LoadedTool, question: str, passages: Sequence[CitedPassage], *, given: Given = NOTHING_GIVEN
) -> ChatRequest:
    values = {"question": question, "passages": "\n\n".join(delimited(passage) for passage in passages)}
    return prompts.request_for(
        tool.prompt,
        {**given.variables, **values},
        model=tool.model,
        history=given.history,
        question=question,
        evidence=tuple(Evidence(p.number, without_markers(p.text), title=p.title) for p in passages),
    )


def delimited(passage: CitedPassage) -> str:
    first, last = (passage.pages.first, passage.pages.last) if passage.pages else (None, None)
    place = place_of(title=passage.title, heading=passage.heading, page=first, last_page=last)
    return between_delimiters(passage.number, place=place or passage.remote_id, text=passage.text)


def between_delimiters(number: int, *, place: str, text: str) -> str:
    """A passage between its delimiters, which no document can write; its own [1] becomes (1)."""
    return f"<passage>\n[{number}] ({as_data(place)})\n{as_data(text)}\n</passage>"


def as_data(text: str) -> str:
    return DELIMITER.sub("&lt;", without_markers(text))
