"""A citation names the page on which the fact stands, also where short pages share a passage."""

from __future__ import annotations

from typing import Any

import pytest

from knowledge import sync
from knowledge.models import SyncRun
from knowledge.pages import Pages
from magnet.database import forget_configuration, in_database
from magnet.default_prompts import ensure_default_prompts
from magnet.models import AIModel
from tests import factories
from tests.fake_openai import Scripted
from tests.knowledge import files
from tools_app.citations import said_from

pytestmark = pytest.mark.django_db(transaction=True)

ANSWER = "/api/rag-tools/ask-the-office/answer"
PAGES = (
    "The branch in Zug opened in spring. Its code is 959.",
    "The branch in Riga has a bakery next door. Its code is 312.",
    "Parking permits in Oslo cost forty crowns a month. They are sold by the porter.",
    "Dogs are welcome on Fridays. Cats stay at home.",
)


@pytest.fixture
async def tool(api, transactional_db, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    await in_database(ensure_default_prompts)
    await in_database(factories.source, "office")
    body = files.pdf(*([("BodyText", page)] for page in PAGES))
    uploaded = [("files", ("branches.pdf", body, "application/pdf"))]
    assert (await api.post("/api/knowledge-sources/office/documents", files=uploaded)).status_code == 202
    await in_database(lambda: [sync.run_to_end(run) for run in SyncRun.objects.unfinished()])
    made = await api.post("/api/rag-tools", json={"name": "Ask the office", "sources": ["office"]})
    assert made.status_code == 201, made.text


async def cited(api, question: str) -> tuple[str, dict[str, Any]]:
    answer = (await api.post(ANSWER, json={"question": question})).json()
    assert "text" in answer, answer
    return answer["text"], next(passage for passage in answer["passages"] if passage["is_cited"])


@pytest.mark.usefixtures("tool")
@pytest.mark.parametrize(
    ("question", "page"),
    [
        ("How much is a parking permit in Oslo?", 3),
        ("What is next to the branch in Riga?", 2),
        ("When are dogs welcome?", 4),
        ("When did the branch in Zug open?", 1),
    ],
)
async def test_a_quotation_is_cited_by_its_own_page(api, question, page):
    _, passage = await cited(api, question)

    assert (passage["page"], passage["first_page"], passage["last_page"]) == (page, 1, 4)


@pytest.mark.usefixtures("tool")
async def test_a_written_answer_is_cited_by_the_page_that_says_so(api, fake_openai):
    provider = await in_database(factories.openai_provider, fake_openai.base_url)
    model = await AIModel.objects.acreate(provider=provider, slug="gpt", name="GPT", model_name="gpt", purpose="chat")
    await in_database(model.make_default)
    forget_configuration()
    fake_openai.script(Scripted(text="A permit for parking costs 40 crowns monthly in Oslo [1]."))

    text, passage = await cited(api, "Tell me about each branch and bakery.")

    assert "40 crowns" in text
    assert passage["page"] == 3


@pytest.mark.usefixtures("tool")
async def test_a_search_names_the_page_that_fits(api):
    found = await api.post("/api/knowledge-sources/office/search", json={"query": "Which animals stay at home?"})

    assert [(p["page"], p["first_page"], p["last_page"]) for p in found.json()["passages"]] == [(4, 1, 4)]


@pytest.mark.usefixtures("tool")
async def test_the_sentence_with_the_fact_is_quoted(api):
    zug, _ = await cited(api, "What is the code of the branch in Zug?")
    riga, _ = await cited(api, "What is the code of the branch in Riga?")

    assert "Its code is 959." in zug
    assert "Its code is 312." in riga


def test_pages_without_text_and_passages_that_were_cut_have_a_page():
    text = "The lion sleeps. The tiger runs."
    pages = Pages(5, (16, 16, 17))

    assert pages.best(text, question="Who runs?") == 8
    assert pages.until(16) == Pages(5)
    assert Pages(2).best(text, question="Who runs?") == 2


def test_what_is_said_belongs_to_the_next_number():
    answer = "Lions sleep [1]. Tigers run [2][1], and apes climb."

    assert said_from("Lions sleep[1]. Tigers run[2][1], and apes", number=1) == ["Lions sleep", ". Tigers run"]
    assert said_from(answer, number=2) == [". Tigers run"]
    assert said_from(answer, number=3) == []
