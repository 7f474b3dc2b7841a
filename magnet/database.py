"""The one bridge between async code and PostgreSQL: units of work, the raw pool, and the configuration cache.

No connection is held while we wait for somebody else: a unit of work borrows one for its own length and gives it back.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast
from weakref import WeakKeyDictionary

import psycopg
import structlog
from django.conf import settings
from django.db import OperationalError, connection, connections, transaction
from psycopg import sql
from psycopg.errors import DeadlockDetected
from psycopg_pool import AsyncConnectionPool

log = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

# One thread for each connection of Django's pool: more would only wait for one.
_threads = ThreadPoolExecutor(max_workers=settings.POOL_SIZE, thread_name_prefix="database")
DEADLOCKS_FORGIVEN = 2
# Plans that a connection of the raw pool keeps, the latest used; each takes about half a megabyte.
MOST_PLANS = 20

CHANNEL = "magnet_configuration"
# What upper floors listen to, on the same connection: the channel, and who is told of its notices.
_ears: dict[str, Callable[[str], None]] = {}
# A notice can be lost (a broken listener); then a revoked key still stops within this time.
MOST_CACHED = 10_000
CACHE_SECONDS = 5.0


async def in_database(work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run plain ORM code as one unit of work in a thread, with its own connection, given back at its end."""
    context = contextvars.copy_context()
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_threads, lambda: context.run(_unit_of_work, work, args, kwargs))


def _unit_of_work(work: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
    try:
        return work(*args, **kwargs)
    finally:
        connections.close_all()


def one_transaction(work: Callable[P, T]) -> Callable[P, T]:
    """Make `work` one transaction, carried out again where PostgreSQL breaks it off for the sake of another one.

    `work` loads what it changes itself, so that it can begin anew. Within another transaction it is not tried again,
    because that one is broken off as a whole.
    """

    @wraps(work)
    def carried_out(*args: P.args, **kwargs: P.kwargs) -> T:
        for _ in range(DEADLOCKS_FORGIVEN):
            try:
                with transaction.atomic():
                    return work(*args, **kwargs)
            except OperationalError as error:
                if connection.in_atomic_block or not isinstance(error.__cause__, DeadlockDetected):
                    raise
                log.warning("deadlock_tried_again", work=work.__qualname__)
        with transaction.atomic():
            return work(*args, **kwargs)

    return carried_out


# -- The raw pool: for the hottest read (half the CPU of the ORM) ----------------------------------------------

_pools: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncConnectionPool[Any]] = WeakKeyDictionary()


async def raw_pool() -> AsyncConnectionPool[Any]:
    """The async pool of this event loop: autocommit, HNSW settings as connection options."""
    loop = asyncio.get_running_loop()
    pool = _pools.get(loop)
    if pool is None:
        pool = AsyncConnectionPool(
            conninfo=_conninfo(),
            kwargs={
                "autocommit": True,
                # What is prepared is planned once: it is written so that one plan serves all questions.
                "options": "-c hnsw.ef_search=200 -c hnsw.iterative_scan=relaxed_order "
                "-c plan_cache_mode=force_generic_plan",
            },
            configure=_keep_few_plans,
            min_size=1,
            max_size=settings.RETRIEVAL_POOL_SIZE,
            timeout=10,
            open=False,
        )
        _pools[loop] = pool
        await pool.open()
    return pool


async def _keep_few_plans(connection: psycopg.AsyncConnection[Any]) -> None:
    connection.prepared_max = MOST_PLANS


async def close_raw_pool() -> None:
    """Give the connections of this event loop back (an open pool blocks TRUNCATE and DROP DATABASE)."""
    pool = _pools.pop(asyncio.get_running_loop(), None)
    if pool is not None:
        await pool.close()


def _conninfo() -> str:
    """What Django connects with, tests' database name included."""
    names = ("host", "port", "user", "password", "sslmode", "sslrootcert", "sslcert", "sslkey")
    parameters = connections["default"].get_connection_params()
    known = {name: parameters[name] for name in names if parameters.get(name)}
    return psycopg.conninfo.make_conninfo(dbname=connections["default"].settings_dict["NAME"], **known)


# -- Configuration, cached in the process ------------------------------------------------------------------------

_cache: dict[Hashable, tuple[float, Any]] = {}


async def cached(key: Hashable, load: Callable[[], T]) -> T:
    """What `load` finds in the database, at most CACHE_SECONDS old and dropped when configuration changes.

    Only for configuration (tools, models, providers, keys). Errors are not cached.
    """
    now = time.monotonic()
    entry = _cache.get(key)
    if entry is not None and entry[0] > now:
        return cast(T, entry[1])
    value = await in_database(load)
    if len(_cache) >= MOST_CACHED:
        # Keys come from callers too: who asks for ever new ones must not fill the memory.
        _cache.clear()
    _cache[key] = (now + CACHE_SECONDS, value)
    return value


def forget_configuration() -> None:
    _cache.clear()


def hear(channel: str, then: Callable[[str], None]) -> None:
    """Have `then` called with each notice on `channel`, and with "" after each reconnect: notices were missed."""
    _ears[channel] = then


async def listen_for_changes() -> None:
    """Clear the cache at each notice, and after each reconnect, because notices were missed; runs until cancelled.

    Notices on the channels of upper floors are handed on to them: one connection listens for all.
    """
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(_conninfo(), autocommit=True) as listener:
                for channel in (CHANNEL, *_ears):
                    await listener.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
                forget_configuration()
                for then in _ears.values():
                    then("")
                async for notice in listener.notifies():
                    _ears.get(notice.channel, _forget_at_notice)(notice.payload)
        except psycopg.OperationalError as error:
            log.warning("configuration_listener_lost", error=str(error))
            await asyncio.sleep(1)


def _forget_at_notice(_payload: str) -> None:
    forget_configuration()


def database_is_ready() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("select 1")
        return bool(cursor.fetchone())
