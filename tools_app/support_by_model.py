"""Lets a model judge what words alone cannot: whether each sentence of an answer follows from what it cites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from magnet import prompt_runs, prompts
from magnet.default_prompts import CHECK_CITATION
from magnet.models import AIModel
from magnet.tracing import current_trace
from tools_app.prompting import as_data
from tools_app.support import Citable, Sentence

SUPPORTED, UNSUPPORTED = 1.0, 0.0
MOST_REASON_CHARACTERS = 300


async def judged(
    text: str, sentences: Sequence[Sentence], passages: Sequence[Citable], *, model: AIModel | None = None
) -> tuple[Sentence, ...]:
    """The sentences as a model judges those that cite something; the others stay. One call for all of them.

    `model` is asked where the prompt template `check-citation` names none. Raises MagnetErrors.
    """
    asked = [sentence for sentence in sentences if sentence.citations]
    if not asked:
        return tuple(sentences)
    cited = {number for sentence in asked for number in sentence.citations}
    values = {
        "sentences": "\n".join(f"{number}. {_line(text, each)}" for number, each in enumerate(asked, start=1)),
        "passages": "\n\n".join(delimited(passage) for passage in passages if passage.number in cited),
    }
    reply = await ask(CHECK_CITATION.slug, values, model=model)
    by_number = {int(row["sentence"]): row for row in reply.data["sentences"]}
    verdicts = {each: by_number.get(number) for number, each in enumerate(asked, start=1)}
    return tuple(_with(sentence, verdicts.get(sentence)) for sentence in sentences)


async def ask(slug: str, values: Mapping[str, Any], *, model: AIModel | None = None) -> prompt_runs.PromptReply:
    """The answer to a default template; the trace goes on naming the template that wrote the answer."""
    record = current_trace()
    before = dict(record.versions) if record else {}
    try:
        prompt = await prompts.load(slug)
        return await prompt_runs.run(prompt, values, model=prompt.ai_model or model)
    finally:
        if record:
            record.versions = before


def delimited(passage: Citable) -> str:
    return f"<passage>\n[{passage.number}] {as_data(passage.title)}\n{as_data(passage.text)}\n</passage>"


def _line(text: str, sentence: Sentence) -> str:
    said = " ".join(text[sentence.start : sentence.end].split())
    return f"{said} (cites {', '.join(map(str, sentence.citations))})"


def _with(sentence: Sentence, verdict: Mapping[str, Any] | None) -> Sentence:
    """What the model left out stays as words and meaning have judged it."""
    if verdict is None:
        return sentence
    is_supported = bool(verdict["supported"])
    reason = "" if is_supported else str(verdict["reason"])[:MOST_REASON_CHARACTERS] or "A model found it unsupported."
    return replace(sentence, supported=is_supported, score=SUPPORTED if is_supported else UNSUPPORTED, reason=reason)
