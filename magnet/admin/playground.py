"""The playground of a prompt template: values in, two versions side by side, what they cost, and the last runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from magnet.admin.prompt_form import VARIABLE_TYPES
from magnet.models import Trace
from magnet.prompt_parts import Variable
from magnet.prompt_runs import FEATURE

MOST_VERSIONS, LAST_RUNS = 100, 10
ANY_TRACE = "00000000-0000-0000-0000-000000000000"


def context(request: HttpRequest, template: Any) -> dict[str, Any]:
    """What the page needs; the runs go over the API that callers use."""
    versions = list(template.versions.all()[:MOST_VERSIONS])
    shown = template.draft or template.live
    return {
        "identity": template,
        "versions": [{"number": version.number, "state": state_of(template, version)} for version in versions],
        "first": shown.number if shown else None,
        "second": template.live.number if template.draft and template.live else None,
        "fields": [field_of(variable) for variable in variables_of(versions)],
        "needs": {version.number: [variable.name for variable in version.declared()] for version in versions},
        "inputs": {row.name: row.values for row in template.test_inputs.all()},
        "urls": {
            "run": f"/api/prompt-templates/{template.slug}/run",
            "inputs": f"/api/prompt-templates/{template.slug}/test-inputs/",
            "trace": trace_url(request),
        },
        "runs": last_runs(request, template),
    }


def variables_of(versions: Sequence[Any]) -> list[Variable]:
    """Those of any version, each as the newest version declares it."""
    found: dict[str, Variable] = {}
    for version in versions:
        for variable in version.declared():
            found.setdefault(variable.name, variable)
    return list(found.values())


def field_of(variable: Variable) -> dict[str, Any]:
    example = variable.example if variable.default is None else variable.default
    return {
        "name": variable.name,
        "type": variable.type,
        "type_label": VARIABLE_TYPES[variable.type],
        "description": variable.description,
        "is_needed": variable.is_needed,
        "value": "\n".join(example) if isinstance(example, list) else "" if example is None else str(example),
    }


def state_of(template: Any, version: Any) -> str:
    if template.live_id == version.pk:
        return "live"
    return "draft" if template.draft_id == version.pk else ""


def trace_url(request: HttpRequest) -> str:
    """Empty for somebody who may not read traces."""
    if not request.user.has_perm("magnet.view_trace"):
        return ""
    return reverse("admin:magnet_trace_change", args=[ANY_TRACE])


def last_runs(request: HttpRequest, template: Any) -> list[Trace]:
    """Everybody's for who may read traces; others see their own, because runs hold what was asked."""
    runs = Trace.objects.filter(feature=FEATURE, slug=template.slug).order_by("-started_at")
    if not request.user.has_perm("magnet.view_trace"):
        runs = runs.filter(caller_type="user", caller_id=str(request.user.pk))
    return list(runs[:LAST_RUNS])
