"""Feedback on answers: by whoever asked, changeable, shown to whoever reads traces."""

from __future__ import annotations

import pytest

from magnet.database import in_database
from magnet.default_prompts import ensure_default_prompts
from magnet.models import Feedback, User
from tests import factories
from tests.fixtures_api import bearer
from tools_app.models import RagTool

pytestmark = pytest.mark.django_db(transaction=True)

ANSWER = "/api/rag-tools/office/answer"
NOWHERE = "/api/traces/00000000-0000-0000-0000-000000000001/feedback"


@pytest.fixture
def tool(transactional_db, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    ensure_default_prompts()
    source = factories.source("office")
    factories.push(source, opening="# Opening hours\n\nThe office in Riga opens at nine and closes at five.")
    return RagTool.objects.create_live(slug="office", name="Ask the office", settings={"sources": [source]})


@pytest.fixture
async def integrator(anonymous, issue_key, tool):
    anonymous.headers.update(bearer(await in_database(issue_key, "rag-tools:run", name="Website")))
    return anonymous


async def asked(client) -> str:
    response = await client.post(ANSWER, json={"question": "When does the office open?"})
    assert response.status_code == 200, response.text
    return response.json()["trace_id"]


async def test_the_key_that_asked_rates_its_answer_and_changes_its_mind(integrator) -> None:
    trace_id = await asked(integrator)

    first = await integrator.post(f"/api/rag-tools/office/answers/{trace_id}/feedback", json={"rating": "like"})
    again = await integrator.post(
        f"/api/traces/{trace_id}/feedback", json={"rating": "dislike", "reason": "outdated", "comment": "Old hours."}
    )
    copied = await integrator.post(f"/api/traces/{trace_id}/feedback", json={"is_copied": True})

    assert [first.status_code, again.status_code, copied.status_code] == [200, 200, 200], again.text
    assert first.json()["rating"] == "like"
    kept = copied.json()
    assert (kept["rating"], kept["reason"], kept["comment"]) == ("dislike", "outdated", "Old hours.")
    assert (kept["is_copied"], kept["by"]) == (True, "Website")
    assert await in_database(Feedback.objects.count) == 1


async def test_liking_again_takes_the_reason_back(integrator) -> None:
    path = f"/api/traces/{await asked(integrator)}/feedback"
    await integrator.post(path, json={"rating": "dislike", "reason": "wrong"})

    liked = await integrator.post(path, json={"rating": "like"})
    praised = await integrator.post(path, json={"rating": "like", "reason": "wrong"})

    assert (liked.json()["rating"], liked.json()["reason"]) == ("like", "")
    assert praised.status_code == 422


async def test_nobody_rates_what_others_asked_and_a_reader_of_traces_rates_anything(integrator, issue_key) -> None:
    trace_id = await asked(integrator)
    other = bearer(await in_database(issue_key, "rag-tools:run", name="Other"))
    reviewer = bearer(await in_database(issue_key, "traces:read", name="Reviewer"))

    refused = await integrator.post(f"/api/traces/{trace_id}/feedback", json={"rating": "like"}, headers=other)
    allowed = await integrator.post(f"/api/traces/{trace_id}/feedback", json={"rating": "dislike"}, headers=reviewer)
    shown = await integrator.get(f"/api/traces/{trace_id}", headers=reviewer)

    assert refused.status_code == 404
    assert "of yours" in refused.json()["detail"]
    assert allowed.status_code == 200
    assert [row["by"] for row in shown.json()["feedback"]] == ["Reviewer"]


async def test_people_behind_one_key_rate_each_for_themselves(integrator) -> None:
    path = f"/api/traces/{await asked(integrator)}/feedback"

    await integrator.post(path, json={"rating": "like"}, headers={"Magnet-Person": "anna@example.com"})
    await integrator.post(path, json={"rating": "dislike"}, headers={"Magnet-Person": "ben@example.com"})

    assert await in_database(lambda: Feedback.objects.all().counts()) == {"likes": 1, "dislikes": 1}


@pytest.mark.parametrize("body", [{"rating": "great"}, {"reason": "boring"}, {"stars": 5}, {"comment": "x" * 5_001}])
async def test_what_does_not_fit_is_refused(integrator, body) -> None:
    refused = await integrator.post(f"/api/traces/{await asked(integrator)}/feedback", json=body)

    assert refused.status_code == 422


async def test_an_answer_of_another_tool_or_of_nobody_is_not_there(integrator) -> None:
    trace_id = await asked(integrator)

    wrong_tool = await integrator.post(f"/api/rag-tools/garden/answers/{trace_id}/feedback", json={"rating": "like"})
    nowhere = await integrator.post(NOWHERE, json={"rating": "like"})

    assert (wrong_tool.status_code, nowhere.status_code) == (404, 404)


async def test_staff_see_feedback_in_its_list_on_the_trace_and_on_the_tool(integrator, async_client, tool) -> None:
    trace_id = await asked(integrator)
    body = {"rating": "dislike", "reason": "incomplete", "comment": "No word of Sundays."}
    await integrator.post(f"/api/traces/{trace_id}/feedback", json=body)
    user = await in_database(lambda: User.objects.create_superuser("anna@example.com", "secret"))
    await async_client.aforce_login(user)

    listed = (await async_client.get("/admin/magnet/feedback/?rating__exact=dislike")).content.decode()
    trace = (await async_client.get(f"/admin/magnet/trace/{trace_id}/change/")).content.decode()
    form = (await async_client.get(f"/admin/tools_app/ragtool/{tool.pk}/change/")).content.decode()

    assert "No word of Sundays." in listed
    assert trace_id in listed
    assert "Something is missing" in trace
    assert "0 % of 1 rating" in form
