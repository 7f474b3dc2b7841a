"""Files dropped into the admin: one request for each, so that each has its own progress and its own result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from knowledge import uploads
from knowledge.admin.metadata_form import form_for, metadata_in
from knowledge.admin.progress import progress_of
from knowledge.models import Document, IndexedDocument, KnowledgeSource
from knowledge.readers import supported_extensions
from knowledge.uploads import PushedDocument
from magnet.errors import InvalidInput, TooLarge

if TYPE_CHECKING:
    from knowledge.admin.sources import KnowledgeSourceAdmin

MEGABYTE = 1024 * 1024


def upload_page(page: KnowledgeSourceAdmin, request: HttpRequest, source: Any) -> HttpResponseBase:
    """The drop zone; by POST it takes one file and answers in JSON."""
    if request.method == "POST":
        return JsonResponse(take(source, request.FILES.get("file"), metadata=metadata_in(request.POST, source)))
    run = source.runs.unfinished().first()
    return page.page(
        request, source, "knowledge/source_upload.html", tab="upload", source=source, run=run,
        progress=progress_of(run) if run else None,
        extensions=supported_extensions(), max_bytes=settings.MAX_UPLOAD_BYTES,
        max_megabytes=settings.MAX_UPLOAD_BYTES // MEGABYTE, form=form_for(source),
    )  # fmt: skip


def take(source: KnowledgeSource, file: UploadedFile | None, *, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Hand a file to the source under its name.

    The same name again replaces it: who may find it stays as it was, and so does its metadata where none is given.
    """
    if file is None or not file.name:
        raise InvalidInput(_("No file arrived. Choose one, or drop it here."))
    if (file.size or 0) > settings.MAX_UPLOAD_BYTES:
        limit = settings.MAX_UPLOAD_BYTES // MEGABYTE
        raise TooLarge(_("“%(name)s” is larger than %(limit)d MB. Split it.") % {"name": file.name, "limit": limit})
    if not file.size:
        raise InvalidInput(_("“%(name)s” is empty.") % {"name": file.name})
    replaced = source.documents.named(file.name).first()
    kept_groups = replaced.groups if replaced else None
    document = PushedDocument(
        remote_id=file.name,
        body=file.read(),
        filename=file.name,
        media_type=file.content_type or "",
        metadata=metadata or (replaced.metadata if replaced else {}),
        groups=None if kept_groups is None else tuple(kept_groups),
    )
    pushed = uploads.push(source, [document], trigger="admin")
    result = "added" if pushed.added else "changed" if pushed.changed else "unchanged"
    stored = Document.objects.filter(source=source, remote_id=file.name).values_list("pk", flat=True).first()
    return {
        "name": file.name,
        "result": result,
        "run": str(pushed.run.pk) if pushed.run else None,
        "document": str(stored or ""),
    }


def outcomes(request: HttpRequest, source: Any) -> HttpResponseBase:
    """What became of uploaded files, by the ids of their documents (`documents`, separated by commas)."""
    asked = set(request.POST.get("documents", "").split(","))
    entries = IndexedDocument.objects.filter(index__source=source, index__status="live")
    rows = entries.values_list("document_id", "state", "failure")
    found = {str(pk): outcome_of(pk, state, failure) for pk, state, failure in rows.iterator() if str(pk) in asked}
    return JsonResponse({"documents": found})


def outcome_of(pk: Any, state: str, failure: str) -> dict[str, str]:
    url = reverse("admin:knowledge_document_change", args=[pk])
    return {"state": state, "label": str(IndexedDocument.State(state).label), "reason": failure, "url": url}
