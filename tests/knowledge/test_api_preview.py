"""Previews over the API: what settings make of a text, before they are saved; nothing is stored."""

import json

import pytest

from knowledge import preview as previews
from knowledge.models import Chunk, Document, SyncRun
from magnet.database import in_database
from magnet.models import AIModel
from tests import factories
from tests.fixtures_api import bearer
from tests.knowledge.files import pdf

pytestmark = pytest.mark.django_db(transaction=True)

PATH = "/api/knowledge-sources/office/preview"
RULES = "# Rules\n\nBe kind.\n\n## Pets\n\n" + "Dogs are welcome on Fridays, and cats are welcome every day. " * 12


@pytest.fixture(autouse=True)
def office(transactional_db):
    return factories.source("office")


async def test_a_text_is_shown_as_it_would_be_cut_and_nothing_is_stored(api):
    settings = {"chunker": "paragraphs", "chunker_config": {"max_tokens": 64}}
    response = await api.post(PATH, json={"text": RULES, "title": "Staff rules", **settings})

    shown = response.json()
    assert response.status_code == 200, shown
    assert (shown["title"], shown["text"].strip(), shown["is_shortened"]) == ("Staff rules", RULES.strip(), False)
    assert len(shown["chunks"]) > 3
    assert all(shown["text"][c["start"] : c["end"]] == c["text"] for c in shown["chunks"])
    assert shown["chunks"][-1]["heading"] == "Rules > Pets"
    tokens = [chunk["token_count"] for chunk in shown["chunks"]]
    assert (shown["longest"], shown["shortest"]) == (max(tokens), min(tokens))
    assert max(tokens) <= 64
    assert await in_database(lambda: (Document.objects.count(), Chunk.objects.count(), SyncRun.objects.count())) == (
        0, 0, 0,
    )  # fmt: skip


async def test_a_preview_shows_the_very_chunks_of_the_index(api, office):
    def index():
        factories.push(office, rules=RULES)
        return list(Chunk.objects.order_by("position").values_list("start", "end", "heading", "token_count"))

    indexed = await in_database(index)
    shown = (await api.post(PATH, json={"remote_id": "rules"})).json()

    assert [(c["start"], c["end"], c["heading"], c["token_count"]) for c in shown["chunks"]] == indexed
    smaller = (await api.post(PATH, json={"remote_id": "rules", "chunker_config": {"max_tokens": 40}})).json()
    assert len(smaller["chunks"]) > len(indexed)


async def test_a_file_is_read_as_a_sync_reads_it(api):
    body = pdf([("Heading1", "Travel"), ("BodyText", "Take the train.")], [("BodyText", "Fly never.")])
    form = {"chunker": "whole", "chunker_config": json.dumps({})}

    response = await api.post(PATH, files={"file": ("travel.pdf", body, "application/pdf")}, data=form)

    shown = response.json()
    assert response.status_code == 200, shown
    assert (shown["pages"], len(shown["chunks"]), shown["chunks"][0]["page"]) == (2, 1, 1)
    assert "Fly never." in shown["chunks"][0]["text"]


async def test_chunks_that_the_embedding_model_does_not_read_to_their_end_are_named(api, fake_openai):
    def add_model():
        AIModel.objects.create(
            name="Short", slug="short", purpose="embedding", model_name="text-embedding-fake", max_input_tokens=50,
            provider=factories.openai_provider(fake_openai.base_url), dimensions=fake_openai.dimensions,
        )  # fmt: skip

    await in_database(add_model)
    shown = (await api.post(PATH, json={"text": RULES, "embedding_model": "short"})).json()

    assert (shown["model_reads"], shown["too_long"]) == (50, 1)
    assert [chunk["is_too_long"] for chunk in shown["chunks"]].count(True) == 1
    assert fake_openai.requests == []

    by_subject = (await api.post(PATH, json={"text": RULES, "embedding_model": "short", "chunker": "semantic"})).json()
    assert by_subject["tokens"] > 0
    assert fake_openai.requests


async def test_of_a_very_long_text_the_beginning_is_shown(api, monkeypatch):
    monkeypatch.setattr(previews, "MOST_CHARACTERS", 200)
    shown = (await api.post(PATH, json={"text": RULES})).json()
    assert (shown["is_shortened"], len(shown["text"])) == (True, 200)
    assert shown["characters"] > 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "text"),
        ({"text": "A.", "remote_id": "b"}, "text"),
        ({"text": "A.", "chunker": "axe"}, "chunker"),
        ({"text": "A.", "chunker_config": {"max_tokens": 1}}, "chunker_config.max_tokens"),
        (
            {"text": "A.", "chunker": "semantic", "chunker_config": {"overlap_tokens": 8}},
            "chunker_config.overlap_tokens",
        ),
        ({"text": "A.", "embedding_model": "nobody"}, "embedding_model"),
        ({"text": "A.", "colour": "red"}, "colour"),
    ],
)
async def test_what_does_not_fit_is_named(api, body, field):
    refused = await api.post(PATH, json=body)
    assert refused.status_code == 422, refused.text
    assert field in refused.json()["errors"]


async def test_files_that_cannot_be_read_say_why(api):
    refused = await api.post(PATH, files={"file": ("a.pdf", b"No PDF.", "application/pdf")})
    assert (refused.status_code, refused.json()["code"]) == (422, "unreadable_document")
    assert (await api.post(PATH, data={"chunker": "whole"}, files={"other": ("a.txt", b"A.")})).status_code == 422
    assert (await api.post(PATH, content=b"A.", headers={"Content-Type": "text/plain"})).status_code == 415
    assert (await api.post(PATH, json={"text": "   "})).status_code == 422
    assert (await api.post(PATH, json={"remote_id": "nobody"})).status_code == 404


async def test_a_document_of_other_groups_is_not_shown(anonymous, issue_key, office):
    def prepare():
        factories.push(office, rules=RULES)
        office.documents.update(groups=["board"])
        return issue_key("knowledge-sources:write")

    key = await in_database(prepare)
    refused = await anonymous.post(PATH, json={"remote_id": "rules"}, headers=bearer(key))
    assert (refused.status_code, "Dogs" in refused.text) == (404, False)
