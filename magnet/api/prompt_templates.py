"""Prompt templates over the API: created live, changed in a draft, published and undone, and run."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from ninja import Query, Router

from magnet import configuration, prompt_runs, prompts
from magnet.api import versioned
from magnet.api.listing import Listing, Page, page
from magnet.api.prompt_schemas import (
    STREAM,
    NewPromptTemplate,
    PromptReplyOut,
    PromptRun,
    PromptTemplateChanges,
    PromptTemplateOut,
    PromptTemplateSettings,
    TestInputOut,
    TestInputValues,
)
from magnet.api.root import json_response
from magnet.api.schemas import PublicationOut, Publish, VersionOut
from magnet.database import in_database
from magnet.models import AIModel, AuditEntry, PromptTemplate, PromptTemplateVersion, PromptTestInput
from magnet.prompt_parts import values_for
from magnet.web.auth import Needs
from magnet.web.prompt_events import events
from magnet.web.streaming import event_stream, wants_stream

router = Router(tags=["Prompt templates"])
READ, WRITE, PUBLISH, RUN = (Needs(f"prompt-templates:{verb}") for verb in ("read", "write", "publish", "run"))
IDENTITY = ("category", "notes")

Shown = PromptTemplateOut
ShownVersion = VersionOut[PromptTemplateSettings]


@router.post("/{slug}/run", response=PromptReplyOut, auth=RUN, openapi_extra=STREAM)
async def run_prompt_template(request: HttpRequest, slug: str, body: PromptRun) -> HttpResponseBase:
    """Fill in the variables and ask the model; streamed when asked with Accept: text/event-stream."""
    prompt = await prompts.load(slug, version=body.version)
    await versioned.refuse_draft(PromptTemplate, slug, body.version, scopes="prompt-templates")
    # Before the first event: afterwards it is too late for a status.
    values_for(prompt.variables, body.variables)
    model = await prompt_runs.model_for(prompt, wanted=await in_database(_model, body.ai_model))
    if wants_stream(request):
        return event_stream(events(prompt, body.variables, model=model), instance=request.path)
    return json_response(prompt_runs.as_json(await prompt_runs.run(prompt, body.variables, model=model)))


@router.get("/{slug}/test-inputs", response=list[TestInputOut], auth=READ)
async def list_test_inputs(request: HttpRequest, slug: str) -> Any:
    """List the values that are kept to try each new version with."""
    return await in_database(lambda: list(find(slug).test_inputs.values("name", "values")))


@router.put("/{slug}/test-inputs/{path:name}", response=TestInputOut, auth=WRITE)
async def keep_test_input(request: HttpRequest, slug: str, name: str, body: TestInputValues) -> Any:
    """Keep values under a name, in place of those that it had."""
    return await in_database(_keep_test_input, slug, name, body.values)


@router.delete("/{slug}/test-inputs/{path:name}", response={204: None}, auth=WRITE)
async def delete_test_input(request: HttpRequest, slug: str, name: str) -> Any:
    """Forget a test input."""
    await in_database(lambda: find(slug).test_inputs.filter(name=name).delete())


@router.get("", response=Page[Shown], auth=READ)
async def list_prompt_templates(request: HttpRequest, listing: Query[Listing]) -> Any:
    """List the prompt templates."""
    search_in = ("name", "slug", "description", "category")
    order_by = ("name", "slug", "category", "created_at", "updated_at")
    return await in_database(partial(page, rows(), listing, show=show, search_in=search_in, order_by=order_by))


@router.post("", response={201: Shown}, auth=WRITE)
async def create_prompt_template(request: HttpRequest, response: HttpResponse, body: NewPromptTemplate) -> Any:
    """Add a prompt template; its version 1 is live at once."""
    created = await in_database(_create, body)
    response["Location"] = f"/api/prompt-templates/{created['slug']}"
    versioned.note_revision(response, created)
    return created


@router.get("/{slug}", response=Shown, auth=READ)
async def get_prompt_template(request: HttpRequest, response: HttpResponse, slug: str) -> Any:
    """Show a prompt template: what is live, and the draft."""
    shown = await in_database(lambda: show(find(slug)))
    versioned.note_revision(response, shown)
    return shown


@router.patch("/{slug}", response=Shown, auth=WRITE)
async def change_prompt_template(
    request: HttpRequest, response: HttpResponse, slug: str, body: PromptTemplateChanges
) -> Any:
    """Change the draft. Callers get the live version until you publish."""
    shown = await in_database(_change, slug, body, versioned.revision_seen(request, body.revision))
    versioned.note_revision(response, shown)
    return shown


@router.delete("/{slug}", response={204: None}, auth=WRITE)
async def delete_prompt_template(request: HttpRequest, slug: str) -> Any:
    """Remove a prompt template that nothing uses."""
    await in_database(lambda: configuration.remove(find(slug)))


@router.post("/{slug}/publish", response=PublicationOut, auth=PUBLISH)
async def publish_prompt_template(request: HttpRequest, slug: str, body: Publish | None = None) -> Any:
    """Make the draft, or an earlier version, what callers get."""
    return await in_database(lambda: versioned.publish(find(slug), body or Publish()))


@router.post("/{slug}/undo", response=PublicationOut, auth=PUBLISH)
async def undo_prompt_template(request: HttpRequest, slug: str) -> Any:
    """Take the last publication back."""
    return await in_database(lambda: versioned.undo(find(slug)))


@router.get("/{slug}/versions", response=Page[ShownVersion], auth=READ)
async def list_prompt_template_versions(request: HttpRequest, slug: str, listing: Query[Listing]) -> Any:
    """List the versions, newest first."""
    return await in_database(_versions, slug, listing)


@router.get("/{slug}/versions/{number}", response=ShownVersion, auth=READ)
async def get_prompt_template_version(request: HttpRequest, slug: str, number: int) -> Any:
    """Show one version."""
    return await in_database(lambda: show_version(versioned.numbered(find(slug), number)))


def rows() -> Any:
    related = ("live__ai_model", "draft__ai_model")
    return PromptTemplate.objects.select_related("live", "draft", *related).prefetch_related("tags")


def find(slug: str) -> PromptTemplate:
    row: PromptTemplate = configuration.find(rows(), slug)
    return row


def show(row: PromptTemplate) -> dict[str, Any]:
    return {**versioned.show(row, settings=show_settings), "category": row.category, "notes": row.notes}


def show_version(version: Any) -> dict[str, Any]:
    return versioned.show_version(version, settings=show_settings)


def show_settings(version: PromptTemplateVersion) -> PromptTemplateSettings:
    model = version.ai_model.slug if version.ai_model else None
    return PromptTemplateSettings(**{**version.settings(), "ai_model": model, "variables": version.declared()})


def _given(body: PromptTemplateChanges) -> dict[str, Any]:
    settings = body.sent(without=(*versioned.NOT_SETTINGS, *IDENTITY))
    for name in ("variables", "examples"):
        if name in settings:
            settings[name] = [each.model_dump(exclude_defaults=True) for each in settings[name] or ()]
    # Nothing is how callers empty a list.
    settings |= {"stop": settings["stop"] or []} if "stop" in settings else {}
    if "ai_model" in settings:
        settings["ai_model"] = configuration.named(AIModel, body.ai_model, field="ai_model")
    return settings


def _create(body: NewPromptTemplate) -> dict[str, Any]:
    row = versioned.create(PromptTemplate, identity=versioned.identity_in(body, also=IDENTITY), settings=_given(body))
    return show(find(row.slug))


def _change(slug: str, body: PromptTemplateChanges, revision: int | None) -> dict[str, Any]:
    versioned.change(
        find(slug), identity=versioned.identity_in(body, also=IDENTITY), settings=_given(body), revision=revision
    )
    return show(find(slug))


def _versions(slug: str, listing: Listing) -> dict[str, Any]:
    versions = find(slug).versions.select_related("ai_model")
    return page(versions, listing, show=show_version, search_in=("note", "author"), order_by=("number", "created_at"))


def _model(slug: str | None) -> AIModel | None:
    named = configuration.named(AIModel, slug, field="ai_model")
    usable: AIModel | None = prompts.usable(named.pk) if named else None
    return usable


def _keep_test_input(slug: str, name: str, values: dict[str, Any]) -> dict[str, Any]:
    template = find(slug)
    kept, _is_new = PromptTestInput.objects.update_or_create(template=template, name=name, defaults={"values": values})
    AuditEntry.record("kept a test input of", template, name=name)
    return {"name": kept.name, "values": kept.values}
