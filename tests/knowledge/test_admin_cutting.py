"""How texts are cut, chosen in the form of a source: each way in plain words, with the settings of the chosen one."""

import pytest
from django.urls import reverse

from knowledge.chunkers import CHUNKERS
from knowledge.models import KnowledgeSource
from magnet.models import AIModel
from tests import factories

pytestmark = pytest.mark.django_db
ADD = "admin:knowledge_knowledgesource_add"
CHANGE = "admin:knowledge_knowledgesource_change"


def filled_in(**fields):
    return {"name": "Rules", "slug": "rules", "embedding_model": factories.local_embedding().pk, **fields}


def test_each_way_to_cut_is_described_and_has_its_settings_on_the_form(owner):
    page = owner.get(f"{reverse(ADD)}?connector=upload").content.decode()

    for kind, chunker in CHUNKERS.items():
        assert chunker.description[:40].replace("'", "&#x27;") in page
        assert f'value="{kind}"' in page
        for setting in chunker.Config.model_fields:
            assert f'name="chunker_{kind}__{setting}"' in page
    assert "chunker == &#x27;semantic&#x27;" in page


def test_a_new_source_takes_the_chosen_way_and_its_settings_only(owner):
    values = filled_in(
        chunker="sentences", chunker_sentences__max_tokens="128", chunker_paragraphs__max_tokens="not a number"
    )

    owner.post(f"{reverse(ADD)}?connector=upload", values)

    source = KnowledgeSource.objects.get()
    assert (source.chunker, source.chunker_config["max_tokens"]) == ("sentences", 128)
    assert set(source.chunker_config) == set(CHUNKERS["sentences"].Config.model_fields)


def test_what_does_not_fit_stands_beside_the_settings_of_the_chosen_way(owner):
    values = filled_in(chunker="semantic", chunker_semantic__max_tokens="1", chunker_sentences__max_tokens="1")

    response = owner.post(f"{reverse(ADD)}?connector=upload", values)

    assert list(response.context["adminform"].errors) == ["chunker_semantic__max_tokens"]
    assert not KnowledgeSource.objects.exists()


def test_settings_that_do_not_go_together_are_refused(owner):
    values = filled_in(
        chunker="paragraphs", chunker_paragraphs__max_tokens="64", chunker_paragraphs__overlap_tokens="60"
    )

    page = owner.post(f"{reverse(ADD)}?connector=upload", values).content.decode()

    assert "at most half of the longest chunk" in page
    assert not KnowledgeSource.objects.exists()


def test_another_way_for_indexed_documents_is_offered_as_a_re_index(owner):
    source = factories.source("rules")
    factories.push(source, a="# A\n\nWords.")

    values = filled_in(chunker="markdown", chunker_markdown__max_tokens="512")
    page = owner.post(reverse(CHANGE, args=[source.pk]), values, follow=True).content.decode()

    source.refresh_from_db()
    assert (source.chunker, source.live_index.chunker) == ("markdown", "paragraphs")
    assert "offers a re-index" in page
    index = owner.get(reverse("admin:knowledge_knowledgesource_index", args=[source.pk])).content.decode()
    assert CHUNKERS["markdown"].label in index


def test_a_way_whose_plug_in_is_gone_keeps_its_settings(owner):
    source = factories.source("rules", chunker="by_moon", chunker_config={"phase": "full"})

    owner.post(reverse(CHANGE, args=[source.pk]), filled_in(name="New name", chunker="by_moon"))

    source.refresh_from_db()
    assert (source.name, source.chunker, source.chunker_config) == ("New name", "by_moon", {"phase": "full"})


def test_a_model_for_lines_of_context_is_one_that_can_write(owner, fake_openai):
    provider = factories.openai_provider(fake_openai.base_url)
    writer = AIModel.objects.create(name="Writer", slug="writer", purpose="chat", model_name="gpt", provider=provider)
    factories.local_embedding()
    quoter = AIModel.objects.get(purpose="chat", provider__kind="local")

    page = owner.get(f"{reverse(ADD)}?connector=upload").content.decode()
    assert f'<option value="{writer.pk}">Writer' in page
    assert f'<option value="{quoter.pk}">{quoter}' not in page
    owner.post(f"{reverse(ADD)}?connector=upload", filled_in(context_model=quoter.pk))
    assert not KnowledgeSource.objects.exists()

    owner.post(f"{reverse(ADD)}?connector=upload", filled_in(context_model=writer.pk))
    assert KnowledgeSource.objects.get().context_model == writer
