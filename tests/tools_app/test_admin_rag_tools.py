"""RAG tools in the admin: a draft that callers do not notice, compared, published, undone; and “Try it” beside it."""

import pytest
from django.urls import reverse

from magnet.models import AuditEntry, PromptTemplate, Publication
from tests import factories
from tests.fixtures_admin import HOSTILE
from tests.tools_app.retrieval_forms import retrieval_settings
from tools_app.models import RagTool

pytestmark = pytest.mark.django_db


def url(tool, route="change"):
    return reverse(f"admin:tools_app_ragtool_{route}", args=[tool.pk])


def make(client, source, **fields):
    values = {"name": "Staff help", "slug": "staff-help", "sources": [source.pk], **fields}
    return client.post(reverse("admin:tools_app_ragtool_add"), values)


def settings_of(tool, **changes):
    """What the form sends: everything it shows."""
    version = tool.draft or tool.live
    return {
        "name": tool.name, "description": tool.description, **retrieval_settings(version),
        "nothing_found_text": version.nothing_found_text, "support_check": version.support_check,
        "link_titles": version.link_titles, **({"takes_feedback": "on"} if version.takes_feedback else {}),
        "seen_revision": tool.revision, **changes,
    }  # fmt: skip


@pytest.fixture
def source(db):
    return factories.source()


@pytest.fixture
def tool(owner, source):
    make(owner, source)
    return RagTool.objects.get()


def test_a_name_and_a_source_are_enough(owner, source):
    response = make(owner, source)

    tool = RagTool.objects.get()
    assert response.headers["Location"] == url(tool)
    assert (tool.live.number, tool.draft, tool.live.passage_count) == (1, None, 5)
    assert tool.live.source_slugs() == ["handbook"]
    page = owner.get(url(tool)).content.decode()
    assert "/api/rag-tools/staff-help/answer" in page
    assert "No language model configured: these are quotes." in page
    assert "The default: the prompt template rag-answer." in page
    assert "Empty: the model" not in page


def test_what_is_missing_is_said(owner, source):
    response = make(owner, source, name="", slug="Not A Slug", sources=[])

    errors = response.context["adminform"].errors
    assert set(errors) == {"name", "slug", "sources"}
    assert errors["sources"] == ["Choose at least one source."]
    assert not RagTool.objects.exists()


def test_saving_makes_a_draft_that_callers_do_not_notice(owner, tool):
    owner.post(url(tool), settings_of(tool, passage_count=9, name="Help for staff"))

    tool.refresh_from_db()
    assert (tool.name, tool.live.passage_count, tool.draft.passage_count) == ("Help for staff", 5, 9)
    assert tool.draft.author == "Olga"
    assert "Draft: version 2" in owner.get(url(tool)).content.decode()


def test_saving_without_a_change_makes_no_draft(owner, tool):
    response = owner.post(url(tool), settings_of(tool))

    tool.refresh_from_db()
    assert response.status_code == 302, response.context["adminform"].errors
    assert tool.draft is None


def test_somebody_elses_change_is_not_overwritten(owner, tool):
    mine = settings_of(tool, passage_count=9)
    owner.post(url(tool), settings_of(tool, passage_count=7))

    response = owner.post(url(tool), mine)

    assert "The draft has changed since you opened this page (last by Olga)" in response.content.decode()
    assert 'value="9"' in response.content.decode()
    tool.refresh_from_db()
    assert tool.draft.passage_count == 7


def test_a_setting_out_of_bounds_is_said_beside_its_field(owner, tool):
    response = owner.post(url(tool), settings_of(tool, passage_count=0, minimum_score=3, sources=[]))

    assert set(response.context["adminform"].errors) == {"passage_count", "minimum_score", "sources"}
    tool.refresh_from_db()
    assert tool.draft is None


def test_publishing_is_preceded_by_the_difference_in_words(owner, tool):
    other = factories.source("wiki")
    changes = {"passage_count": 9, "search_mode": "words", "nothing_found_text": "I found nothing about that here."}
    owner.post(url(tool), settings_of(tool, sources=[*settings_of(tool)["sources"], other.pk], **changes))

    response = owner.get(url(tool, "publish"))

    found = {row.label: (row.old, row.new) for row in response.context["differences"]}
    assert found == {
        "Sources": ("Handbook", "Handbook, Wiki"),
        "Search by": ("Meaning and words (best for most)", "Words only"),
        "Passages": ("5", "9"),
        "When nothing is found": ("I found nothing about that.", "I found nothing about that here."),
    }
    assert "<ins> here</ins>" in response.content.decode()


def test_publishing_changes_what_callers_get_and_undo_takes_it_back(owner, tool):
    owner.post(url(tool), settings_of(tool, passage_count=9))
    assert owner.get(url(tool, "publish_now")).status_code == 405

    owner.post(url(tool, "publish_now"), {"note": "More to read"})
    tool.refresh_from_db()
    assert (tool.live.number, tool.live.passage_count, tool.draft) == (2, 9, None)
    assert "Undo: back to version 1" in owner.get(url(tool, "publish")).content.decode()

    owner.post(url(tool, "undo"))
    tool.refresh_from_db()
    assert tool.live.number == 1
    assert "More to read" in owner.get(url(tool, "versions")).content.decode()
    assert Publication.objects.get(note="More to read").undone_at
    nothing_left = owner.post(url(tool, "undo"), follow=True).content.decode()
    assert "There is no earlier publication" in nothing_left
    assert [entry.actor_label for entry in AuditEntry.objects.filter(verb="published")] == ["Olga", "Olga"]


def test_an_earlier_version_is_compared_copied_and_made_live_again(owner, tool):
    owner.post(url(tool), settings_of(tool, passage_count=9))
    owner.post(url(tool, "publish_now"))
    tool.refresh_from_db()

    compared = owner.get(url(tool, "compare") + "?from=2&to=1")
    assert [(row.old, row.new) for row in compared.context["differences"]] == [("9", "5")]
    assert owner.get(url(tool, "compare") + "?to=77").status_code == 302

    owner.post(url(tool, "copy"), {"number": "1"})
    tool.refresh_from_db()
    assert (tool.draft.number, tool.draft.passage_count, tool.draft.source_slugs()) == (3, 5, ["handbook"])
    owner.post(url(tool, "publish_now"), {"number": "1"})
    tool.refresh_from_db()
    assert (tool.live.number, tool.draft.number) == (1, 3)


def test_an_editor_drafts_and_a_publisher_publishes(member, tool):
    editor, publisher, viewer = member("Editor"), member("Publisher"), member("Viewer")

    assert viewer.post(url(tool), settings_of(tool, passage_count=9)).status_code == 403
    editor.post(url(tool), settings_of(tool, passage_count=9))
    assert editor.post(url(tool, "publish_now")).status_code == 403
    assert "Ask somebody in the group Publisher" in editor.get(url(tool, "publish")).content.decode()
    assert viewer.get(url(tool)).status_code == 200
    assert publisher.post(url(tool, "publish_now")).status_code == 302

    tool.refresh_from_db()
    assert tool.live.passage_count == 9


def test_texts_of_people_are_shown_as_text_everywhere(owner, tool):
    owner.post(url(tool), settings_of(tool, name=HOSTILE, description=HOSTILE, nothing_found_text=HOSTILE))

    for route in ("change", "publish", "versions", "delete"):
        page = owner.get(url(tool, route)).content.decode()
        assert "<img src=x" not in page, route
        assert "<script>alert" not in page, route


def test_a_prompt_template_has_the_same_life_and_names_what_it_affects(owner, source):
    values = {"name": "Kind answers", "slug": "kind", "instructions": "Be kind.", "prompt": "{passages} {question}"}
    owner.post(reverse("admin:magnet_prompttemplate_add"), values)
    template = PromptTemplate.objects.get(slug="kind")
    RagTool.objects.create_live(
        settings={"sources": [source], "prompt_template": template}, name="Kind help", slug="kind-help"
    )

    change = reverse("admin:magnet_prompttemplate_change", args=[template.pk])
    as_shown = {"response_format": "text", "recording": "full", "seen_revision": 1}
    owner.post(change, {**values, **as_shown, "instructions": "Be very kind."})
    page = owner.get(reverse("admin:magnet_prompttemplate_publish", args=[template.pk])).content.decode()

    template.refresh_from_db()
    assert (template.live.instructions, template.draft.instructions) == ("Be kind.", "Be very kind.")
    assert "<ins>very </ins>" in page or "<ins> very</ins>" in page
    assert "Kind help" in page
