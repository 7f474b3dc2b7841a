"""Knowledge sources over the API: configure them, sync them, search in them."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from ninja import Query, Router

from knowledge import known_fields, ledger, retrieval, sync
from knowledge.api_runs import show_run
from knowledge.chunkers import CHUNKERS
from knowledge.connectors import CONNECTORS
from knowledge.filter_language import OWN_FIELDS
from knowledge.models import KnowledgeSource
from knowledge.retrieval import Passage
from knowledge.schemas import (
    FieldOut,
    FieldsOut,
    FoundOut,
    NewSource,
    RunOut,
    Search,
    SourceChanges,
    SourceDetail,
    SourceOut,
)
from magnet import configuration
from magnet.api.listing import Listing, Page, page
from magnet.api.root import json_response
from magnet.database import in_database
from magnet.errors import InvalidInput
from magnet.models import AIModel
from magnet.tracing import trace
from magnet.web.auth import Needs

router = Router(tags=["Knowledge sources"])
READ, WRITE, RUN = (Needs(f"knowledge-sources:{verb}") for verb in ("read", "write", "run"))
RELATED = ("tags", "has_secrets", "embedding_model", "context_model")
COLUMNS = tuple(name for name in SourceOut.model_fields if name not in RELATED)


@router.get("", response=Page[SourceOut], auth=READ)
async def list_knowledge_sources(request: HttpRequest, listing: Query[Listing]) -> Any:
    """List the knowledge sources."""
    search_in = ("name", "slug", "description")
    order_by = ("name", "slug", "connector", "created_at", "updated_at", "next_sync_at")
    return await in_database(partial(page, rows(), listing, show=show, search_in=search_in, order_by=order_by))


@router.post("", response={201: SourceDetail}, auth=WRITE)
async def create_knowledge_source(request: HttpRequest, response: HttpResponse, body: NewSource) -> Any:
    """Add a knowledge source. Its connector is fixed afterwards."""
    created = await in_database(_create, body)
    response["Location"] = f"/api/knowledge-sources/{created.slug}"
    return created


@router.get("/{slug}", response=SourceDetail, auth=READ)
async def get_knowledge_source(request: HttpRequest, slug: str) -> Any:
    """Show a knowledge source, with the number of its documents by state."""
    return await in_database(lambda: detail(find(slug)))


@router.patch("/{slug}", response=SourceDetail, auth=WRITE)
async def change_knowledge_source(request: HttpRequest, slug: str, body: SourceChanges) -> Any:
    """Change a knowledge source. Another embedding model, chunker or language takes a re-index."""
    return await in_database(_change, slug, body)


@router.delete("/{slug}", response={204: None}, auth=WRITE)
async def delete_knowledge_source(request: HttpRequest, slug: str) -> Any:
    """Remove a knowledge source with all its documents; 409 names the tools that use it."""
    await in_database(lambda: ledger.delete_source(find(slug)))


@router.post("/{slug}/sync", response={202: RunOut}, auth=WRITE)
async def sync_knowledge_source(request: HttpRequest, response: HttpResponse, slug: str) -> Any:
    """Start a sync, or name the one that is running. Poll the Location until it is finished."""
    run = await in_database(_start_sync, slug)
    response["Location"] = f"/api/sync-runs/{run.id}"
    return run


@router.get("/{slug}/fields", response=FieldsOut, auth=READ)
async def list_fields(request: HttpRequest, slug: str) -> Any:
    """The fields that a filter over this source may name, with their types and frequent values."""
    return await in_database(_fields_for_filters, slug)


@router.post("/{slug}/search", response=FoundOut, auth=RUN)
async def search_knowledge_source(request: HttpRequest, slug: str, body: Search) -> HttpResponse:
    """Find the passages that fit a query best."""
    with trace(feature="search", slug=slug, summary=body.query, channel="api"):
        found = await retrieval.search(
            body.query,
            sources=[slug],
            limit=body.limit,
            mode=body.mode,
            filter=body.filter,
            minimum_score=body.minimum_score,
        )
    passages = [show_passage(passage) for passage in found.passages]
    return json_response({"passages": passages, "documents_in_scope": found.documents_in_scope})


def rows() -> Any:
    sources: Any = KnowledgeSource.objects
    return sources.select_related("embedding_model", "context_model__provider").prefetch_related("tags")


def find(slug: str) -> KnowledgeSource:
    source: KnowledgeSource = configuration.find(rows(), slug)
    return source


def show(source: KnowledgeSource) -> SourceOut:
    return SourceOut(**_fields(source))


def detail(source: KnowledgeSource) -> SourceDetail:
    index = source.live_index or source.indexes.first()
    counts = ledger.count_states(index) if index else {}
    return SourceDetail(
        **_fields(source),
        documents=counts,
        chunk_count=index.chunk_count if index else 0,
        needs_reindex=bool(index and index.ledger.exists() and ledger.wants_another(source, index)),
    )


def _fields(source: KnowledgeSource) -> dict[str, Any]:
    return {
        **{name: getattr(source, name) for name in COLUMNS},
        "tags": sorted(tag.name for tag in source.tags.all()),
        "has_secrets": bool(source.encrypted_secrets),
        "embedding_model": source.embedding_model.slug,
        "context_model": source.context_model.slug if source.context_model else None,
    }


def _fields_for_filters(slug: str) -> FieldsOut:
    fields = known_fields.describe_fields([slug])
    shown = [FieldOut(name=field.name, type=field.type, examples=list(field.examples)) for field in fields]
    return FieldsOut(fields=shown, of_documents=list(OWN_FIELDS))


def show_passage(passage: Passage) -> dict[str, Any]:
    return {
        "document": {
            "id": passage.document_id,
            "remote_id": passage.remote_id,
            "title": passage.title,
            "url": passage.url,
        },
        "source": passage.source,
        "text": passage.text,
        "heading": passage.heading,
        "page": passage.page,
        "first_page": passage.pages.first if passage.pages else None,
        "last_page": passage.pages.last if passage.pages else None,
        "start": passage.start,
        "end": passage.end,
        "score": passage.score,
        "semantic_score": passage.semantic_score,
        "word_score": passage.word_score,
    }


# -- Writing -------------------------------------------------------------------------------------------------------


@transaction.atomic
def _create(body: NewSource) -> SourceDetail:
    if body.connector not in CONNECTORS:
        raise InvalidInput("There is no such connector.", errors={"connector": [f"Use {', '.join(CONNECTORS)}."]})
    if body.config is None:
        body = body.model_copy(update={"config": {}})
    slug = configuration.free_slug(KnowledgeSource, body.slug, name=body.name)
    source = KnowledgeSource(connector=body.connector, slug=slug)
    for name, value in columns_of(source, body).items():
        setattr(source, name, value)
    if body.embedding_model is None:
        source.embedding_model = AIModel.objects.default_for("embedding")
    return detail(configuration.create(source, tags=body.tags or (), prepare=KnowledgeSource.plan_next_sync))


def _change(slug: str, body: SourceChanges) -> SourceDetail:
    source = find(slug)
    changes = columns_of(source, body)
    moves = {"schedule", "cron", "time_zone"} & set(changes)
    plan = KnowledgeSource.plan_next_sync if moves else None
    return detail(configuration.change(source, changes, tags=body.tags, prepare=plan))


def columns_of(source: KnowledgeSource, body: SourceChanges) -> dict[str, Any]:
    """What was sent as columns of the source, checked by its connector and chunker."""
    columns = body.sent(without=("slug", "connector", "secrets", "tags", "embedding_model", "context_model"))
    kind = source.connector_class
    if body.metadata_fields is not None:
        columns["metadata_fields"] = [field.as_json() for field in body.metadata_fields]
    elif "metadata_fields" in columns:
        columns["metadata_fields"] = []
    if body.config is not None:
        configuration.prove(kind.Config, body.config, field="config")
        if source.leads_elsewhere(body.config):
            columns["encrypted_secrets"] = ""
    if body.secrets is not None:
        configuration.prove(kind.Secrets, body.secrets, field="secrets")
        source.set_secrets(body.secrets)
        columns["encrypted_secrets"] = source.encrypted_secrets
    chunker = CHUNKERS.get(columns.get("chunker", source.chunker))
    if chunker is None:
        raise InvalidInput("There is no such chunker.", errors={"chunker": [f"Use {', '.join(CHUNKERS)}."]})
    if body.chunker_config is None and columns.get("chunker", source.chunker) != source.chunker:
        # The settings of another kind are none of this one.
        columns["chunker_config"] = {}
    configuration.prove(chunker.Config, body.chunker_config or {}, field="chunker_config")
    if body.embedding_model is not None:
        columns["embedding_model"] = configuration.named(AIModel, body.embedding_model, field="embedding_model")
    if "context_model" in body.model_fields_set:
        slug = body.context_model
        columns["context_model"] = configuration.named(AIModel, slug, field="context_model") if slug else None
    return columns


def _start_sync(slug: str) -> RunOut:
    return show_run(sync.start(find(slug), trigger="api"))
