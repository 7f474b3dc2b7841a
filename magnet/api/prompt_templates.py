"""Prompt templates over the API: created live, changed in a draft, published and undone."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router

from magnet import configuration
from magnet.api import versioned
from magnet.api.listing import Listing, Page, page
from magnet.api.schemas import (
    NewPromptTemplate,
    PromptTemplateChanges,
    PromptTemplateSettings,
    PublicationOut,
    Publish,
    VersionedOut,
    VersionOut,
)
from magnet.database import in_database
from magnet.models import AIModel, PromptTemplate, PromptTemplateVersion
from magnet.web.auth import Needs

router = Router(tags=["Prompt templates"])
READ, WRITE, PUBLISH = (Needs(f"prompt-templates:{verb}") for verb in ("read", "write", "publish"))

Shown = VersionedOut[PromptTemplateSettings]
ShownVersion = VersionOut[PromptTemplateSettings]


@router.get("", response=Page[Shown], auth=READ)
async def list_prompt_templates(request: HttpRequest, listing: Query[Listing]) -> Any:
    """List the prompt templates."""
    search_in, order_by = ("name", "slug", "description"), ("name", "slug", "created_at", "updated_at")
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
    return versioned.show(row, settings=show_settings)


def show_version(version: Any) -> dict[str, Any]:
    return versioned.show_version(version, settings=show_settings)


def show_settings(version: PromptTemplateVersion) -> PromptTemplateSettings:
    settings = {**version.settings(), "ai_model": version.ai_model.slug if version.ai_model else None}
    return PromptTemplateSettings(**settings)


def _given(body: PromptTemplateChanges) -> dict[str, Any]:
    settings = body.sent(without=versioned.NOT_SETTINGS)
    if "ai_model" in settings:
        settings["ai_model"] = configuration.named(AIModel, body.ai_model, field="ai_model")
    return settings


def _create(body: NewPromptTemplate) -> dict[str, Any]:
    row = versioned.create(PromptTemplate, identity=versioned.identity_in(body), settings=_given(body))
    return show(find(row.slug))


def _change(slug: str, body: PromptTemplateChanges, revision: int | None) -> dict[str, Any]:
    versioned.change(find(slug), identity=versioned.identity_in(body), settings=_given(body), revision=revision)
    return show(find(slug))


def _versions(slug: str, listing: Listing) -> dict[str, Any]:
    versions = find(slug).versions.select_related("ai_model")
    return page(versions, listing, show=show_version, search_in=("note", "author"), order_by=("number", "created_at"))
