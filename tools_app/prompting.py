"""What the model is told: as many passages as there is room for, marked as data, under the numbers it may cite."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from knowledge.retrieval import Passage
from magnet import prompts
from magnet.providers.base import ChatRequest, Evidence
from magnet.tokens import truncate
from tools_app.answers import CitedPassage, place_of
from tools_app.citations import without_markers
from tools_app.loading import LoadedTool

# The longest answer where nobody set one, and what instructions and delimiters take.
ANSWER_TOKENS, FRAME_TOKENS = 1_000, 600
LEAST_TOKENS = 50
# Fewer characters than this make no token in the languages we know; a question is never counted exactly.
CHARACTERS_PER_TOKEN = 2
DELIMITER = re.compile(r"<(?=\s*/?\s*passage)", re.IGNORECASE)


def within_budget(tool: LoadedTool, question: str, passages: Sequence[Passage]) -> list[Passage]:
    """The best passages that fit into the room for them; always the first, cut where it must be."""
    left = room(tool, question)
    kept: list[Passage] = []
    for passage in passages:
        if passage.token_count > left:
            break
        kept.append(passage)
        left -= passage.token_count
    if passages and not kept:
        kept.append(cut(passages[0], max_tokens=left))
    return kept


def room(tool: LoadedTool, question: str) -> int:
    """Tokens for passages: what the tool allows, and no more than its model can read beside the rest."""
    answer = tool.prompt.max_output_tokens or tool.model.max_output_tokens or ANSWER_TOKENS
    rest = min(answer, tool.model.context_tokens // 2) + FRAME_TOKENS + len(question) // CHARACTERS_PER_TOKEN
    return max(LEAST_TOKENS, min(tool.context_tokens, tool.model.context_tokens - rest))


def cut(passage: Passage, *, max_tokens: int) -> Passage:
    text = truncate(passage.text, max_tokens)
    pages = passage.pages.until(len(text)) if passage.pages else None
    return replace(passage, text=text, end=passage.start + len(text), token_count=max_tokens, pages=pages)


def request_for(tool: LoadedTool, question: str, passages: Sequence[CitedPassage]) -> ChatRequest:
    return prompts.request_for(
        tool.prompt,
        {"question": question, "passages": "\n\n".join(delimited(passage) for passage in passages)},
        model=tool.model,
        question=question,
        evidence=tuple(Evidence(p.number, without_markers(p.text), title=p.title) for p in passages),
    )


def delimited(passage: CitedPassage) -> str:
    """The passage between its delimiters, which no document can write; its own [1] becomes (1)."""
    return f"<passage>\n[{passage.number}] ({origin(passage)})\n{as_data(passage.text)}\n</passage>"


def origin(passage: CitedPassage) -> str:
    first, last = (passage.pages.first, passage.pages.last) if passage.pages else (None, None)
    place = place_of(title=passage.title, heading=passage.heading, page=first, last_page=last)
    return as_data(place or passage.remote_id)


def as_data(text: str) -> str:
    return DELIMITER.sub("&lt;", without_markers(text))
