"""Whether this process lives, and whether it can do its work: for balancers, and for people called at night."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.utils.module_loading import import_string

from magnet import queue
from magnet.database import database_is_ready, in_database
from magnet.web.problems import plain_json


async def live(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


async def ready(request: HttpRequest) -> JsonResponse:
    """503 when the database does not answer or lacks a migration; the state of the workers is only told."""
    report = await in_database(readiness)
    status = 200 if report["status"] == "ok" else 503
    return JsonResponse(report, status=status, json_dumps_params={"default": plain_json})


def readiness() -> dict[str, Any]:
    try:
        database_is_ready()
        missing = _missing_migrations()
    except (DatabaseError, InterfaceError):
        return {"status": "unavailable", "database": "does not answer", "migrations": "unknown"}
    if missing:
        return {"status": "unavailable", "database": "ok", "migrations": f"missing: {', '.join(missing)}"}
    state = queue.state()
    workers = [asdict(cluster) for cluster in state.clusters]
    told = {name: said for tell in settings.READINESS for name, said in import_string(tell)().items()}
    working = {"is_working": state.is_alive, "workers": workers}
    return {"status": "ok", "database": "ok", "migrations": "ok", **told, **working}


# Migrations are not taken back under a running process, so that they are all there is asked until it is true.
_all_migrations_seen: set[bool] = set()


def _missing_migrations() -> list[str]:
    if _all_migrations_seen:
        return []
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if not plan:
        _all_migrations_seen.add(True)
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]
