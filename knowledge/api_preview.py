"""Previews over the API: a file, a text or a stored document, cut under settings that need not be saved."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from django.http import HttpRequest
from ninja import Router

from knowledge import preview, uploads
from knowledge.api import columns_of
from knowledge.api import find as find_source
from knowledge.models import Document, KnowledgeSource
from knowledge.preview import Sample, Settings
from knowledge.schemas import SourceChanges
from knowledge.schemas_preview import Preview, PreviewOut, PreviewSettings
from knowledge.upload_requests import FILE_FIELDS, form_json, given
from magnet.api.root import json_response
from magnet.callers import current_caller
from magnet.database import in_database
from magnet.errors import InvalidInput, NotFound, UnsupportedMediaType
from magnet.models import AIModel
from magnet.web.auth import Needs

router = Router(tags=["Knowledge sources"])
WRITE = Needs("knowledge-sources:write")
WHAT = "Some settings do not fit"
REQUEST_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": Preview.model_json_schema()},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "chunker": {"type": "string"},
                        "chunker_config": {"type": "string", "description": "A JSON object."},
                        "embedding_model": {"type": "string"},
                    },
                }
            },
        },
    }
}


@router.post("/{slug}/preview", response=PreviewOut, auth=WRITE, openapi_extra=REQUEST_BODY)
async def preview_chunks(request: HttpRequest, slug: str) -> Any:
    """Show how a file, a text or one of the source's documents would be read and cut. Nothing is stored.

    Settings that are sent need not be saved; the others are the source's.
    """
    body = await asyncio.to_thread(_asked, request)
    settings, sample = await in_database(_prepare, slug, body)
    found = await asyncio.to_thread(lambda: preview.preview(sample or _read(request, body), settings))
    return json_response(PreviewOut.model_validate(found, from_attributes=True).model_dump())


def _asked(request: HttpRequest) -> PreviewSettings:
    if request.content_type == "application/json":
        return _with_a_text(given(request.body, Preview, what=WHAT))
    if request.content_type != "multipart/form-data":
        raise UnsupportedMediaType("Send a file as multipart/form-data, or a text or remote_id as application/json.")
    if not _files(request):
        raise InvalidInput("No file was sent.", errors={"file": ["Send one in the field `file`."]})
    sent = {name: request.POST[name] for name in ("chunker", "embedding_model") if request.POST.get(name)}
    config = form_json(request, "chunker_config", dict, "a JSON object")
    return given(json.dumps({**sent, "chunker_config": config}).encode(), PreviewSettings, what=WHAT)


def _with_a_text(body: Preview) -> Preview:
    if (body.text is None) == (body.remote_id is None):
        said = "Send either the remote_id of a document of this source or a text."
        raise InvalidInput(said, errors={"text": [said]})
    return body


def _files(request: HttpRequest) -> list[Any]:
    return [file for field in FILE_FIELDS for file in request.FILES.getlist(field)]


def _prepare(slug: str, body: PreviewSettings) -> tuple[Settings, Sample | None]:
    source = find_source(slug)
    settings = _settings(source, body)
    if isinstance(body, Preview) and body.remote_id is not None:
        return settings, preview.of_document(_document(source, body.remote_id))
    return settings, None


def _settings(source: KnowledgeSource, body: PreviewSettings) -> Settings:
    """As they would be after a change of the source to what was sent, refused as that would be."""
    sent = body.model_dump(include={*PreviewSettings.model_fields}, exclude_none=True)
    columns = columns_of(source, SourceChanges.model_validate(sent))
    model = columns.get("embedding_model", source.embedding_model)
    if model.purpose != AIModel.Purpose.EMBEDDING:
        said = f"“{model.name}” is not an embedding model."
        raise InvalidInput(said, errors={"embedding_model": [said]})
    loaded = AIModel.objects.select_related("provider", "fallback__provider").get(pk=model.pk)
    chunker = columns.get("chunker", source.chunker)
    return Settings(chunker, columns.get("chunker_config", source.chunker_config), loaded)


def _document(source: KnowledgeSource, remote_id: str) -> Document:
    uploads.check_remote_id(remote_id)
    document: Document | None = source.documents.named(remote_id).visible_to(current_caller().groups).first()
    if document is None:
        raise NotFound(f"“{source.name}” has no document “{remote_id[:200]}”.")
    return document


def _read(request: HttpRequest, body: PreviewSettings) -> Sample:
    if isinstance(body, Preview):
        return preview.of_text(body.text or "", title=body.title, media_type=body.media_type)
    file = _files(request)[0]
    return preview.of_file(file.read(), filename=str(file.name), media_type=file.content_type or "")
