"""The preview beside the form of a source: a file or a document under the settings that stand in the form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings as django_settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, HttpResponseNotAllowed, JsonResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from knowledge import preview
from knowledge.admin.cutting_form import chosen_settings, cutting_fields
from knowledge.admin.reading import Mark, rendered
from knowledge.models import Document, KnowledgeSource
from knowledge.preview import Preview, PreviewedChunk, Sample, Settings
from knowledge.readers import supported_extensions
from magnet.callers import current_caller
from magnet.errors import InvalidInput, MagnetError, NotFound, TooLarge
from magnet.models import AIModel

if TYPE_CHECKING:
    from knowledge.admin.sources import KnowledgeSourceAdmin

MEGABYTE = 1024 * 1024
# Offered in the list of documents; any other is found by its title or its id.
MOST_OFFERED = 100
# Listed one by one beside the text.
MOST_LISTED = 500


class PreviewForm(forms.Form):
    """What the preview needs of the form of a source; the settings of all chunkers are added to it."""

    embedding_model = forms.ModelChoiceField(
        AIModel.objects.filter(purpose=AIModel.Purpose.EMBEDDING).select_related("provider", "fallback__provider"),
        label=gettext_lazy("Embedding model"),
    )
    preview_file = forms.FileField(required=False, allow_empty_file=True)
    preview_document = forms.CharField(required=False)


def offered(source: KnowledgeSource | None) -> dict[str, Any]:
    """What stands on the page before anything is previewed."""
    rows: Any = Document.objects.none()
    if source is not None:
        read = source.documents.visible_to(current_caller().groups).exclude(content_hash="")
        rows = read.order_by("-changed_at").values_list("remote_id", "title")
    return {
        "preview_documents": [(remote_id, title) for remote_id, title in rows[:MOST_OFFERED] if "\n" not in remote_id],
        "preview_extensions": ",".join(supported_extensions()),
    }


def preview_page(admin: KnowledgeSourceAdmin, request: HttpRequest) -> HttpResponseBase:
    """By POST of the form with a file or a document: what its settings make of it, as a piece of the page."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    source = admin.get_object(request, request.POST["preview_source"]) if request.POST.get("preview_source") else None
    is_allowed = admin.has_change_permission(request, source) if source else admin.has_add_permission(request)
    if not is_allowed:
        raise PermissionDenied
    try:
        settings, sample = _asked(request, source)
        return JsonResponse({"html": shown(preview.preview(sample, settings))})
    except MagnetError as error:
        return JsonResponse({"detail": error.detail, "code": error.code}, status=error.status)


def _asked(request: HttpRequest, source: KnowledgeSource | None) -> tuple[Settings, Sample]:
    kind = type("PreviewFormOfSource", (PreviewForm,), cutting_fields(source))
    form = kind(request.POST, request.FILES)
    form.full_clean()
    chunker, config = chosen_settings(form, source or KnowledgeSource())
    if form.errors:
        said = {str(form.fields[name].label or name): list(map(str, faults)) for name, faults in form.errors.items()
                if name in form.fields}  # fmt: skip
        raise InvalidInput.in_fields(said or {"": [str(fault) for fault in form.non_field_errors()]})
    settings = Settings(chunker, config, form.cleaned_data["embedding_model"])
    file = form.cleaned_data["preview_file"]
    return settings, _of_file(file) if file else _of_document(source, form.cleaned_data["preview_document"])


def _of_file(file: Any) -> Sample:
    if (file.size or 0) > django_settings.MAX_UPLOAD_BYTES:
        limit = django_settings.MAX_UPLOAD_BYTES // MEGABYTE
        raise TooLarge(_("“%(name)s” is larger than %(limit)d MB. Split it.") % {"name": file.name, "limit": limit})
    if not file.size:
        raise InvalidInput(_("“%(name)s” is empty.") % {"name": file.name})
    return preview.of_file(file.read(), filename=file.name, media_type=file.content_type or "")


def _of_document(source: KnowledgeSource | None, wanted: str) -> Sample:
    if source is None or not wanted:
        raise InvalidInput(_("Choose a file or a document first."))
    rows = source.documents.visible_to(current_caller().groups)
    document = rows.named(wanted).first() or rows.filter(title=wanted).first()
    if document is None:
        raise NotFound(_("This source has no document “%(name)s”.") % {"name": wanted[:200]})
    if not document.text:
        raise InvalidInput(_("“%(name)s” has not been read yet, or could not be.") % {"name": document})
    return preview.of_document(document)


def shown(found: Preview) -> str:
    marks = [Mark(chunk.start, chunk.end, label_of(chunk)) for chunk in found.chunks]
    context = {
        "found": found,
        "html": rendered(found.text, marks=marks),
        "chunks": found.chunks[:MOST_LISTED],
        "more": max(len(found.chunks) - MOST_LISTED, 0),
    }
    return render_to_string("knowledge/preview.html", context)


def label_of(chunk: PreviewedChunk) -> str:
    parts = [_("Chunk %(n)d") % {"n": chunk.number}, chunk.heading]
    if chunk.page:
        parts.append(_("page %(n)d") % {"n": chunk.page})
    parts.append(_("%(n)d tokens") % {"n": chunk.token_count})
    return " · ".join(part for part in parts if part)
