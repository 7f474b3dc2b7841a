"""What language models make of a question before it is searched with: whole, in other words, translated, filtered.

None of this can fail an answer: where no language model is configured, or it fails or is slow, the question stays as it
is, and the record of the stage says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from django.utils import timezone

from knowledge import generations, known_fields
from knowledge.filter_types import KnownField
from magnet import prompt_runs, prompts
from magnet.database import cached, in_database
from magnet.default_prompts import CHOOSE_FILTER, REWRITE_QUESTION, SEVERAL_QUERIES, TRANSLATE_QUERY
from magnet.errors import MagnetError
from magnet.language import DEFAULT_CONFIGURATION, detect, search_configuration
from magnet.providers.base import ChatMessage
from magnet.tracing import current_trace, without_texts
from tools_app.retrieval_loading import LoadedRetrieval
from tools_app.retrieval_parts import chosen_filter
from tools_app.stages import Record

log = structlog.get_logger(__name__)

# Who waits for an answer would rather have one from the question as it stands.
MODEL_SECONDS = 15.0
MOST_QUERY_CHARACTERS = 2_000
# What was said longer ago seldom says what “it” is.
MOST_TURNS, MOST_TURN_CHARACTERS = 10, 2_000
MOST_LANGUAGES = 3
NO_MODEL = "No language model is configured, so this was left out."


@dataclass(frozen=True)
class Asked:
    """The whole question and what is searched with; `chosen` is the filter that a model read from it."""

    question: str
    queries: tuple[str, ...]
    language: str
    chosen: Mapping[str, Any]


class NotAsked(Exception):
    """Why a model said nothing that can be used, as a sentence; `failed` where it was asked."""

    def __init__(self, said: str, *, failed: bool) -> None:
        super().__init__(said)
        self.said, self.failed = said, failed


async def prepared(
    settings: LoadedRetrieval, question: str, *, history: Sequence[ChatMessage], record: Record
) -> Asked:
    """The question after the stages before the search. One after another: each may lower what the trace keeps."""
    language = await _language(settings, question, record)
    whole = await _rewritten(settings, question, history=history, record=record)
    queries = [whole, *await _in_other_words(settings, whole, record)]
    queries += await _translated(settings, whole, language=language, record=record)
    chosen = await _chosen(settings, whole, record)
    return Asked(whole, _different(queries), language, chosen)


def _different(queries: Sequence[str]) -> tuple[str, ...]:
    return tuple({" ".join(query.casefold().split()): query for query in reversed(queries)}.values())[::-1]


# -- The stages ----------------------------------------------------------------------------------------------------


async def _language(settings: LoadedRetrieval, question: str, record: Record) -> str:
    """Nobody else needs to know it, and telling costs memory at the first time."""
    if not settings.translates_question:
        return ""
    language = await asyncio.to_thread(detect, question)
    record.note("language", kept=1, said=language or "The question is too short to tell its language.")
    return language


async def _rewritten(
    settings: LoadedRetrieval, question: str, *, history: Sequence[ChatMessage], record: Record
) -> str:
    if not settings.rewrites_question or not history:
        return question
    setting = {"rewrites_question": True}
    try:
        given = {"question": question, "conversation": conversation(history)}
        said = " ".join((await _ask(REWRITE_QUESTION.slug, given, settings=settings)).text.split())
        if not said:
            raise NotAsked("The model said nothing.", failed=True)
    except NotAsked as error:
        record.note("rewrite", kept=1, setting=setting, said=error.said, failed=error.failed)
        return question
    record.note("rewrite", kept=1, setting=setting, said=said[:MOST_QUERY_CHARACTERS])
    return said[:MOST_QUERY_CHARACTERS]


def conversation(history: Sequence[ChatMessage]) -> str:
    return "\n".join(f"{turn.role}: {turn.text[:MOST_TURN_CHARACTERS]}" for turn in history[-MOST_TURNS:])


async def _in_other_words(settings: LoadedRetrieval, question: str, record: Record) -> list[str]:
    more = settings.query_count - 1
    if more < 1:
        return []
    given = {"question": question, "count": more}
    return await _written("queries", SEVERAL_QUERIES.slug, given, more, settings, record, {"query_count": more + 1})


async def _translated(settings: LoadedRetrieval, question: str, *, language: str, record: Record) -> list[str]:
    """Only for sources whose embedding model knows one language, and that have none of the question's."""
    if not settings.translates_question or not language:
        return []
    setting = {"translates_question": True}
    searched = await generations.live(settings.sources)
    spoken = search_configuration(language)
    foreign = [each for each in searched if not each.model.is_multilingual and spoken not in each.configurations]
    wanted = sorted({name for each in foreign for name in each.configurations} - {DEFAULT_CONFIGURATION})
    if not wanted:
        said = "The documents are in the language of the question, or their embedding model knows several."
        record.note("translate", setting=setting, said=said)
        return []
    given = {"question": question, "languages": ", ".join(wanted[:MOST_LANGUAGES])}
    return await _written("translate", TRANSLATE_QUERY.slug, given, MOST_LANGUAGES, settings, record, setting)


async def _written(
    stage: str,
    slug: str,
    given: Mapping[str, Any],
    most: int,
    settings: LoadedRetrieval,
    record: Record,
    setting: Mapping[str, Any],
) -> list[str]:
    """The queries that a model wrote, as the only list of its answer."""
    try:
        data = (await _ask(slug, given, settings=settings)).data
        lists = [value for value in data.values() if isinstance(value, list)] if isinstance(data, dict) else []
        texts = [" ".join(text.split()) for text in (lists[0] if lists else []) if isinstance(text, str)]
        queries = [text[:MOST_QUERY_CHARACTERS] for text in texts if text][:most]
        if not queries:
            raise NotAsked("The model wrote none.", failed=True)
    except NotAsked as error:
        record.note(stage, setting=setting, said=error.said, failed=error.failed)
        return []
    record.note(stage, kept=len(queries), setting=setting, said=" · ".join(queries))
    return queries


async def _chosen(settings: LoadedRetrieval, question: str, record: Record) -> dict[str, Any]:
    if not settings.filter_fields:
        return {}
    setting = {"filter_fields": list(settings.filter_fields)}
    try:
        known = {field.name: field for field in await in_database(known_fields.describe_fields, settings.sources)}
        given = {
            "question": question,
            "fields": "\n".join(_described(name, known.get(name)) for name in settings.filter_fields),
            "today": timezone.now().date().isoformat(),
        }
        # Examples are of documents that this answer may never show: nobody could tell when to hide or to blank them.
        with without_texts():
            data = (await _ask(CHOOSE_FILTER.slug, given, settings=settings)).data
    except NotAsked as error:
        record.note("filter", setting=setting, said=error.said, failed=error.failed)
        return {}
    rows = data.get("filter") if isinstance(data, dict) else None
    filter, refused = chosen_filter(rows, among=settings.filter_fields, known=known)
    said = " ".join(filter_in_words(filter) + refused) or "The question names no field."
    record.note("filter", kept=1 if filter else 0, setting={**setting, "filter": filter}, said=said)
    return filter


def filter_in_words(filter: Mapping[str, Any]) -> list[str]:
    """A filter that a model chose: comparisons, all of which have to hold."""
    parts = filter.get("and", [filter]) if filter else []
    return [
        f"{field} {name} {value}." for part in parts for field, each in part.items() for name, value in each.items()
    ]


def _described(name: str, field: KnownField | None) -> str:
    if field is None:
        return f"{name} (text)"
    examples = f", such as {', '.join(field.examples)}" if field.examples else ""
    return f"{field}{examples}"


# -- Asking ----------------------------------------------------------------------------------------------------------


async def _ask(slug: str, values: Mapping[str, Any], *, settings: LoadedRetrieval) -> prompt_runs.PromptReply:
    """The model's answer to a default template. Raises NotAsked."""
    record = current_trace()
    before = dict(record.versions) if record else {}
    try:
        prompt = await prompts.load(slug)
        model = prompt.ai_model or settings.model
        if model is None:
            model = await cached(("default_model", "chat"), prompt_runs.default_model)
        if not model.can_write:
            raise NotAsked(NO_MODEL, failed=False)
        # Somebody may have made it do with less.
        declared = {variable.name for variable in prompt.variables}
        given = {name: value for name, value in values.items() if name in declared}
        async with asyncio.timeout(MODEL_SECONDS):
            reply = await prompt_runs.run(prompt, given, model=model)
    except TimeoutError as error:
        raise NotAsked(f"The model took longer than {MODEL_SECONDS:g} seconds.", failed=True) from error
    except MagnetError as error:
        log.warning("stage_fell_back", prompt=slug, error=error.detail)
        raise NotAsked(error.detail, failed=True) from error
    finally:
        if record:
            # A trace freezes the template that writes the answer; those asked on the way stand beside it.
            record.versions = before
    if record:
        record.versions = {**before, "asked": {**before.get("asked", {}), slug: reply.version}}
    return reply
