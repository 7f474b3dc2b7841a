"""The preview beside the form of a source: the text as read and its chunks, under settings nobody has saved."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from knowledge.models import Chunk, Document, KnowledgeSource
from tests import factories
from tests.fixtures_admin import HOSTILE
from tests.knowledge.files import pdf

pytestmark = pytest.mark.django_db
PREVIEW = "admin:knowledge_knowledgesource_preview"
RULES = "# Rules\n\nBe kind.\n\n## Pets\n\n" + "Dogs are welcome on Fridays, and cats are welcome every day. " * 12


def ask(client, **fields):
    values = {"chunker": "paragraphs", "embedding_model": factories.local_embedding().pk, **fields}
    return client.post(reverse(PREVIEW), values, headers={"Accept": "application/json"})


def file(body, name="rules.md"):
    return SimpleUploadedFile(name, body if isinstance(body, bytes) else body.encode())


def test_a_file_is_shown_with_its_cuts_before_there_is_a_source(owner):
    few = ask(owner, preview_file=file(RULES), chunker_paragraphs__max_tokens="256").json()["html"]
    many = ask(owner, preview_file=file(RULES), chunker_paragraphs__max_tokens="40").json()["html"]

    assert "Rules &gt; Pets" in few
    assert 'data-first-of="Chunk 1' in few
    assert many.count("<details") > few.count("<details")
    assert not KnowledgeSource.objects.exists()


def test_pages_and_headings_of_a_file_are_named(owner):
    body = pdf([("Heading1", "Travel"), ("BodyText", "Take the train.")], [("BodyText", "Fly never.")])
    html = ask(owner, preview_file=file(body, "travel.pdf"), chunker="whole").json()["html"]
    assert "2 pages" in html
    assert "page 1" in html


def test_a_document_of_the_source_is_found_by_its_id_or_its_title(owner):
    source = factories.source("rules")
    factories.push(source, pets=RULES)
    Document.objects.update(title="Rules")
    before = Chunk.objects.count()

    by_id = ask(owner, preview_source=source.pk, preview_document="pets", chunker="sentences").json()["html"]
    by_title = ask(owner, preview_source=source.pk, preview_document="Rules", chunker="sentences").json()["html"]
    missing = ask(owner, preview_source=source.pk, preview_document="nobody")

    assert by_id == by_title
    assert "Dogs are welcome" in by_id
    assert (missing.status_code, "no document “nobody”" in missing.json()["detail"]) == (404, True)
    assert Chunk.objects.count() == before


def test_what_stands_in_a_file_stays_text(owner):
    html = ask(owner, preview_file=file(f"# {HOSTILE}\n\n{HOSTILE}")).json()["html"]
    assert "<script>" not in html
    assert "<img" not in html


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "Choose a file or a document first."),
        ({"preview_file": file(b"")}, "is empty"),
        ({"preview_file": file(b"No PDF.", "a.pdf")}, "claims to be a PDF"),
        ({"preview_file": file(RULES), "chunker_paragraphs__max_tokens": "1"}, "Longest chunk (tokens)"),
        ({"preview_file": file(RULES), "embedding_model": ""}, "Embedding model"),
    ],
)
def test_what_is_missing_or_unreadable_is_said(owner, fields, words):
    for value in fields.values():
        if hasattr(value, "seek"):
            value.seek(0)
    refused = ask(owner, **fields)
    assert refused.status_code == 422
    assert words in refused.json()["detail"]


def test_too_large_files_are_refused(owner, settings):
    settings.MAX_UPLOAD_BYTES = 10
    assert ask(owner, preview_file=file(RULES)).status_code == 413


def test_only_who_may_change_a_source_previews_in_it(member):
    source = factories.source("rules")
    factories.push(source, pets=RULES)
    viewer = member("Viewer")
    assert ask(viewer, preview_source=source.pk, preview_document="pets").status_code == 403
    assert ask(viewer, preview_file=file(RULES)).status_code == 403


def test_documents_of_other_groups_are_neither_offered_nor_shown(member):
    source = factories.source("rules")
    factories.push(source, pets=RULES)
    Document.objects.update(groups=["board"])
    editor = member("Editor")
    Group.objects.get(name="Editor").permissions.remove(Permission.objects.get(codename="view_restricted_document"))

    page = editor.get(reverse("admin:knowledge_knowledgesource_change", args=[source.pk])).content.decode()

    assert "preview-documents" not in page
    assert ask(editor, preview_source=source.pk, preview_document="pets").status_code == 404


def test_the_form_offers_a_preview(owner):
    source = factories.source("rules")
    factories.push(source, pets=RULES)
    page = owner.get(reverse("admin:knowledge_knowledgesource_change", args=[source.pk])).content.decode()
    assert "data-preview-start" in page
    assert '<option value="pets">' in page
    adding = owner.get(f"{reverse('admin:knowledge_knowledgesource_add')}?connector=upload").content.decode()
    assert "data-preview-start" in adding
