"""The providers as objects that can be called: one for each event loop and provider, made anew when its row changes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

from pydantic import ValidationError

from magnet.errors import NotConfigured
from magnet.models import Provider
from magnet.providers import provider_kind
from magnet.providers.base import ModelProvider

# Whoever was replaced may still be streaming.
RETIREMENT_SECONDS = 900.0

_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, tuple[Any, ModelProvider]]] = WeakKeyDictionary()
_retiring: set[asyncio.Task[None]] = set()


def client_of(provider: Provider) -> ModelProvider:
    """The one client of this event loop. Raises NotConfigured when its settings or its key do not fit."""
    loop = asyncio.get_running_loop()
    clients = _by_loop.setdefault(loop, {})
    state = (
        provider.kind,
        provider.name,
        provider.base_url,
        provider.encrypted_api_key,
        provider.api_key_variable,
        provider.timeout_seconds,
        repr(provider.options),
    )
    known = clients.get(provider.slug)
    if known is not None and known[0] == state:
        return known[1]
    client = new_client(provider)
    clients[provider.slug] = (state, client)
    if known is not None:
        retire(known[1])
    return client


def new_client(provider: Provider) -> ModelProvider:
    kind = provider_kind(provider.kind)
    try:
        config = kind.Config(**provider.options)
    except ValidationError as error:
        raise NotConfigured(
            f"The settings of the provider “{provider.name}” do not fit. Open it in the admin and save it again."
        ) from error
    return kind(replace(provider.connection(), name=provider.name), config)


def retire(client: ModelProvider) -> None:
    async def close_later() -> None:
        await asyncio.sleep(RETIREMENT_SECONDS)
        await client.close()

    task = asyncio.get_running_loop().create_task(close_later())
    _retiring.add(task)
    task.add_done_callback(_retiring.discard)


async def close_clients() -> None:
    """Close this event loop's clients."""
    for _, client in _by_loop.pop(asyncio.get_running_loop(), {}).values():
        await client.close()
