"""The home page: what is set up, what is missing, what to do next. Each app brings its own steps and panels."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from magnet import queue, usage
from magnet.admin.naming import tools_of
from magnet.models import AIModel, ApiKey, Trace, User

LAST_QUESTIONS = 6


@dataclass(frozen=True)
class Step:
    """Something to set up; `text` says why, `action` what its link does."""

    order: int
    title: str
    text: str
    is_done: bool
    url: str
    action: str
    is_optional: bool = False


@dataclass(frozen=True)
class Notice:
    """Something that is wrong now."""

    text: str
    level: str = "warning"
    url: str = ""
    action: str = ""


@dataclass(frozen=True)
class Panel:
    """A box of the page, drawn by its own template."""

    order: int
    title: str
    template: str
    context: dict[str, Any] = field(default_factory=dict)
    url: str = ""
    link: str = ""
    # In the narrow column.
    is_aside: bool = False


_steps: list[Callable[[HttpRequest], Iterable[Step]]] = []
_notices: list[Callable[[HttpRequest], Iterable[Notice]]] = []
_panels: list[Callable[[HttpRequest], Iterable[Panel]]] = []


def brings_steps(function: Callable[[HttpRequest], Iterable[Step]]) -> Callable[[HttpRequest], Iterable[Step]]:
    _steps.append(function)
    return function


def brings_notices(function: Callable[[HttpRequest], Iterable[Notice]]) -> Callable[[HttpRequest], Iterable[Notice]]:
    _notices.append(function)
    return function


def brings_panels(function: Callable[[HttpRequest], Iterable[Panel]]) -> Callable[[HttpRequest], Iterable[Panel]]:
    _panels.append(function)
    return function


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """settings.UNFOLD["DASHBOARD_CALLBACK"]."""
    steps = sorted((step for bring in _steps for step in bring(request)), key=lambda step: step.order)
    panels = sorted((panel for bring in _panels for panel in bring(request)), key=lambda panel: panel.order)
    needed = [step for step in steps if not step.is_optional]
    done = sum(step.is_done for step in needed)
    return {
        **context,
        "title": _("Home"),
        "steps": [step for step in steps if not step.is_optional or step.is_done],
        # Neither missing nor counted: good to have, whenever it suits.
        "optional_steps": [step for step in steps if step.is_optional and not step.is_done],
        "steps_done": done,
        "steps_needed": len(needed),
        "is_set_up": done == len(needed),
        "notices": [notice for bring in _notices for notice in bring(request)],
        "panels": [panel for panel in panels if not panel.is_aside],
        "side_panels": [panel for panel in panels if panel.is_aside],
        "week": usage.totals_since(timezone.now() - timedelta(days=7)) if may_see_traces(request) else None,
        "queue": queue.state(),
    }


def may_see_traces(request: HttpRequest) -> bool:
    return bool(request.user.has_perm("magnet.view_trace"))


@brings_steps
def platform_steps(request: HttpRequest) -> Iterable[Step]:
    if request.user.has_perm("magnet.add_provider"):
        yield model_step()
    if request.user.has_perm("magnet.add_apikey"):
        yield Step(
            order=80,
            title=_("Let other systems ask"),
            text=_("An API key opens your tools to a website, a help desk or a script."),
            is_done=ApiKey.objects.filter(revoked_at=None).exists(),
            url=reverse("admin:magnet_apikey_add"),
            action=_("Create an API key"),
            is_optional=True,
        )
    if request.user.has_perm("magnet.add_user"):
        yield Step(
            order=90,
            title=_("Invite your colleagues"),
            text=_("Each gets a link to choose a password, and the rights of a group."),
            is_done=User.objects.filter(is_active=True).count() > 1,
            url=reverse("admin:magnet_user_add"),
            action=_("Invite somebody"),
            is_optional=True,
        )


def model_step() -> Step:
    chat = AIModel.objects.for_use().filter(purpose="chat", is_default=True).first()
    is_generating = chat is not None and chat.provider.kind != "local"
    text = _("Answers are written by %(model)s.") % {"model": chat} if is_generating else ""
    return Step(
        order=20,
        title=_("Connect a language model"),
        text=text or _("Without one, answers quote the passages that fit best, word for word."),
        is_done=is_generating,
        url=reverse("admin:magnet_provider_changelist" if is_generating else "admin:magnet_provider_add"),
        action=_("See providers") if is_generating else _("Add a provider"),
        is_optional=True,
    )


@brings_notices
def worker_notices(request: HttpRequest) -> Iterable[Notice]:
    for cluster in queue.state().clusters:
        if not cluster.is_alive:
            yield Notice(
                _("The “%(name)s” worker is not running: syncs and uploads wait. Start it with “manage.py work”.")
                % {"name": cluster.name},
                level="danger",
            )
        elif cluster.lag_seconds > 60:
            yield Notice(
                _("Work on “%(name)s” waits for %(minutes)d minutes. Start another worker if this goes on.")
                % {"name": cluster.name, "minutes": cluster.lag_seconds // 60}
            )


@brings_panels
def questions_panel(request: HttpRequest) -> Iterable[Panel]:
    if may_see_traces(request):
        questions: list[Any] = list(
            Trace.objects.filter(usage.QUESTIONS)
            .exclude(summary="")
            .only("id", "summary", "feature", "slug", "started_at", "status", "duration_ms", "cost")[:LAST_QUESTIONS]
        )
        called = tools_of(questions)
        for question in questions:
            question.tool_name = called[question.feature, question.slug]
        yield Panel(
            order=10,
            title=_("Last questions"),
            template="magnet/home_questions.html",
            context={"traces": questions},
            url=reverse("admin:magnet_trace_changelist"),
            link=_("All traces"),
        )
