"""Lets a model judge what words alone cannot: whether each sentence of an answer follows from what it cites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from magnet import prompt_runs, prompts
from magnet.default_prompts import CHECK_CITATION
from magnet.errors import ProviderAnswerInvalid
from magnet.models import AIModel
from magnet.tracing import current_trace
from tools_app.premises import Citable
from tools_app.prompting import between_delimiters
from tools_app.support import Sentence

SUPPORTED, UNSUPPORTED = 1.0, 0.0
MOST_REASON_CHARACTERS = 300
Shape = TypeVar("Shape", bound=BaseModel)


class Verdict(BaseModel):
    """What the model says of the sentence with this number."""

    sentence: int
    supported: bool
    reason: str = ""


class Verdicts(BaseModel):
    sentences: list[Verdict]


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
        "passages": "\n\n".join(
            between_delimiters(passage.number, place=passage.title, text=passage.text)
            for passage in passages
            if passage.number in cited
        ),
    }
    found, _reply = await ask(CHECK_CITATION.slug, values, shape=Verdicts, model=model)
    by_number = {verdict.sentence: verdict for verdict in found.sentences}
    verdicts = {each: by_number.get(number) for number, each in enumerate(asked, start=1)}
    return tuple(_with(sentence, verdicts.get(sentence)) for sentence in sentences)


async def ask(
    slug: str, values: Mapping[str, Any], *, shape: type[Shape], model: AIModel | None = None
) -> tuple[Shape, prompt_runs.PromptReply]:
    """The answer to a default template; the trace goes on naming the template that wrote the answer.

    Raises MagnetErrors, also where somebody has given the template another shape of answer.
    """
    record = current_trace()
    before = dict(record.versions) if record else {}
    try:
        prompt = await prompts.load(slug)
        reply = await prompt_runs.run(prompt, values, model=prompt.ai_model or model)
    finally:
        if record:
            record.versions = before
    try:
        return shape.model_validate(reply.data), reply
    except ValidationError as error:
        wanted = ", ".join(shape.model_fields)
        raise ProviderAnswerInvalid(
            f"The answer to the prompt template “{prompt.name}” has another shape than is read here: {wanted}. "
            "Give the template the answer fields back that it began with."
        ) from error


def _line(text: str, sentence: Sentence) -> str:
    said = " ".join(text[sentence.start : sentence.end].split())
    return f"{said} (cites {', '.join(map(str, sentence.citations))})"


def _with(sentence: Sentence, verdict: Verdict | None) -> Sentence:
    """What the model left out stays as words and meaning have judged it."""
    if verdict is None:
        return sentence
    if verdict.supported:
        return replace(sentence, supported=True, score=SUPPORTED, reason="")
    reason = verdict.reason[:MOST_REASON_CHARACTERS] or "A model found it unsupported."
    return replace(sentence, supported=False, score=UNSUPPORTED, reason=reason)
