"""What tools bring to the home page."""

from __future__ import annotations

from collections.abc import Iterable

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from magnet.admin.home import Step, brings_steps
from magnet.models import Trace
from tools_app.models import RagTool


@brings_steps
def tool_steps(request: HttpRequest) -> Iterable[Step]:
    tool = RagTool.objects.order_by("pk").first()
    page = reverse("admin:tools_app_ragtool_change", args=[tool.pk]) if tool else ""
    if request.user.has_perm("tools_app.add_ragtool"):
        yield Step(
            order=30,
            title=_("Make a tool that answers"),
            text=_("“%(name)s” answers questions.") % {"name": tool.name}
            if tool
            else _("It needs a name and a source; everything else has a good default."),
            is_done=tool is not None,
            url=reverse("admin:tools_app_ragtool_changelist" if tool else "admin:tools_app_ragtool_add"),
            action=_("See tools") if tool else _("Add a RAG tool"),
        )
    if request.user.has_perm("tools_app.view_ragtool"):
        yield Step(
            order=40,
            title=_("Ask a question"),
            text=_("Try it, click a citation, and see the passage in its document."),
            is_done=Trace.objects.filter(feature="rag_tool").exists(),
            url=page or reverse("admin:tools_app_ragtool_changelist"),
            action=_("Try it"),
        )
