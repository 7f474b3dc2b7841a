"""Documents in the admin: found by state, explained by reason, read with their chunks, tried again, deleted."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from knowledge import sync
from knowledge.models import Chunk, Document, IndexedDocument, SyncRun
from tests import factories
from tests.fixtures_admin import HOSTILE

pytestmark = pytest.mark.django_db
LIST = "admin:knowledge_document_changelist"
JSON = {"HTTP_ACCEPT": "application/json"}


@pytest.fixture
def files(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path


def upload(client, source, name, body, media_type="text/plain"):
    url = reverse("admin:knowledge_knowledgesource_upload", args=[source.pk])
    return client.post(url, {"file": SimpleUploadedFile(name, body, content_type=media_type)}, **JSON)


def index(source):
    run = source.runs.unfinished().first()
    return sync.run_to_end(run)


def page_of(client, document, query=""):
    return client.get(reverse("admin:knowledge_document_change", args=[document.pk]) + query)


def test_each_file_is_answered_with_what_became_of_it(owner, files):
    source = factories.source()

    assert upload(owner, source, "a.md", b"# A").json()["result"] == "added"
    assert upload(owner, source, "a.md", b"# A").json()["result"] == "unchanged"
    assert upload(owner, source, "a.md", b"# B").json()["result"] == "changed"
    refused = upload(owner, source, "empty.md", b"")
    assert (refused.status_code, refused.json()["detail"]) == (422, "“empty.md” is empty.")
    nothing = owner.post(reverse("admin:knowledge_knowledgesource_upload", args=[source.pk]), **JSON)
    assert nothing.status_code == 422
    assert Document.objects.count() == 1


def test_after_the_sync_each_file_is_live_or_says_why_not(owner, files):
    source = factories.source()
    good = upload(owner, source, "a.md", b"# A\n\nWords.").json()["document"]
    bad = upload(owner, source, "bad.pdf", b"no pdf", "application/pdf").json()["document"]
    index(source)
    url = reverse("admin:knowledge_knowledgesource_outcomes", args=[source.pk])

    found = owner.post(url, {"documents": f"{good},{bad},nonsense"}, **JSON).json()["documents"]

    assert {name: found[name]["label"] for name in found} == {good: "Live", bad: "Failed"}
    assert "claims to be a PDF file but is none" in found[bad]["reason"]
    assert found[bad]["url"] == reverse("admin:knowledge_document_change", args=[bad])


def test_a_file_that_is_too_large_is_refused_with_a_sentence(owner, files, settings):
    settings.MAX_UPLOAD_BYTES = 1024 * 1024
    response = upload(owner, factories.source(), "big.txt", b"x" * (1024 * 1024 + 1))

    assert response.status_code == 413
    assert response.json()["detail"] == "“big.txt” is larger than 1 MB. Split it."


def test_a_source_that_lists_itself_takes_no_uploads(owner, files, tmp_path):
    source = factories.folder_source(tmp_path)

    response = upload(owner, source, "a.md", b"# A")

    assert response.status_code == 409
    overview = owner.get(reverse("admin:knowledge_knowledgesource_overview", args=[source.pk])).content.decode()
    assert "/upload/" not in overview


def test_the_list_filters_by_state_and_says_why(owner, files):
    source = factories.source()
    upload(owner, source, "good.md", b"# Good\n\nWords.")
    upload(owner, source, "bad.pdf", b"no pdf", "application/pdf")
    index(source)

    failed = owner.get(reverse(LIST) + "?state=failed").content.decode()

    assert "claims to be a PDF file but is none" in failed
    assert "good.md" not in failed
    assert "Nothing fits" in owner.get(reverse(LIST) + "?state=stale").content.decode()
    assert "Nothing fits" in owner.get(reverse(LIST) + "?q=xylophone").content.decode()


def test_a_failed_document_is_tried_again_by_a_button(owner, files):
    source = factories.source()
    upload(owner, source, "bad.pdf", b"no pdf", "application/pdf")
    index(source)
    document = Document.objects.get()

    page = page_of(owner, document).content.decode()
    url = reverse("admin:knowledge_document_retry", args=[document.pk])
    assert "claims to be a PDF" in page
    assert url in page
    assert owner.get(url).status_code == 405
    owner.post(url)

    assert IndexedDocument.objects.get().is_due
    assert SyncRun.objects.unfinished().get().trigger == "retry"


def test_one_document_is_excluded_and_included_again_on_its_page(owner):
    factories.push(factories.source(), rules="# Rules\n\nBe kind.")
    document = Document.objects.get()

    assert b"Exclude" in page_of(owner, document).content
    owner.post(reverse("admin:knowledge_document_exclude", args=[document.pk]))
    assert IndexedDocument.objects.get().state == "excluded"
    assert b"Include again" in page_of(owner, document).content
    owner.post(reverse("admin:knowledge_document_include", args=[document.pk]))
    assert IndexedDocument.objects.get().state != "excluded"


def test_a_citation_opens_the_document_at_its_passage(owner):
    source = factories.source()
    factories.push(
        source, rules="# Rules\n\n" + "\n\n".join(f"## Part {n}\n\nRule number {n}. " * 20 for n in range(20))
    )
    document, chunk = Document.objects.get(), Chunk.objects.order_by("position")[3]

    by_chunk = page_of(owner, document, f"?chunk={chunk.pk}")
    by_place = page_of(owner, document, f"?start={chunk.start}&end={chunk.end}&hash=old")

    assert by_chunk.context["passage"] == by_place.context["passage"] == (chunk.start, chunk.end)
    assert 'id="passage"' in by_chunk.content.decode()
    assert "has changed since it was cited" in by_place.content.decode()
    assert (
        "has changed since"
        not in page_of(owner, document, f"?chunk={chunk.pk}&hash={document.content_hash}").content.decode()
    )


@pytest.mark.parametrize(
    "query",
    [
        "?chunk=x",
        "?chunk=99999999999999999999",
        "?chunk=²",
        "?start=9&end=1",
        "?start=-1&end=a",
        "?start=¹&end=²",
        "?part=0",
        "?part=99",
        "?part=²",
    ],
)
def test_a_link_to_nothing_opens_the_document_all_the_same(owner, query):
    factories.push(factories.source(), a="# A\n\nWords.")

    response = page_of(owner, Document.objects.get(), query)

    assert response.status_code == 200
    assert response.context["passage"] is None


def test_titles_texts_and_metadata_from_outside_are_shown_as_text(owner):
    source = factories.source()
    factories.push(source, **{HOSTILE: f"# {HOSTILE}\n\n{HOSTILE}"})
    Document.objects.update(title=HOSTILE, url="javascript:alert(1)", metadata={HOSTILE: [HOSTILE, {"a": None}]})
    Chunk.objects.update(heading=HOSTILE)
    IndexedDocument.objects.update(failure=HOSTILE, state="stale")
    document = Document.objects.get()

    for page in (page_of(owner, document, f"?chunk={Chunk.objects.first().pk}"), owner.get(reverse(LIST))):
        text = page.content.decode()
        assert "<img src=x" not in text
        assert "<script>alert" not in text
        assert 'href="javascript:' not in text


def test_the_original_is_always_a_download(owner, files):
    source = factories.source()
    upload(owner, source, "page.html", b"<script>alert(1)</script>", "text/html")

    response = owner.get(reverse("admin:knowledge_document_original", args=[Document.objects.get().pk]))

    assert b"".join(response.streaming_content) == b"<script>alert(1)</script>"
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["Content-Disposition"] == 'attachment; filename="page.html"'


def test_a_deleted_document_can_be_found_nowhere(owner, files):
    source = factories.source()
    upload(owner, source, "a.md", b"# A\n\nWords.")
    index(source)
    document = Document.objects.get()
    url = reverse("admin:knowledge_document_delete", args=[document.pk])

    assert "1 chunk goes with it." in owner.get(url).content.decode()
    owner.post(url)

    assert not Document.objects.exists()
    assert not Chunk.objects.exists()


def test_several_are_deleted_or_tried_again_together_by_those_who_may(owner, member):
    source = factories.source()
    factories.push(source, a="# A", b="# B", c="# C")
    chosen = [str(row.pk) for row in Document.objects.order_by("remote_id")[:2]]

    refused = member("Viewer").post(reverse(LIST), {"action": "delete_chosen", "_selected_action": chosen})
    assert Document.objects.count() == 3, refused
    owner.post(reverse(LIST), {"action": "retry_selected", "_selected_action": chosen})
    assert IndexedDocument.objects.filter(is_due=True).count() == 2
    owner.post(reverse(LIST), {"action": "delete_chosen", "_selected_action": chosen})

    assert list(Document.objects.values_list("remote_id", flat=True)) == ["c"]
