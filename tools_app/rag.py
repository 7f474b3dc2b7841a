"""Questions to RAG tools: passages are found, a model writes from them, and its citations are checked.

answer = await rag.answer(await rag.load("handbook"), "How do I add a knowledge source?")
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import replace
from functools import partial

from magnet import gateway
from magnet.errors import InvalidInput, MagnetError
from magnet.models import AIModel
from magnet.providers import local_embeddings
from magnet.providers.base import Usage
from magnet.tracing import Stretch, TraceRecord, span, stretch, trace
from magnet.web.streaming import Event
from tools_app import citations, retrieving, support, support_by_model
from tools_app.answers import Answer, CitedPassage, as_json, marked, numbered, passage_as_json
from tools_app.loading import LoadedTool, is_extractive, load
from tools_app.models import RagToolVersion
from tools_app.prompting import MAX_QUESTION_CHARACTERS, NOTHING_GIVEN, Given, fitting, refuse_unfit, request_for, room
from tools_app.stages import Retrieved
from tools_app.support import Sentence

__all__ = [
    "EXTRACTIVE_NOTICE",
    "Answer",
    "CitedPassage",
    "Given",
    "LoadedTool",
    "answer",
    "as_json",
    "load",
    "refuse_unfit",
    "stream",
]

# A longer answer is checked in a thread, so that the others go on meanwhile.
INLINE_CHARACTERS = 3_000
# What a model may take to check the citations of an answer that somebody waits for.
JUDGING_SECONDS = 20.0
# Said wherever a person sees such an answer.
EXTRACTIVE_NOTICE = "No language model is configured: this answer quotes the documents word for word."


async def answer(tool: LoadedTool, question: str, *, given: Given = NOTHING_GIVEN) -> Answer:
    """The whole answer. Raises InvalidInput, ProviderErrors and NotConfigured."""
    question = cleaned(question)
    with _answering(tool, question, given) as work:
        passages = await work.find()
        if not passages:
            return work.nothing_found()
        reply = await gateway.chat(tool.model, request_for(tool, question, passages, given=work.given))
        text, cited, invented = citations.check(reply.text, numbers=_numbers(passages))
        return await work.finish(text, passages, cited=cited, invented=invented, usage=reply.usage)


async def stream(tool: LoadedTool, question: str, *, given: Given = NOTHING_GIVEN) -> AsyncGenerator[Event, None]:
    """The answer in events: started, passages, text…, completed (the whole answer). Errors are raised.

    Closing the generator stops the model.
    """
    question = cleaned(question)
    with _answering(tool, question, given) as work:
        yield work.started()
        passages = await work.find()
        yield Event("passages", {"passages": [passage_as_json(passage) for passage in passages]})
        if passages:
            async with aclosing(_write(work, passages)) as texts:
                async for text in texts:
                    yield Event("text", {"text": text})
            whole = work.finished
        else:
            whole = work.nothing_found()
            yield Event("text", {"text": whole.text})
    # The trace is closed by now: whoever reads `completed` finds it a moment later.
    yield Event("completed", as_json(whole))


def cleaned(question: str) -> str:
    """The question as it is used. Raises InvalidInput for one that is empty or too long."""
    text = question.replace("\0", " ").encode(errors="ignore").decode().strip()
    if not text:
        raise InvalidInput("The question is empty. Ask with at least one word.")
    if len(text) > MAX_QUESTION_CHARACTERS:
        raise InvalidInput(
            f"The question has {len(text):,} characters; {MAX_QUESTION_CHARACTERS:,} are allowed. "
            "Shorten it, or hand in the text as a document and ask about it.",
            max_characters=MAX_QUESTION_CHARACTERS,
        )
    return text


async def _write(work: _Answering, passages: Sequence[CitedPassage]) -> AsyncGenerator[str, None]:
    """The checked text as it comes; at its end `work.finished` is the whole answer."""
    checking = citations.CitationFilter(_numbers(passages))
    sent: list[str] = []
    usage = Usage()
    deltas = gateway.stream(work.tool.model, request_for(work.tool, work.question, passages, given=work.given))
    async with aclosing(deltas):
        async for delta in deltas:
            usage = delta.usage or usage
            if text := checking.feed(delta.text):
                sent.append(text)
                yield text
    if text := checking.close():
        sent.append(text)
        yield text
    await work.finish("".join(sent), passages, cited=checking.cited, invented=checking.invented, usage=usage)


def _numbers(passages: Sequence[CitedPassage]) -> range:
    return range(1, len(passages) + 1)


# -- One question ----------------------------------------------------------------------------------------------


@contextmanager
def _answering(tool: LoadedTool, question: str, given: Given) -> Iterator[_Answering]:
    recording = tool.prompt.recording
    asked = trace(feature="rag_tool", slug=tool.slug, summary=question, versions=tool.versions, recording=recording)
    with asked as record, stretch() as taken:
        yield _Answering(tool, question, given, record, taken)


class _Answering:
    """A question on its way to an answer, and what it took so far."""

    def __init__(self, tool: LoadedTool, question: str, given: Given, record: TraceRecord, taken: Stretch) -> None:
        self.tool, self.question, self.given = tool, question, fitting(tool, given)
        self.trace, self._taken = record, taken
        self.retrieved: Retrieved
        self._written: int | None = None
        self.finished: Answer

    def started(self) -> Event:
        tool = self.tool
        return Event(
            "started",
            {
                "trace_id": str(self.trace.id),
                "tool": tool.slug,
                "version": tool.version,
                "model": tool.model.slug,
                "is_extractive": is_extractive(tool.model),
            },
        )

    async def find(self) -> tuple[CitedPassage, ...]:
        """The passages for the prompt, numbered; none when nothing fits."""
        tool = self.tool
        given = self.given
        refuse_unfit(tool, given.variables)
        self.retrieved = await retrieving.find(
            tool.retrieval,
            self.question,
            history=given.history,
            filter=given.filter,
            room=room(tool, self.question, given=given),
        )
        with span("choose passages") as step:
            passages = numbered(self.retrieved.passages)
            # The ids outlive the texts: they say afterwards which of the documents has changed or gone.
            step.set(used=len(passages), documents=[str(passage.document_id) for passage in passages])
            # Whoever deletes one of these documents blanks what is kept here.
            self.trace.documents.extend({passage.document_id for passage in passages})
            step.keep(output={"passages": [passage_as_json(passage) for passage in passages]})
        return passages

    def nothing_found(self) -> Answer:
        text = self.tool.nothing_found(self.question)
        with span("nothing found") as step:
            step.keep(input={"question": self.question}, output={"text": text})
        self.finished = self._answer(text, (), usage=Usage(), is_found=False)
        return self.finished

    async def finish(
        self,
        text: str,
        passages: Sequence[CitedPassage],
        *,
        cited: Collection[int],
        invented: Collection[int],
        usage: Usage,
    ) -> Answer:
        with span("check citations", cited=sorted(cited), invented=sorted(invented)) as step:
            step.keep(input={"question": self.question}, output={"text": text})
        # Whoever checks the sentences writes nothing of the answer.
        self._written = len(self._taken.spans)
        sentences = await self._supported(text, passages)
        shown = marked(passages, cited=cited, text=text, question=self.question)
        self.finished = replace(self._answer(text, shown, usage=usage, is_found=True), sentences=sentences)
        return self.finished

    async def _supported(self, text: str, passages: Sequence[CitedPassage]) -> tuple[Sentence, ...]:
        """The sentences with what their passages say of them, in the trace as well."""
        with span("support") as step:
            work = partial(support.check, text, passages)
            is_quick = local_embeddings.is_loaded() and len(text) <= INLINE_CHARACTERS
            sentences = work() if is_quick else await asyncio.to_thread(work)
            if self.tool.support_check == RagToolVersion.SupportCheck.MODEL and not self.tool.is_extractive:
                sentences = await self._judged(text, sentences, passages)
            step.set(
                supported=_count(sentences, True), unsupported=_count(sentences, False), open=_count(sentences, None)
            )
            step.keep(output={"sentences": [sentence.as_json() for sentence in sentences]})
        return sentences

    async def _judged(
        self, text: str, sentences: tuple[Sentence, ...], passages: Sequence[CitedPassage]
    ) -> tuple[Sentence, ...]:
        """As a model judges them; an answer does not fail because nobody could check it."""
        with span("support by a model") as step:
            try:
                async with asyncio.timeout(JUDGING_SECONDS):
                    return await support_by_model.judged(text, sentences, passages, model=self.tool.model)
            except (MagnetError, TimeoutError) as error:
                step.fail(error)
        return sentences

    def _answer(self, text: str, passages: tuple[CitedPassage, ...], *, usage: Usage, is_found: bool) -> Answer:
        tool, taken = self.tool, self._taken
        model = _who_wrote(tool, taken.answered_by(before=self._written))
        return Answer(
            text=text,
            passages=passages,
            tool=tool.slug,
            version=tool.version,
            model=model.slug,
            provider=model.provider.slug,
            is_extractive=is_extractive(model),
            found=is_found,
            usage=usage,
            cost=taken.cost,
            trace_id=self.trace.id,
            duration_ms=taken.elapsed_ms(),
            documents_in_scope=self.retrieved.documents_in_scope,
            rerank_failed=self.retrieved.rerank_failed,
        )


def _count(sentences: Sequence[Sentence], supported: bool | None) -> int:
    return sum(sentence.supported is supported for sentence in sentences)


def _who_wrote(tool: LoadedTool, slug: str) -> AIModel:
    """The model that answered: where the first choice failed, its fallback."""
    fallback: AIModel | None = tool.model.fallback
    return fallback if fallback is not None and fallback.slug == slug else tool.model
