"""What tests of a re-index share: a source that wants other settings, and a look at what its generations hold."""

from __future__ import annotations

from knowledge import reindex
from knowledge.models import Chunk, IndexedDocument, KnowledgeIndex, KnowledgeSource, Word
from magnet.models import AIModel
from tests import factories
from tests.fake_openai import FakeOpenAI

LONG = "# Bees\n\n" + "\n\n".join(
    f"Paragraph {n}. Bees make honey, and wax, in hive number {n}. " * 6 for n in range(9)
)


def source_that_wants_small_chunks(slug: str = "handbook", **texts: str) -> KnowledgeSource:
    """Indexed with the usual settings; then somebody asks for shorter chunks."""
    source = factories.source(slug)
    factories.push(source, **(texts or {"bees": LONG, "cows": "Cows make milk.", "hens": "Hens lay eggs."}))
    ask_for_chunks_of(source, 40)
    return source


def ask_for_chunks_of(source: KnowledgeSource, tokens: int) -> None:
    source.chunker_config = {"max_tokens": tokens}
    source.save(update_fields=["chunker_config"])


def built(source: KnowledgeSource) -> KnowledgeIndex:
    return reindex.run_to_end(reindex.start(source))


def switched(source: KnowledgeSource) -> KnowledgeIndex:
    return reindex.switch(built(source))


def chunks_of(index: KnowledgeIndex, remote_id: str = "") -> list[str]:
    rows = Chunk.objects.filter(index=index)
    if remote_id:
        rows = rows.filter(document__remote_id=remote_id)
    return list(rows.order_by("document__remote_id", "position").values_list("text", flat=True))


def states_of(index: KnowledgeIndex) -> dict[str, str]:
    rows = IndexedDocument.objects.filter(index=index)
    return dict(rows.values_list("document__remote_id", "state"))


def assert_counted_right(index: KnowledgeIndex) -> None:
    """What a generation says of itself is what it holds."""
    index.refresh_from_db()
    chunks = Chunk.objects.filter(index=index)
    assert index.chunk_count == chunks.count()
    assert index.lexeme_total == sum(chunks.values_list("lexeme_count", flat=True))
    assert not Word.objects.filter(index=index, document_frequency__lt=1).exists()
    assert Word.objects.filter(index=index).exists() == chunks.exists()


def cloud_model(server: FakeOpenAI) -> AIModel:
    """An embedding model of another provider than the built-in one."""
    return AIModel.objects.create(
        provider=factories.openai_provider(server.base_url),
        slug="cloud-embed",
        name="Cloud embed",
        model_name="embed",
        purpose="embedding",
        dimensions=64,
    )
