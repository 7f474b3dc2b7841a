"""Moving configuration in the admin: a file of what people chose, and a file taken in after a look at its plan."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import FieldDoesNotExist, PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from magnet import transfer
from magnet.errors import Conflict, InvalidInput, MagnetError

BADGES = {
    "create": ("pending", _("New")),
    "change": ("changed", _("Changed")),
    "unchanged": ("same", _("Unchanged")),
    "missing": ("failed", _("Something is missing")),
    "refused": ("failed", _("Does not fit")),
}
STATES = {"live": _("Live"), "draft": _("Draft")}


def export_one(request: HttpRequest, obj: Any) -> HttpResponseBase:
    """The file of one object with everything that it depends on."""
    return _download(obj, [obj], name=obj.slug)


def export_selected(page: Any, request: HttpRequest, queryset: Any) -> HttpResponseBase | None:
    """The action of a list; a refusal is told above it."""
    try:
        return _download(queryset.model, list(queryset), name=str(page.opts.model_name))
    except MagnetError as error:
        messages.error(request, error.detail)
        return None


def _download(of: Any, rows: list[Any], *, name: str) -> HttpResponse:
    model = of if isinstance(of, type) else type(of)
    kind = next(kind for kind in transfer.KINDS.values() if kind.model is model)
    document = transfer.export([transfer.Reference(kind.name, row.slug) for row in rows])
    response = HttpResponse(document, content_type="application/yaml; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="magnet-{name}.yaml"'
    return response


# -- Taking in -----------------------------------------------------------------------------------------------------


def move_page(request: HttpRequest) -> HttpResponseBase:
    """Read a file, see what it would change, apply it; nothing is kept between these steps but the text itself."""
    if not request.user.has_perm("magnet.view_provider"):
        raise PermissionDenied
    context: dict[str, Any] = {"publish": "publish" in request.POST, "document": ""}
    if request.method == "POST":
        try:
            context["document"] = document = _given(request)
            if "apply" in request.POST and (done := _applied(request, document, publish=context["publish"])):
                return done
            plan = transfer.plan(transfer.read(document), publish=context["publish"])
            context |= {"plan": plan, "rows": [(step, *BADGES[step.state], _changes(step)) for step in plan.steps]}
        except MagnetError as error:
            messages.error(request, error.detail)
    request.current_app = admin.site.name  # type: ignore[attr-defined]  # as Django's own admin views do
    shown = {**admin.site.each_context(request), "title": _("Move configuration"), **context}
    return TemplateResponse(request, "magnet/move.html", shown)


def _changes(step: transfer.Step) -> list[tuple[str, str, str]]:
    """Each field as its form calls it, with what it is and what it would be; those of something new say nothing."""
    if step.state != "change":
        return []
    kind = transfer.KINDS[step.reference.kind]
    return [(_label(kind, change.field), change.before, change.after) for change in step.changes]


def _label(kind: transfer.Kind, field: str) -> str:
    """Such as “Draft: number of passages” for draft.passage_count."""
    state, _dot, name = field.rpartition(".")
    model = kind.model if not state else kind.model.version_model()  # type: ignore[attr-defined]  # they are Versioned
    try:
        label = str(getattr(model._meta.get_field(name), "verbose_name", name))
    except FieldDoesNotExist:
        label = name.replace("_", " ")
    return capfirst(f"{STATES[state]}: {label}" if state in STATES else label)


def _given(request: HttpRequest) -> str:
    file: Any = request.FILES.get("file")
    if file is None:
        if text := request.POST.get("document", "").strip():
            return text
        raise InvalidInput(_("Choose a file, or paste its text."))
    try:
        return str(file.read(transfer.MAX_BYTES + 1).decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InvalidInput(_("The file is not UTF-8 text, so it is no exported configuration.")) from error


def _applied(request: HttpRequest, document: str, *, publish: bool) -> HttpResponseBase | None:
    """None where it cannot be done as it was looked at: then the plan is shown as it is now."""
    try:
        plan = transfer.apply(transfer.read(document), publish=publish, seen=request.POST.get("seen", ""))
    except Conflict as error:
        messages.error(request, error.detail)
        return None
    counts = plan.counts
    messages.success(
        request,
        _("Imported: %(create)d new, %(change)d changed, %(unchanged)d unchanged.") % counts,
    )
    for sentence in plan.to_do:
        messages.warning(request, sentence)
    return HttpResponseRedirect(reverse("admin:move"))
