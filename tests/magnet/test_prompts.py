"""Filling in prompt templates, and the templates that every installation starts with."""

from __future__ import annotations

import pytest

from magnet.default_prompts import DEFAULT_PROMPTS, RAG_ANSWER, ensure_default_prompts
from magnet.errors import InvalidInput
from magnet.models import PromptTemplate
from magnet.prompt_parts import render, variables_of


def test_variables_are_filled_in() -> None:
    assert render("Q: {question}\n{passages}", question="How?", passages="[1] So.") == "Q: How?\n[1] So."


def test_two_braces_are_one_brace_and_json_stands_for_itself() -> None:
    template = 'Write {{question}} as {"text": "…", "n": {"a": 1} } for {question}'
    assert render(template, question="How?") == 'Write {question} as {"text": "…", "n": {"a": 1} } for How?'


def test_what_is_filled_in_is_never_looked_through_for_variables() -> None:
    assert render("{question} {passages}", question="{passages} {{x}}", passages="{question}") == (
        "{passages} {{x}} {question}"
    )


def test_a_variable_that_nobody_fills_in_is_named() -> None:
    with pytest.raises(InvalidInput) as refused:
        render("{question} {customer} {mood}", question="How?")
    assert "{customer}, {mood}" in refused.value.detail
    assert refused.value.extra["unknown"] == ["customer", "mood"]


def test_the_default_templates_declare_the_variables_that_they_use() -> None:
    for default in DEFAULT_PROMPTS:
        declared = {variable["name"] for variable in default.variables}
        assert variables_of(default.instructions + default.prompt) == declared, default.slug
    assert {variable["name"] for variable in RAG_ANSWER.variables} == {"question", "passages"}


@pytest.mark.django_db
def test_default_templates_are_created_once_and_what_people_changed_stays() -> None:
    PromptTemplate.objects.all().delete()
    assert [template.slug for template in ensure_default_prompts()] == [each.slug for each in DEFAULT_PROMPTS]
    template = PromptTemplate.objects.get(slug=RAG_ANSWER.slug)
    template.edit({"instructions": "Rhyme."})
    template.publish()

    assert ensure_default_prompts() == []

    assert PromptTemplate.objects.get(slug=RAG_ANSWER.slug).version(None).settings()["instructions"] == "Rhyme."
