"""What the first question would wait for, made ready beside the first requests; nobody waits for this itself."""

from __future__ import annotations

import asyncio

import psycopg
import structlog
from django.db import DatabaseError

from magnet import database
from magnet.errors import MagnetError
from magnet.models import AIModel
from magnet.provider_clients import client_of

log = structlog.get_logger(__name__)


async def warm_up() -> None:
    """Open connections, and load the built-in embeddings where they are the ones in use."""
    try:
        model = await database.in_database(_embedding_model)
        await asyncio.gather(_connect(), _load(model))
    except (DatabaseError, psycopg.Error, MagnetError) as error:
        # What is not ready here is made ready by the first question, or fails there with a sentence.
        log.warning("not_warmed_up", reason=str(error))


def _embedding_model() -> AIModel | None:
    found: AIModel | None = AIModel.objects.for_use().filter(purpose="embedding", is_default=True).first()
    return found


async def _connect() -> None:
    async with (await database.raw_pool()).connection() as connection:
        await connection.execute("select 1")


async def _load(model: AIModel | None) -> None:
    if model is None:
        return
    client = client_of(model.provider)
    # Never a provider that is paid or far away.
    if client.is_built_in:
        await client.embed(["Good morning."], model=model.model_name)
