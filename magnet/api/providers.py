"""Providers over the API: accounts with those who run models. Keys go in and never come out."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from ninja import Query, Router

from magnet import configuration, gateway
from magnet.api.listing import Listing, Page, page
from magnet.api.schemas import NewProvider, ProviderChanges, ProviderOut, Reached
from magnet.database import in_database
from magnet.errors import InvalidInput
from magnet.models import Provider
from magnet.providers import PROVIDERS, provider_kind
from magnet.web.auth import Needs

router = Router(tags=["Providers"])
READ, WRITE = Needs("providers:read"), Needs("providers:write")
COLUMNS = tuple(name for name in ProviderOut.model_fields if name != "has_api_key")


@router.get("", response=Page[ProviderOut], auth=READ)
async def list_providers(request: HttpRequest, listing: Query[Listing]) -> Any:
    """List the providers."""
    columns = ("name", "slug", "created_at", "updated_at")
    rows = Provider.objects.all()
    return await in_database(partial(page, rows, listing, show=show, search_in=("name", "slug"), order_by=columns))


@router.post("", response={201: ProviderOut}, auth=WRITE)
async def create_provider(request: HttpRequest, response: HttpResponse, body: NewProvider) -> Any:
    """Add a provider. Its kind is fixed afterwards."""
    created = await in_database(_create, body)
    response["Location"] = f"/api/providers/{created.slug}"
    return created


@router.get("/{slug}", response=ProviderOut, auth=READ)
async def get_provider(request: HttpRequest, slug: str) -> Any:
    """Show a provider."""
    return await in_database(lambda: show(find(slug)))


@router.patch("/{slug}", response=ProviderOut, auth=WRITE)
async def change_provider(request: HttpRequest, slug: str, body: ProviderChanges) -> Any:
    """Change a provider. A new base_url forgets the key unless a key is sent with it."""
    return await in_database(_change, slug, body)


@router.delete("/{slug}", response={204: None}, auth=WRITE)
async def delete_provider(request: HttpRequest, slug: str) -> Any:
    """Remove a provider that no model uses."""
    await in_database(lambda: configuration.remove(find(slug)))


@router.post("/{slug}/test", response=Reached, auth=WRITE)
async def test_provider(request: HttpRequest, slug: str) -> Any:
    """Prove that the provider answers and takes the key."""
    provider = await in_database(find, slug)
    return Reached(message=f"“{provider.name}” answers.", models=await gateway.check(provider))


def find(slug: str) -> Provider:
    return configuration.find(Provider.objects.all(), slug)


def show(provider: Provider) -> ProviderOut:
    return ProviderOut(
        **{name: getattr(provider, name) for name in COLUMNS}, has_api_key=bool(provider.encrypted_api_key)
    )


@transaction.atomic
def _create(body: NewProvider) -> ProviderOut:
    if body.kind not in PROVIDERS:
        raise InvalidInput("There is no such kind of provider.", errors={"kind": [f"Use {', '.join(PROVIDERS)}."]})
    provider = Provider(
        kind=body.kind,
        slug=configuration.free_slug(Provider, body.slug, name=body.name),
        **body.sent(without=("kind", "slug", "api_key")),
    )
    provider.set_api_key(body.api_key or "")
    _prove_options(provider)
    return show(configuration.create(provider))


def _change(slug: str, body: ProviderChanges) -> ProviderOut:
    provider = find(slug)
    changes = body.sent(without=("api_key",))
    if body.base_url is not None and body.base_url != provider.base_url:
        # Whoever can change the address must not learn the key that was meant for another one.
        changes = {"api_key_variable": "", **changes, "encrypted_api_key": ""}
    if "api_key" in body.model_fields_set:
        provider.set_api_key(body.api_key or "")
        changes["encrypted_api_key"] = provider.encrypted_api_key
    provider.options = changes.get("options", provider.options)
    _prove_options(provider)
    return show(configuration.change(provider, changes))


def _prove_options(provider: Provider) -> None:
    configuration.prove(provider_kind(provider.kind).Config, provider.options, field="options")
