"""Prompt templates that no RAG tool can use: refused when they are chosen, not when a caller asks."""

from __future__ import annotations

import pytest
from django.urls import reverse

from magnet.database import forget_configuration
from magnet.default_prompts import ensure_default_prompts
from magnet.errors import InvalidInput, NotConfigured
from magnet.models import PromptTemplate
from tests import factories
from tests.tools_app.test_admin_rag_tools import settings_of, url
from tools_app import loading
from tools_app.models import RagTool

pytestmark = pytest.mark.django_db

FITS = "{passages}\n\n{question}"


@pytest.fixture
def tool(db) -> RagTool:
    ensure_default_prompts()
    source = factories.source("office")
    made: RagTool = RagTool.objects.create_live(slug="office", name="Office", settings={"sources": [source]})
    return made


def template(slug: str, prompt: str, **settings) -> PromptTemplate:
    made: PromptTemplate = PromptTemplate.objects.create_live(
        slug=slug, name=slug.title(), settings={"prompt": prompt, **settings}
    )
    return made


def test_one_of_other_features_is_refused_for_a_draft_and_for_a_new_tool(tool) -> None:
    naming = PromptTemplate.objects.get(slug="name-conversation")

    with pytest.raises(InvalidInput, match="no RAG tool can use it") as refused:
        tool.edit({"prompt_template": naming})
    with pytest.raises(InvalidInput):
        RagTool.objects.create_live(slug="new", name="New", settings={"prompt_template": naming})

    assert list(refused.value.extra["errors"]) == ["prompt_template"]
    tool.refresh_from_db()
    assert tool.draft is None


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("Hello", "has no {passages}, {question}"),
        ("{question}", "has no {passages}"),
        ("{passages}", "has no {question}"),
        (FITS + " {qestion}", "has {qestion}, which no RAG tool fills in"),
    ],
)
def test_the_sentence_names_what_is_missing(tool, prompt, said) -> None:
    with pytest.raises(InvalidInput) as refused:
        tool.edit({"prompt_template": template("own", prompt)})

    assert said in refused.value.extra["errors"]["prompt_template"][0]


@pytest.mark.parametrize("declared", [{"name": "tone"}, {"name": "tone", "default": "kind"}])
def test_what_a_template_declares_callers_may_give(tool, declared) -> None:
    tool.edit({"prompt_template": template("own", FITS + " {tone}", variables=[declared])})

    assert loading.read("office", version=None, draft=True).prompt.slug == "own"


def test_a_template_that_was_changed_since_is_refused_when_the_draft_is_published_and_when_somebody_asks(tool) -> None:
    own = template("own", FITS)
    tool.edit({"prompt_template": own})
    own.edit({"prompt": "{question}"})
    own.publish()
    forget_configuration()

    with pytest.raises(InvalidInput, match="Some settings do not fit"):
        tool.publish()
    with pytest.raises(NotConfigured, match=r"has no \{passages\}"):
        loading.read("office", version=None, draft=True)


def choices(page: str) -> str:
    return page.split('id="id_prompt_template"')[1].split("</select>")[0]


def test_the_form_offers_those_that_fit_and_the_one_in_use(owner, tool) -> None:
    used = template("used", FITS)
    template("other", FITS)
    tool.edit({"prompt_template": used})
    used.edit({"prompt": "Changed."})
    used.publish()

    offered = choices(owner.get(url(tool)).content.decode())

    assert all(name in offered for name in ("Answer from passages", "Used", "Other"))
    assert "Name a conversation" not in offered
    assert offered.count("<option") == 4


def test_the_form_says_it_beside_the_field(owner, tool) -> None:
    used = template("used", FITS)
    tool.edit({"prompt_template": used})
    used.edit({"prompt": "{question}"})
    used.publish()

    page = owner.post(url(tool), settings_of(tool, prompt_template=used.pk, name="Renamed"))
    listed = owner.get(reverse("admin:tools_app_ragtool_changelist")).content.decode()

    assert "has no {passages}" in page.content.decode()
    assert "Renamed" not in listed
