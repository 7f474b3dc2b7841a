"""What knowledge brings to the home page."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from knowledge import health, vector_lag
from knowledge.models import IndexedDocument, KnowledgeSource, SyncRun
from magnet.admin.home import Notice, Panel, Step, brings_notices, brings_panels, brings_steps

LAST_RUNS = 5
MOST_ILL = 5
# Copies of vectors follow within seconds; nobody need hear of that.
SOME_SECONDS = 60


@brings_steps
def knowledge_steps(request: HttpRequest) -> Iterable[Step]:
    if not request.user.has_perm("knowledge.add_knowledgesource"):
        return
    live = IndexedDocument.objects.filter(state=IndexedDocument.State.LIVE, index__status="live").count()
    yield Step(
        order=10,
        title=_("Bring in your documents"),
        text=ngettext("%(n)s document can be found.", "%(n)s documents can be found.", live) % {"n": f"{live:,}"}
        if live
        else _("Upload files, or connect a folder or a website."),
        is_done=live > 0,
        url=reverse("admin:knowledge_knowledgesource_changelist" if live else "admin:knowledge_knowledgesource_add"),
        action=_("See sources") if live else _("Add a source"),
    )


@brings_notices
def waiting_notices(request: HttpRequest) -> Iterable[Notice]:
    if not request.user.has_perm("knowledge.view_syncrun"):
        return
    for run in SyncRun.objects.filter(status=SyncRun.Status.WAITING).select_related("source")[:5]:
        yield Notice(
            _("“%(name)s” waits for you. %(question)s") % {"name": run.source.name, "question": run.question},
            url=reverse("admin:knowledge_knowledgesource_overview", args=[run.source_id]),
            action=_("Decide"),
        )
    failed = IndexedDocument.objects.filter(state=IndexedDocument.State.FAILED, index__status="live").count()
    if failed:
        text = ngettext("%(n)s document could not be read.", "%(n)s documents could not be read.", failed)
        yield Notice(
            text % {"n": f"{failed:,}"},
            url=f"{reverse('admin:knowledge_document_changelist')}?state=failed",
            action=_("See why"),
        )


@brings_notices
def ill_notices(request: HttpRequest) -> Iterable[Notice]:
    if not request.user.has_perm("knowledge.view_syncrun"):
        return
    for source, judged in islice(health.ill_sources(), MOST_ILL):
        yield Notice(
            _("“%(name)s”: %(why)s") % {"name": source.name, "why": judged.why},
            level="danger",
            url=reverse("admin:knowledge_knowledgesource_overview", args=[source.pk]),
            action=_("Look at it"),
        )


@brings_notices
def vector_store_notices(request: HttpRequest) -> Iterable[Notice]:
    if not request.user.has_perm("knowledge.view_syncrun"):
        return
    behind = vector_lag.lag()
    if behind and behind.seconds > SOME_SECONDS:
        level = "danger" if behind.stands_still else "warning"
        yield Notice(str(behind), level=level)


@brings_panels
def runs_panel(request: HttpRequest) -> Iterable[Panel]:
    if request.user.has_perm("knowledge.view_syncrun") and KnowledgeSource.objects.exists():
        yield Panel(
            order=20,
            title=_("Last syncs"),
            template="knowledge/home_runs.html",
            context={"runs": SyncRun.objects.select_related("source")[:LAST_RUNS]},
            url=reverse("admin:knowledge_syncrun_changelist"),
            link=_("All"),
            is_aside=True,
        )
