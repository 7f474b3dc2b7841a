"""Prompt templates in the admin: variables, examples and the fields of an answer are rows of tables, never raw JSON."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone

from magnet.models import AIModel, PromptTemplate, Trace
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def template(db) -> PromptTemplate:
    schema = {
        "type": "object",
        "properties": {"mood": {"type": "string", "enum": ["good", "bad"], "description": "How it sounds"}},
        "required": ["mood"],
        "additionalProperties": False,
    }
    settings = {
        "prompt": "How does {letter} sound?",
        "variables": [{"name": "letter", "description": "What came in"}],
        "examples": [{"input": "Thanks!", "output": "good"}],
        "response_format": "schema",
        "response_schema": schema,
        "stop": ["END"],
    }
    return PromptTemplate.objects.create_live(slug="mood", name="Mood", settings=settings)


def url(template: PromptTemplate, page: str = "change") -> str:
    return reverse(f"admin:magnet_prompttemplate_{page}", args=[template.pk])


def sent(template: PromptTemplate, **changes) -> dict[str, str]:
    """The form as a browser sends it back, with one empty row in each table."""
    values = {
        "name": template.name,
        "seen_revision": str(template.revision),
        "prompt": "How does {letter} sound?",
        "variables-0-name": "letter",
        "variables-0-type": "text",
        "variables-0-description": "What came in",
        "variables-1-name": "",
        "variables-1-type": "text",
        "examples-0-input": "Thanks!",
        "examples-0-output": "good",
        "examples-1-input": "",
        "response_format": "schema",
        "response_schema-0-name": "mood",
        "response_schema-0-type": "string",
        "response_schema-0-description": "How it sounds",
        "response_schema-0-choices": "good, bad",
        "response_schema-1-type": "string",
        "stop": "END",
        "recording": "full",
    }
    return {**values, **changes}


def test_saving_what_was_shown_changes_nothing(owner, template):
    page = owner.get(url(template)).content.decode()
    for shown in ("What came in", "Thanks!", "How it sounds", "good, bad", "Add a variable"):
        assert shown in page

    response = owner.post(url(template), sent(template))

    assert response.status_code == 302, response.context["adminform"].errors
    template.refresh_from_db()
    assert template.draft is None


def test_rows_are_added_and_become_variables_examples_and_a_schema(owner, template):
    more = {
        "prompt": "How does {letter} of {customer} sound?",
        "variables-7-name": "customer",
        "variables-7-type": "text",
        "variables-7-is_optional": "1",
        "response_schema-3-name": "points",
        "response_schema-3-type": "list",
        "response_schema-3-is_optional": "1",
    }

    response = owner.post(url(template), sent(template, **more))

    assert response.status_code == 302, response.context["adminform"].errors
    template.refresh_from_db()
    assert template.draft.variables[1] == {"name": "customer", "is_optional": True}
    assert template.draft.response_schema["properties"]["points"] == {"type": "array", "items": {"type": "string"}}
    assert template.draft.response_schema["required"] == ["mood"]


def test_what_does_not_fit_is_said_by_row_and_column_and_nothing_is_lost(owner, template):
    wrong = {"variables-0-name": "not a name", "variables-0-description": "My words"}

    response = owner.post(url(template), sent(template, **wrong))

    assert response.status_code == 200
    assert "Row 1, Name" in response.context["adminform"].errors["variables"][0]
    assert "My words" in response.content.decode()
    template.refresh_from_db()
    assert template.draft is None


def test_two_variables_of_one_name_are_refused_beside_the_table(owner, template):
    twice = {"variables-1-name": "letter"}

    response = owner.post(url(template), sent(template, **twice))

    assert response.status_code == 200
    assert "declared twice" in str(response.context["adminform"].errors["variables"])


def test_a_schema_that_says_more_than_rows_can_stays_as_it_was_written(owner, template):
    deep = {"type": "object", "properties": {"a": {"type": "object", "properties": {"b": {"type": "string"}}}}}
    template.edit({"response_schema": deep})
    template.publish()

    page = owner.get(url(template)).content.decode()

    assert "more than a table of fields can show" in page
    changes = {name: value for name, value in sent(template).items() if not name.startswith("response_schema")}
    response = owner.post(url(template), {**changes, "response_schema": '{"type": "nonsense"}'})
    assert response.status_code == 200
    assert response.context["adminform"].errors["response_schema"]


def test_the_difference_is_told_in_the_words_of_the_form(owner, template):
    more = {"variables-1-name": "customer", "variables-1-type": "number", "response_schema-0-choices": "good, bad, odd"}
    owner.post(url(template), sent(template, **more))

    page = owner.get(url(template, "publish")).content.decode()

    assert "customer · Type: Number" in page
    assert "good, bad, odd" in page
    assert "{&#x27;" not in page


def test_a_model_without_a_temperature_hides_it_and_one_that_reasons_shows_the_effort(owner, template):
    provider = factories.openai_provider("http://127.0.0.1:9/v1")
    plain, thinking = (
        AIModel.objects.create(provider=provider, slug=slug, name=slug, model_name=slug, purpose="chat", **can)
        for slug, can in (("plain", {}), ("thinking", {"takes_temperature": False, "can_reason": True}))
    )

    page = owner.get(url(template)).content.decode()

    assert f"[&#x27;{plain.pk}&#x27;].includes(ai_model" in page
    assert f"[&#x27;{thinking.pk}&#x27;].includes(ai_model" in page


def test_somebody_who_may_only_look_reads_words(member, template):
    page = member("Viewer").get(url(template)).content.decode()

    assert "What came in" in page
    assert "Add a variable" not in page
    assert "{&#x27;" not in page


def test_the_playground_asks_for_the_values_of_any_version_and_shows_the_last_runs(owner, template):
    template.edit({"prompt": "How does {letter} of {customer} sound?"})
    Trace.objects.create(
        feature="prompt_template", slug="mood", started_at=timezone.now(), summary="How does it sound?"
    )

    page = owner.get(url(template, "playground")).content.decode()

    for shown in ("value_letter", "value_customer", "2 (draft)", "1 (live)", "How does it sound?"):
        assert shown in page


def test_an_empty_playground_says_what_to_do_next(owner, template):
    assert "Nobody has run this template on its own yet" in owner.get(url(template, "playground")).content.decode()
