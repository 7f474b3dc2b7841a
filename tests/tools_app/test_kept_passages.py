"""Cited passages stay as they read that day, and say what has become of their documents since."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.urls import reverse

from knowledge.models import Document, KnowledgeSource
from magnet import tracing
from magnet.database import forget_configuration, in_database
from magnet.models import Analysis, PromptTemplate, Trace, User
from tests.fixtures_api import bearer
from tests.tools_app.explaining import DOCUMENTS, asked, hand_in, office, tool_of
from tools_app.models import RagTool

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("searching")]
CITED = "opening"


@pytest.fixture
def source(settings, tmp_path) -> KnowledgeSource:
    settings.MEDIA_ROOT = tmp_path
    return office()


@pytest.fixture
def tool(source) -> RagTool:
    return tool_of(source)


async def passages(api, trace_id: UUID) -> dict[str, Any]:
    """By what their documents are called; those without a name by their number."""
    response = await api.get(f"/api/traces/{trace_id}/passages")
    assert response.status_code == 200, response.text
    return {row["document"]["remote_id"] or row["number"]: row for row in response.json()["items"]}


async def test_a_passage_reads_as_it_was_cited_also_when_its_document_has_changed(api, tool, source) -> None:
    trace_id = await asked()
    before = await passages(api, trace_id)

    await in_database(lambda: hand_in(source, **{CITED: "# Opening hours\n\nThe office in Riga opens at ten now."}))
    after = await passages(api, trace_id)
    number = after[CITED]["number"]
    alone = (await api.get(f"/api/traces/{trace_id}/passages/{number}")).json()

    assert before[CITED]["document_state"] == "unchanged"
    assert (after[CITED]["document_state"], after[CITED]["is_cited"]) == ("changed", True)
    assert "opens at nine" in after[CITED]["text"]
    assert after[CITED]["changed_at"]
    assert alone == after[CITED]
    assert after["pets"]["document_state"] == "unchanged"


async def test_a_document_that_is_deleted_takes_the_texts_with_it(api, tool, source) -> None:
    trace_id = await asked()
    number = (await passages(api, trace_id))[CITED]["number"]

    deleted = await api.delete(f"/api/knowledge-sources/office/documents?remote_id={CITED}")
    alone = (await api.get(f"/api/traces/{trace_id}/passages/{number}")).json()
    others = await passages(api, trace_id)

    assert deleted.status_code == 204, deleted.text
    assert (alone["document_state"], alone["text"], alone["is_cited"]) == ("deleted", None, True)
    assert alone["document"]["title"] == alone["document"]["remote_id"] == ""
    assert "was deleted" in alone["reason"]
    assert alone["changed_at"]
    assert others["pets"]["text"] is None, "The texts of an answer go together: it quotes the deleted document."
    assert others["pets"]["document"]["title"] == "Pets"


async def test_what_was_recorded_while_its_document_was_deleted_is_not_shown_either(api, tool) -> None:
    trace_id = await asked()
    number = (await passages(api, trace_id))[CITED]["number"]
    await in_database(lambda: Document.objects.filter(remote_id=CITED).delete())

    alone = (await api.get(f"/api/traces/{trace_id}/passages/{number}")).json()

    assert (alone["document_state"], alone["text"]) == ("deleted", None)


async def test_whoever_asked_may_read_them_and_nobody_else_without_the_scope(anonymous, issue_key, tool) -> None:
    mine, other = [bearer(await in_database(issue_key, "rag-tools:run", name=name)) for name in ("Mine", "Other")]
    reader = bearer(await in_database(issue_key, "traces:read"))
    answer = await anonymous.post("/api/rag-tools/office/answer", json={"question": "When?"}, headers=mine)
    await in_database(tracing.flush)
    path = f"/api/traces/{answer.json()['trace_id']}/passages"

    seen = {
        name: [(await anonymous.get(url, headers=headers)).status_code for url in (path, f"{path}/1")]
        for name, headers in (("mine", mine), ("other", other), ("reader", reader), ("nobody", {}))
    }

    assert seen == {"mine": [200, 200], "other": [404, 404], "reader": [200, 200], "nobody": [401, 401]}


async def test_what_a_reader_may_not_find_is_not_there(anonymous, issue_key, tool) -> None:
    trace_id = await asked()
    await in_database(lambda: Document.objects.filter(remote_id=CITED).update(groups=["board"]))
    reader = bearer(await in_database(issue_key, "traces:read"))
    director = bearer(await in_database(issue_key, "traces:read", document_groups=["board"]))

    answers = [await anonymous.get(f"/api/traces/{trace_id}/passages/1", headers=who) for who in (reader, director)]

    assert [answer.status_code for answer in answers] == [404, 200]
    assert "Riga" not in answers[0].text


@pytest.mark.parametrize(("level", "said"), [("none", "level “none”"), ("metadata", "level “metadata”")])
async def test_what_was_not_recorded_was_not_kept_and_says_so(api, tool, level, said) -> None:
    def record() -> None:
        template = PromptTemplate.objects.get(slug="rag-answer")
        template.edit({"recording": level})
        template.publish()
        forget_configuration()

    await in_database(record)
    trace_id = await asked()

    alone = await api.get(f"/api/traces/{trace_id}/passages/1")
    whole = await api.get(f"/api/traces/{trace_id}/passages")

    assert said in whole.json()["reason"]
    assert said in alone.text
    assert alone.status_code == (404 if level == "none" else 200)
    assert not any(row["text"] for row in whole.json()["items"])


async def test_there_is_no_passage_of_another_number_and_none_of_no_answer(api, tool) -> None:
    trace_id = await asked()

    beyond = await api.get(f"/api/traces/{trace_id}/passages/99")
    nowhere = await api.get("/api/traces/00000000-0000-0000-0000-000000000001/passages/1")

    assert (beyond.status_code, nowhere.status_code) == (404, 404)
    assert "no passage 99; it has 3" in beyond.json()["detail"]


async def test_the_page_of_a_trace_says_of_each_passage_what_became_of_its_document(async_client, tool, source) -> None:
    trace_id = await asked()
    olga = await in_database(lambda: User.objects.create_superuser("olga@example.com", "a password of hers"))
    await async_client.aforce_login(olga, backend="django.contrib.auth.backends.ModelBackend")
    url = reverse("admin:magnet_trace_change", args=[trace_id])

    await in_database(lambda: hand_in(source, **{CITED: "# Opening hours\n\nThe office in Riga opens at ten now."}))
    changed = await async_client.get(url)
    await in_database(lambda: Document.objects.filter(remote_id="pets").delete())
    await in_database(lambda: Trace.objects.blank_documents([Trace.objects.get(pk=trace_id).documents[0]]))
    deleted = await async_client.get(url)

    assert "changed since" in changed.content.decode()
    assert DOCUMENTS[CITED].splitlines()[-1] in changed.content.decode()
    assert {row["state"] for row in changed.context["story"].passages} == {"changed", "unchanged"}
    assert {row["state"] for row in deleted.context["story"].passages} == {"", "deleted"}
    assert "opens at nine" not in deleted.content.decode()


async def test_a_retrieval_tools_search_keeps_its_passages_too(api, source) -> None:
    made = await api.post("/api/retrieval-tools", json={"name": "Find", "sources": ["office"], "minimum_score": 0})
    assert made.status_code == 201, made.text

    found = await api.post("/api/retrieval-tools/find/search", json={"query": "When does the office in Riga open?"})
    await in_database(tracing.flush)
    kept = await passages(api, UUID(found.json()["trace_id"]))

    assert kept[CITED]["text"] == found.json()["passages"][kept[CITED]["number"] - 1]["text"]
    assert kept[CITED]["document_state"] == "unchanged"


async def test_what_a_model_said_of_the_sentences_stands_in_the_trace_for_who_may_read_it(
    anonymous, issue_key, tool
) -> None:
    trace_id = await asked()
    sentence = {"start": 0, "end": 9, "citations": [1], "supported": False, "score": 0.0, "reason": "Not in Riga."}
    await Analysis.objects.acreate(trace_id=trace_id, state="done", sentences=[sentence])
    reader = bearer(await in_database(issue_key, "traces:read"))

    seen = (await anonymous.get(f"/api/traces/{trace_id}", headers=reader)).json()["analysis"]
    await in_database(lambda: Document.objects.filter(remote_id=CITED).update(groups=["board"]))
    hidden = await anonymous.get(f"/api/traces/{trace_id}", headers=reader)

    assert seen["sentences"] == [sentence]
    assert hidden.json()["analysis"]["sentences"] is None
    assert "Not in Riga" not in hidden.text
