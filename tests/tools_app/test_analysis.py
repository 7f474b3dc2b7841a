"""What is found out about answers afterwards, who checks their citations, and what is said in which language."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from magnet import tracing
from magnet.database import close_raw_pool, forget_configuration, in_database
from magnet.default_prompts import ensure_default_prompts
from magnet.models import AIModel, Analysis, PromptTemplate, SpanPayload, Trace
from tests import factories
from tests.fake_openai import Scripted
from tools_app import analysis, rag
from tools_app.models import RagTool

pytestmark = pytest.mark.django_db(transaction=True)

QUESTION = "When does the office in Riga open?"
SAID = "The office in Riga opens at nine [1]. It serves excellent soup [1]."
FOUND = {"category": "Opening hours", "language": "en", "answered": True, "resolution": "partly"}
# By the template: what stands in its instructions.
TOLD = {"analyse-answer": "You sort questions", "check-citation": "You check whether sentences"}
VERDICTS = {
    "sentences": [
        {"sentence": 1, "supported": True, "reason": ""},
        {"sentence": 2, "supported": False, "reason": "No word of soup."},
    ]
}


@pytest.fixture(autouse=True)
async def leave_nothing_open(monkeypatch):
    monkeypatch.setattr(analysis, "SETTLED", timedelta(0))
    forget_configuration()
    yield
    forget_configuration()
    await close_raw_pool()


@pytest.fixture
def source(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    ensure_default_prompts()
    made = factories.source("office")
    factories.push(made, opening="# Opening hours\n\nThe office in Riga opens at nine and closes at five.")
    return made


@pytest.fixture
def cloud(fake_openai):
    provider = factories.openai_provider(fake_openai.base_url)
    model = AIModel.objects.create(provider=provider, slug="gpt-fake", name="GPT", model_name="gpt", purpose="chat")
    model.make_default()
    fake_openai.rule = as_asked
    return fake_openai


def as_asked(body) -> Scripted:
    """A model that does each of the three things that it is asked for."""
    told = json.dumps(body["messages"])
    if TOLD["analyse-answer"] in told:
        return Scripted(text=json.dumps(FOUND))
    if TOLD["check-citation"] in told:
        return Scripted(text=json.dumps(VERDICTS))
    return Scripted(text=SAID)


def tool(source, **settings) -> RagTool:
    forget_configuration()
    made = {"sources": [source], "minimum_score": 0, **settings}
    return RagTool.objects.create_live(slug="office", name="Ask the office", settings=made)


async def ask(question: str = QUESTION) -> rag.Answer:
    answer = await rag.answer(await rag.load("office"), question)
    await in_database(tracing.flush)
    return answer


def analysed(answer: rag.Answer) -> Analysis:
    analysis.analyse_waiting()
    return Analysis.objects.get(trace_id=answer.trace_id)


async def test_an_answer_is_analysed_after_it_was_given(source, cloud) -> None:
    await in_database(lambda: tool(source, analyses_answers=True, categories=["Opening hours", "Prices"]))

    answer = await ask()
    asked_meanwhile = len(cloud.requests)
    found = await in_database(analysed, answer)

    assert asked_meanwhile == 1, "The answer waited for its analysis."
    assert (found.state, found.category, found.language) == ("done", "Opening hours", "en")
    assert (found.is_answered, found.resolution, found.ai_model) == (True, "partly", "gpt-fake")
    assert "- Prices" in json.dumps(cloud.requests[-1].body)
    assert await in_database(analysis.analyse_waiting) == 0, "It was analysed twice."


async def test_without_a_language_model_language_and_answered_are_known(source) -> None:
    await in_database(lambda: tool(source, analyses_answers=True))

    found = await in_database(analysed, await ask())

    assert (found.state, found.language, found.is_answered) == ("done", "en", True)
    assert (found.category, found.resolution, found.ai_model) == ("", "", "")


async def test_what_was_not_found_is_not_answered(source) -> None:
    await in_database(lambda: tool(source, analyses_answers=True, minimum_score=1.0, search_mode="words"))

    found = await in_database(analysed, await ask("Who invented the xylophone, and in which country did he live?"))

    assert (found.is_answered, found.language) == (False, "en")


async def test_a_model_that_never_fits_the_schema_fails_the_analysis_and_nothing_else(source, cloud) -> None:
    await in_database(lambda: tool(source, analyses_answers=True))
    answer = await ask()
    cloud.rule = lambda body: Scripted(text="I would rather not.")

    found = await in_database(analysed, answer)

    assert found.state == "failed"
    assert "analyse" in found.failure.lower()
    assert (found.language, found.is_answered) == ("en", True)


@pytest.mark.parametrize("slug", ["analyse-answer", "check-citation"])
async def test_a_template_of_another_shape_fails_the_analysis_and_says_what_to_do(source, cloud, slug) -> None:
    await in_database(lambda: tool(source, analyses_answers=True, support_check="model_later"))
    await in_database(lambda: change(slug, response_format="json"))
    cloud.rule = lambda body: Scripted(text="[]") if TOLD[slug] in json.dumps(body["messages"]) else as_asked(body)

    found = await in_database(analysed, await ask())

    assert found.state == "failed"
    assert "answer fields" in found.failure


async def test_an_answer_does_not_break_because_its_check_has_another_shape(source, cloud) -> None:
    await in_database(lambda: tool(source, support_check="model"))
    await in_database(lambda: change("check-citation", response_format="json"))
    cloud.rule = lambda body: Scripted(
        text=SAID if TOLD["check-citation"] not in json.dumps(body["messages"]) else "[]"
    )

    answer = await ask()

    assert [sentence.supported for sentence in answer.sentences] == [True, False]


async def test_one_that_breaks_off_does_not_hold_up_the_others(source, cloud) -> None:
    await in_database(lambda: tool(source, analyses_answers=True))
    first, second = await ask(), await ask()
    await in_database(lambda: SpanPayload.objects.filter(span__trace=first.trace_id).update(output=["spoilt"]))

    await in_database(analysis.analyse_waiting)

    states = await in_database(lambda: dict(Analysis.objects.values_list("trace_id", "state")))
    assert states == {first.trace_id: "failed", second.trace_id: "done"}


async def test_one_that_no_worker_ever_finished_fails_and_says_so(source, cloud) -> None:
    await in_database(lambda: tool(source, analyses_answers=True))
    answer = await ask()
    long_ago = timezone.now() - 2 * analysis.GIVEN_UP_AFTER

    def lose() -> None:
        row = Analysis.objects.create(trace_id=answer.trace_id, attempts=analysis.MOST_ATTEMPTS)
        Analysis.objects.filter(pk=row.pk).update(updated_at=long_ago)

    await in_database(lose)
    found = await in_database(analysed, answer)

    assert (found.state, found.attempts) == ("failed", analysis.MOST_ATTEMPTS)
    assert "begun 3 times" in found.failure


async def test_an_answer_that_was_not_recorded_is_not_read(source, cloud) -> None:
    await in_database(lambda: tool(source, analyses_answers=True))
    await in_database(lambda: change("rag-answer", recording="none"))
    answer = await ask()
    asked = len(cloud.requests)

    found = await in_database(analysed, answer)

    assert found.failure == analysis.NOT_RECORDED
    assert len(cloud.requests) == asked


def change(slug: str, **settings) -> None:
    template = PromptTemplate.objects.get(slug=slug)
    template.edit(settings)
    template.publish()
    forget_configuration()


async def test_tools_that_ask_for_none_get_none(source, cloud) -> None:
    await in_database(lambda: tool(source))
    await ask()

    assert await in_database(analysis.analyse_waiting) == 0


async def test_a_model_judges_the_sentences_before_the_answer_is_complete(source, cloud) -> None:
    await in_database(lambda: tool(source, support_check="model"))

    answer = await ask()

    assert [(each.supported, each.reason) for each in answer.sentences] == [(True, ""), (False, "No word of soup.")]
    assert answer.text == SAID
    trace = await in_database(lambda: Trace.objects.get(pk=answer.trace_id))
    assert trace.versions["prompt_template"]["slug"] == "rag-answer"


async def test_a_check_that_fails_leaves_what_words_tell(source, cloud) -> None:
    await in_database(lambda: tool(source, support_check="model"))
    cloud.rule = lambda body: as_asked(body) if "You check" not in json.dumps(body) else Scripted(text="{}")

    answer = await ask()

    assert [each.supported for each in answer.sentences] == [True, False]


async def test_in_the_background_the_model_judges_later(source, cloud) -> None:
    await in_database(lambda: tool(source, support_check="model_later"))

    answer = await ask()
    found = await in_database(analysed, answer)

    assert len(cloud.requests) == 2
    assert [each["reason"] for each in found.sentences or ()] == ["", "No word of soup."]


async def test_texts_go_with_a_document_that_is_deleted(source, cloud) -> None:
    await in_database(lambda: tool(source, support_check="model_later"))
    answer = await ask()
    await in_database(analysed, answer)

    await in_database(lambda: Trace.objects.blank_documents([answer.passages[0].document_id]))

    assert await in_database(lambda: Analysis.objects.get().sentences) is None


async def test_nothing_found_is_said_in_the_language_of_the_question(source) -> None:
    texts = [{"language": "de", "text": "Dazu habe ich nichts gefunden."}]
    settings = {"minimum_score": 1.0, "search_mode": "words", "nothing_found_texts": texts}
    await in_database(lambda: tool(source, **settings))

    german = await ask("Welche Farbe hat der Mond in einer klaren Winternacht?")
    english = await ask("What is the colour of the moon in a clear winter night?")

    assert german.text == "Dazu habe ich nichts gefunden."
    assert english.text == "I found nothing about that."
