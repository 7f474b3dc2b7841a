"""Moving knowledge sources: how documents are found and cut, never the documents themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from knowledge.chunkers import CHUNKERS
from knowledge.connectors import CONNECTORS
from knowledge.models import KnowledgeSource
from magnet import configuration
from magnet.transfer.kinds import Described, misfit
from magnet.transfer.rows import RowKind


class SourceKind(RowKind):
    name, model = "knowledge-sources", KnowledgeSource
    columns = (
        "name", "connector", "description", "config", "schedule", "cron", "time_zone", "chunker", "chunker_config",
        "embedding_model", "context_model", "language", "metadata_fields", "deletion_guard_percent",
    )  # fmt: skip
    references = {"embedding_model": "models", "context_model": "models"}
    fixed = ("connector",)

    def rows(self) -> Any:
        return super().rows().select_related("embedding_model", "context_model__provider")

    def settle(self, row: KnowledgeSource, values: dict[str, Any], given: Described, secret: Any) -> dict[str, Any]:
        super().settle(row, values, given, secret)
        self.refuse_unknown_kinds(values)
        config = values.get("config")
        is_moved = row.pk is not None and isinstance(config, dict) and row.leads_elsewhere(config)
        return {"encrypted_secrets": ""} if is_moved else {}

    def refuse_unknown_kinds(self, values: dict[str, Any]) -> None:
        for name, known in (("connector", CONNECTORS), ("chunker", CHUNKERS)):
            if name in values and values[name] not in known:
                raise misfit(name, f"There is no such {name}. Use {', '.join(known)}.")

    def prove_settings(self, wanted: KnowledgeSource) -> None:
        if wanted.connector not in CONNECTORS:
            raise misfit("connector", f"Name a connector: {', '.join(CONNECTORS)}.")
        configuration.prove(wanted.connector_class.Config, wanted.config, field="config")
        configuration.prove(CHUNKERS[wanted.chunker].Config, wanted.chunker_config, field="chunker_config")

    def prepare(self, values: dict[str, Any]) -> Callable[[Any], None] | None:
        return KnowledgeSource.plan_next_sync if {"schedule", "cron", "time_zone"} & set(values) else None
