"""Models over the API: what providers offer, for one purpose each, with prices and one default for each purpose."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from ninja import Query, Router

from magnet import configuration
from magnet.api.listing import Listing, Page, page
from magnet.api.schemas import ModelChanges, ModelOut, NewModel
from magnet.database import in_database
from magnet.models import AIModel, AuditEntry, Provider
from magnet.web.auth import Needs

router = Router(tags=["Models"])
READ, WRITE = Needs("models:read"), Needs("models:write")
COLUMNS = tuple(name for name in ModelOut.model_fields if name not in ("provider", "fallback"))


@router.get("", response=Page[ModelOut], auth=READ)
async def list_models(request: HttpRequest, listing: Query[Listing]) -> Any:
    """List the models."""
    rows = AIModel.objects.select_related("provider", "fallback")
    search_in, order_by = ("name", "slug", "model_name"), ("name", "slug", "purpose", "created_at", "updated_at")
    return await in_database(partial(page, rows, listing, show=show, search_in=search_in, order_by=order_by))


@router.post("", response={201: ModelOut}, auth=WRITE)
async def create_model(request: HttpRequest, response: HttpResponse, body: NewModel) -> Any:
    """Add a model of a provider."""
    created = await in_database(_create, body)
    response["Location"] = f"/api/models/{created.slug}"
    return created


@router.get("/{slug}", response=ModelOut, auth=READ)
async def get_model(request: HttpRequest, slug: str) -> Any:
    """Show a model."""
    return await in_database(lambda: show(find(slug)))


@router.patch("/{slug}", response=ModelOut, auth=WRITE)
async def change_model(request: HttpRequest, slug: str, body: ModelChanges) -> Any:
    """Change a model. Its provider and purpose are fixed."""
    return await in_database(_change, slug, body)


@router.delete("/{slug}", response={204: None}, auth=WRITE)
async def delete_model(request: HttpRequest, slug: str) -> Any:
    """Remove a model that nothing uses."""
    await in_database(lambda: configuration.remove(find(slug)))


@router.post("/{slug}/make-default", response=ModelOut, auth=WRITE)
async def make_default(request: HttpRequest, slug: str) -> Any:
    """Use this model wherever none is named."""
    return await in_database(_make_default, slug)


def find(slug: str) -> AIModel:
    return configuration.find(AIModel.objects.select_related("provider", "fallback"), slug)


def show(model: AIModel) -> ModelOut:
    return ModelOut(
        **{name: getattr(model, name) for name in COLUMNS},
        provider=model.provider.slug,
        fallback=model.fallback.slug if model.fallback else None,
    )


@transaction.atomic
def _create(body: NewModel) -> ModelOut:
    provider = configuration.named(Provider, body.provider, field="provider")
    fallback = configuration.named(AIModel, body.fallback, field="fallback")
    slug = configuration.free_slug(AIModel, body.slug, name=body.name)
    fields = body.sent(without=("provider", "fallback", "slug"))
    return show(configuration.create(AIModel(slug=slug, provider=provider, fallback=fallback, **fields)))


def _change(slug: str, body: ModelChanges) -> ModelOut:
    changes = body.sent()
    if "fallback" in changes:
        changes["fallback"] = configuration.named(AIModel, body.fallback, field="fallback")
    return show(configuration.change(find(slug), changes))


@transaction.atomic
def _make_default(slug: str) -> ModelOut:
    model = find(slug)
    model.make_default()
    AuditEntry.record("made the default", model)
    return show(model)
