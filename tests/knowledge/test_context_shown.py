"""Lines of context are shown where chunks are looked at, and marked: a model wrote them, no document says them."""

import pytest
from django.urls import reverse

from knowledge import preview
from knowledge.models import Chunk
from tests import factories

pytestmark = pytest.mark.django_db
LINE = "Zoo rules about cows <b>for</b> visitors"


@pytest.fixture
def chunk():
    source = factories.source()
    factories.push(source, cows="# Cows\n\nThey make milk.")
    chunk = Chunk.objects.select_related("document", "index__embedding_model__provider").get(index__source=source)
    Chunk.objects.filter(pk=chunk.pk).update(context=LINE)
    return chunk


def test_the_page_of_a_document_shows_the_line_of_the_chosen_chunk_as_written_by_a_model(owner, chunk):
    url = reverse("admin:knowledge_document_change", args=[chunk.document_id])

    page = owner.get(f"{url}?chunk={chunk.pk}").content.decode()

    assert "written by a model" in page
    assert "Zoo rules about cows &lt;b&gt;for&lt;/b&gt; visitors" in page
    assert "It is no part of the text" in page


def test_a_preview_shows_the_lines_that_serve_beside_the_chunks_they_belong_to(chunk):
    index = chunk.index
    settings = preview.Settings(index.chunker, index.chunker_config, index.embedding_model)

    (same,) = preview.preview(preview.of_document(chunk.document), settings).chunks
    (other,) = preview.preview(preview.of_text("# Cows\n\nThey make milk."), settings).chunks

    assert (same.context, other.context) == (LINE, "")
    assert LINE not in same.text
