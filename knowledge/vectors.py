"""The vector store that the settings name: opened once in each process, asked in threads, and left alone while away."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from knowledge.models import VectorCopy
from knowledge.stores import STORES, StoreAddress, VectorStore
from magnet.errors import VectorStoreUnavailable

# A search waits no longer; PostgreSQL answers instead.
SEARCH_SECONDS = 5.0
# After a failure nobody waits again for so long.
PAUSE_SECONDS = 10.0

_threads = ThreadPoolExecutor(max_workers=settings.RETRIEVAL_POOL_SIZE, thread_name_prefix="vector-store")
_opening = threading.Lock()
_opened: dict[tuple[str, StoreAddress], VectorStore] = {}
# Until when the store is left alone, and why.
_away: dict[str, tuple[float, str]] = {}


def chosen() -> type[VectorStore]:
    return STORES[settings.VECTOR_DB_TYPE]


def is_external() -> bool:
    """Whether vectors are searched in another store than PostgreSQL."""
    return chosen().is_external


def store() -> VectorStore:
    """The store of this process; a connection is made with the first question."""
    address = StoreAddress(settings.VECTOR_DB_URL, settings.VECTOR_DB_API_KEY)
    with _opening:
        key = (settings.VECTOR_DB_TYPE, address)
        if key not in _opened:
            _opened[key] = chosen()(address)
        return _opened[key]


def close() -> None:
    """Give back what this process has opened."""
    with _opening:
        for opened in _opened.values():
            opened.close()
        _opened.clear()
        _away.clear()


def collection(index_id: int) -> str:
    """What a generation's collection is called."""
    return f"{settings.VECTOR_DB_PREFIX}_{index_id}"


def has_copy(index_id: int) -> bool:
    """Whether all vectors of a generation are in the store, so that searches may ask it."""
    if not is_external():
        return False
    copies = VectorCopy.objects.at(settings.VECTOR_DB_TYPE, settings.VECTOR_DB_URL)
    return bool(copies.filter(index_id=index_id).exclude(filled_at=None).exists())


async def nearest(index_id: int, vector: Sequence[float], *, limit: int) -> list[int]:
    """The chunks that the store finds nearest, which may not be there any more. Raises VectorStoreUnavailable."""
    until, reason = _away.get(settings.VECTOR_DB_URL, (0.0, ""))
    if time.monotonic() < until:
        raise VectorStoreUnavailable(reason)
    loop = asyncio.get_running_loop()
    asked = loop.run_in_executor(_threads, lambda: store().nearest(collection(index_id), vector, limit=limit))
    try:
        async with asyncio.timeout(SEARCH_SECONDS):
            return [chunk for chunk, _cosine in await asked]
    except TimeoutError as error:
        told = f"{chosen().label} did not answer within {SEARCH_SECONDS:.0f} seconds."
        raise _left_alone(VectorStoreUnavailable(told)) from error
    except VectorStoreUnavailable as error:
        raise _left_alone(error) from error.__cause__


def _left_alone(error: VectorStoreUnavailable) -> VectorStoreUnavailable:
    _away[settings.VECTOR_DB_URL] = (time.monotonic() + PAUSE_SECONDS, error.detail)
    return error


# -- What an operator is told ----------------------------------------------------------------------------------------


def check_settings() -> None:
    """Refuse what can never work, before anything starts; a server that is away is no reason not to start."""
    kind = settings.VECTOR_DB_TYPE
    if kind not in STORES:
        raise ImproperlyConfigured(f"VECTOR_DB_TYPE is {kind!r}. Set it to one of: {', '.join(STORES)}.")
    if not is_external():
        return
    missing = chosen().missing()
    if missing:
        raise ImproperlyConfigured(
            f"VECTOR_DB_TYPE is {kind!r}, but this is not installed: {', '.join(missing)}. "
            "Install it with the versions of requirements-extras.txt."
        )
    if not settings.VECTOR_DB_URL.startswith(("http://", "https://")):
        raise ImproperlyConfigured(
            f"VECTOR_DB_TYPE is {kind!r}: set VECTOR_DB_URL to the address of the server, such as http://{kind}:6333. "
            "A file will not do, because several processes search and write."
        )


def readiness() -> dict[str, str]:
    """What the health check tells; searches work without the store, only slower."""
    if not is_external():
        return {}
    try:
        store().names()
    except VectorStoreUnavailable as error:
        return {"vector_store": error.detail}
    return {"vector_store": "ok"}
