"""The import of an OpenAPI document, step by step: read it, choose operations, see what would change, apply."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.utils.translation import gettext as _

from magnet.cleaning import storable
from magnet.errors import Conflict, InvalidInput, MagnetError
from magnet.event_loop import run_from_sync
from tools_app import api_imports, openapi
from tools_app.models import ApiDocument, ApiServer, ApiTool

if TYPE_CHECKING:
    from tools_app.admin.api_servers import ApiServerAdmin

BADGES = {
    "new": ("pending", _("New")),
    "offered": ("neutral", _("Not a tool")),
    "changed": ("changed", _("Changed")),
    "unchanged": ("same", _("Unchanged")),
    "gone": ("stale", _("Gone")),
    "refused": ("failed", _("Cannot be called")),
}


def import_page(page: ApiServerAdmin, request: HttpRequest, server: ApiServer) -> HttpResponseBase:
    """Reading and choosing; by POST it takes a document, or the choice from the one that was read."""
    if request.method == "POST":
        return chosen(page, request, server) if "operations" in request.POST else taken(page, request, server)
    document = ApiDocument.objects.filter(server=server).first()
    context: dict[str, Any] = {"server": server, "document": document}
    if document is not None:
        content = document.content
        plan = api_imports.plan(server, content, chosen=(), url=document.url)
        ticked = set(document.chosen or ())
        context |= {
            "plan": plan,
            "rows": [(step, *BADGES[step.state], step.operation in ticked) for step in plan.steps],
            "title_of_document": openapi.title_of(content),
        }
    return page.page(request, server, "tools_app/api_import.html", tab="import", **context)


def taken(page: ApiServerAdmin, request: HttpRequest, server: ApiServer) -> HttpResponseBase:
    """A file, a text or an address, whichever was given; refused in a sentence where the person stands."""
    file, text = request.FILES.get("file"), request.POST.get("text", "").strip()
    url = request.POST.get("url", "").strip()
    try:
        if file is not None:
            api_imports.keep(server, file.read(openapi.MAX_DOCUMENT_BYTES + 1))
        elif text:
            api_imports.keep(server, text.encode("utf-8", "replace"))
        elif url:
            run_from_sync(api_imports.fetch_and_keep(server, url))
        else:
            raise InvalidInput(_("Choose a file, paste the document, or enter its address."))
    except MagnetError as error:
        messages.error(request, error.detail)
    return HttpResponseRedirect(page.url_of(server, "import"))


def chosen(page: ApiServerAdmin, request: HttpRequest, server: ApiServer) -> HttpResponseBase:
    """The ids come in one field, one on each line: thousands of fields would be refused."""
    wanted = str(storable(request.POST["operations"])).split("\n")
    names = list(dict.fromkeys(name for line in wanted if (name := line.strip())))
    ApiDocument.objects.filter(server=server).update(chosen=names[: api_imports.MOST_CHOSEN])
    return HttpResponseRedirect(page.url_of(server, "review"))


def review_page(page: ApiServerAdmin, request: HttpRequest, server: ApiServer) -> HttpResponseBase:
    """What the import would do; by POST it does it."""
    document = ApiDocument.objects.filter(server=server).first()
    if document is None:
        raise InvalidInput(_("Read a document first, under “Import”."))
    choice: dict[str, Any] = {"chosen": document.chosen or (), "url": document.url}
    if request.method == "POST":
        return applied(page, request, document, **choice)
    plan = api_imports.plan(server, document.content, **choice)
    shown = [step for step in plan.steps if step.state in ("new", "changed", "gone") or step.kept]
    refused = [step for step in plan.steps if step.state == "refused" and step.operation in set(document.chosen or ())]
    return page.page(
        request, server, "tools_app/api_review.html", tab="import", server=server,
        plan=plan, summary=in_words(plan), has_something=any(step.state in api_imports.COUNTED for step in shown),
        rows=[(step, *BADGES[step.state], [labelled(change) for change in step.fields], [label(n) for n in step.kept])
              for step in [*shown, *refused]],
    )  # fmt: skip


def applied(page: ApiServerAdmin, request: HttpRequest, document: ApiDocument, **choice: Any) -> HttpResponseBase:
    """What was looked at, or the look once more where somebody has changed something since."""
    try:
        seen = request.POST.get("seen", "")
        plan = api_imports.apply(document.server, document.content, **choice, seen=seen)
    except Conflict as error:
        messages.error(request, error.detail)
        return HttpResponseRedirect(page.url_of(document.server, "review"))
    messages.success(request, in_words(plan))
    return HttpResponseRedirect(page.url_of(document.server, "tools"))


def in_words(plan: api_imports.Plan) -> str:
    counts = {state: plan.count(state) for state in api_imports.STATES}
    return _("%(new)d new, %(changed)d changed, %(unchanged)d unchanged, %(gone)d gone.") % counts


def labelled(change: api_imports.FieldChange) -> tuple[str, str, str]:
    return label(change.field), change.before, change.after


def label(name: str) -> str:
    return str(ApiTool._meta.get_field(name).verbose_name)  # type: ignore[union-attr]  # all of them are columns
