"""The ask pages: for people who sign in here and ask, with or without the right to open the admin."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse, reverse_lazy
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from magnet.admin.sign_in import SignInForm
from magnet.errors import MagnetError
from magnet.models import Feedback
from magnet.web.auth import caller_for
from tools_app import loading
from tools_app.models import RagTool

SCOPE = "rag-tools:run"
# Filled in by the page's script.
ANY_ID = "00000000-0000-0000-0000-000000000000"
# Whatever a document or a model says, nothing of it can run or be fetched from elsewhere.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

View = Callable[..., HttpResponse]


def for_askers(view: View) -> View:
    """Signed in, and allowed to ask; others are told what to do, and nothing is kept in between."""

    @never_cache
    @login_required(login_url=reverse_lazy("ask_sign_in"))
    @require_safe
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        user: Any = request.user
        if not caller_for(user).may(SCOPE):
            said = _("You may not ask here yet. Ask somebody who manages people for the group Viewer.")
            return refusal(request, said, status=403)
        return view(request, *args, **kwargs)

    return guarded


@for_askers
def tools_page(request: HttpRequest) -> HttpResponse:
    tools = RagTool.objects.exclude(live=None).select_related("live").order_by("name")
    return shown(request, "tools_app/ask/tools.html", tools=tools)


@for_askers
def tool_page(request: HttpRequest, slug: str) -> HttpResponse:
    tool = RagTool.objects.select_related("live").filter(slug=slug).first()
    if tool is None:
        return refusal(request, _("There is nothing to ask at this address. The link may be incomplete."), status=404)
    if tool.live is None:
        said = _("“%(name)s” is not published yet. Ask whoever prepares it.") % {"name": tool.name}
        return refusal(request, said, status=404)
    return shown(
        request,
        "tools_app/ask/tool.html",
        tool=tool,
        version=tool.live,
        answer_url=f"/api/rag-tools/{tool.slug}/answer",
        feedback_url=f"/api/traces/{ANY_ID}/feedback",
        reasons=Feedback.Reason.choices,
        is_extractive=answers_are_quotes(slug),
        **pages_of_the_admin(request),
    )


class SignIn(LoginView):
    """The same people and passwords as in the admin; nobody needs to know that there is one."""

    template_name = "tools_app/ask/sign_in.html"
    form_class = SignInForm
    redirect_authenticated_user = True

    def get_default_redirect_url(self) -> str:
        return reverse("ask")

    def render_to_response(self, context: dict[str, Any], **settings: Any) -> HttpResponse:
        response: HttpResponse = super().render_to_response(context, **settings)
        response["Content-Security-Policy"] = POLICY
        return response


sign_in = SignIn.as_view()
sign_out = LogoutView.as_view(next_page=reverse_lazy("ask"))


def shown(request: HttpRequest, template: str, *, status: int = 200, **context: Any) -> HttpResponse:
    response = TemplateResponse(request, template, context, status=status)
    response["Content-Security-Policy"] = POLICY
    return response


def refusal(request: HttpRequest, said: str, *, status: int) -> HttpResponse:
    return shown(request, "tools_app/ask/refusal.html", status=status, said=said)


def answers_are_quotes(slug: str) -> bool:
    """Known before the first answer. What keeps the tool from answering is told when it is asked."""
    try:
        return loading.read(slug, version=None, draft=False).is_extractive
    except MagnetError:
        return False


def pages_of_the_admin(request: HttpRequest) -> dict[str, Any]:
    """The pages about a passage and an answer, for those who may open them."""
    pages = {
        "document_url": ("knowledge.view_document", "admin:knowledge_document_change"),
        "trace_url": ("magnet.view_trace", "admin:magnet_trace_change"),
    }
    user: Any = request.user
    return {
        name: reverse(page, args=[ANY_ID]) if user.is_staff and user.has_perm(permission) else ""
        for name, (permission, page) in pages.items()
    }


urlpatterns = [
    path("", tools_page, name="ask"),
    path("session/begin", sign_in, name="ask_sign_in"),
    path("session/end", sign_out, name="ask_sign_out"),
    path("<slug:slug>", tool_page, name="ask_tool"),
]
