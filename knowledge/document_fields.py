"""What filters see of documents: their typed metadata in the ledger of each generation, under its own mapping."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db import connection
from psycopg.types.json import Jsonb

from knowledge.metadata_fields import mapping_of, typed
from knowledge.models import Document, IndexedDocument, KnowledgeIndex

# Most documents that changed still say the same here, and a row that is not written costs nothing.
REWRITE = """
update knowledge_indexeddocument e set fields = n.fields
from unnest(%(documents)s::uuid[], %(fields)s::jsonb[]) n (document_id, fields)
where e.index_id = %(index)s and e.document_id = n.document_id and e.fields <> n.fields
"""


def entries(generations: Iterable[KnowledgeIndex], documents: Sequence[Document]) -> list[IndexedDocument]:
    """New rows of the ledger (not saved) for these documents in each of the generations."""
    return [
        IndexedDocument(index=index, document=document, fields=typed(document.metadata, mapping).fields)
        for index in generations
        for mapping in [mapping_of(index.metadata_fields)]
        for document in documents
    ]


def follow(documents: Sequence[Document]) -> None:
    """Filters see the present metadata of these documents of one source, also in generations that may serve again."""
    if not documents:
        return
    ids = [document.pk for document in documents]
    with connection.cursor() as cursor:
        for index in KnowledgeIndex.objects.filter(source=documents[0].source_id).only("metadata_fields"):
            mapping = mapping_of(index.metadata_fields)
            fields = [Jsonb(typed(document.metadata, mapping).fields) for document in documents]
            cursor.execute(REWRITE, {"index": index.pk, "documents": ids, "fields": fields})
