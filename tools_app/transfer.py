"""Moving tools: RAG and retrieval tools with their sources, servers of others, and the calls of their APIs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from magnet import configuration
from magnet.default_prompts import (
    ANALYSE_ANSWER,
    CHECK_CITATION,
    CHOOSE_FILTER,
    RAG_ANSWER,
    REWRITE_QUESTION,
    SEVERAL_QUERIES,
    TRANSLATE_QUERY,
)
from magnet.transfer.kinds import Described, Kind, Order, misfit, plain
from magnet.transfer.rows import RowKind
from magnet.transfer.versions import VersionedKind
from tools_app.api_auth import AUTHS
from tools_app.mcp_transports import TRANSPORTS
from tools_app.models import ApiServer, ApiTool, McpServer, RagTool, RetrievalTool

SIGN_IN = ("auth_kind", "auth_config", "headers", "verifies_tls", "allows_private_addresses")
# Default templates, and what of a version's settings has them asked.
ASKED: dict[str, Callable[[Described], Any]] = {
    REWRITE_QUESTION.slug: lambda version: version.get("rewrites_question"),
    SEVERAL_QUERIES.slug: lambda version: (version.get("query_count") or 1) > 1,
    TRANSLATE_QUERY.slug: lambda version: version.get("translates_question"),
    CHOOSE_FILTER.slug: lambda version: version.get("filter_fields"),
    CHECK_CITATION.slug: lambda version: version.get("support_check") in ("model", "model_later"),
    ANALYSE_ANSWER.slug: lambda version: version.get("analyses_answers"),
}
LIMITS = ("timeout_seconds", "max_response_kb", "is_active")


class SearchingKind(VersionedKind):
    def rests_on(self, given: Described) -> Iterator[str]:
        for version in self.blocks(given):
            yield from (slug for slug, is_used in ASKED.items() if is_used(version))


class RetrievalToolKind(SearchingKind):
    name, model = "retrieval-tools", RetrievalTool
    references = {"sources": "knowledge-sources", "rerank_model": "models"}


class RagToolKind(SearchingKind):
    name, model = "rag-tools", RagTool
    references = {
        "sources": "knowledge-sources",
        "prompt_template": "prompt-templates",
        "ai_model": "models",
        "rerank_model": "models",
    }

    def rests_on(self, given: Described) -> Iterator[str]:
        yield from super().rests_on(given)
        if not all(version.get("prompt_template") for version in self.blocks(given)):
            yield RAG_ANSWER.slug


class ServerKind(RowKind):
    """Its secrets belong to its addresses, and are forgotten where these change."""

    def settle(self, row: Any, values: dict[str, Any], given: Described, secret: Any) -> dict[str, Any]:
        super().settle(row, values, given, secret)
        return {"encrypted_secrets": ""} if row.pk is not None and row.leads_elsewhere(values) else {}

    def prove_settings(self, wanted: Any) -> None:
        if wanted.auth_kind not in AUTHS:
            raise misfit("auth_kind", f"There is no such sign-in. Use {', '.join(AUTHS)}.")
        configuration.prove(AUTHS[wanted.auth_kind].Config, wanted.auth_config, field="auth_config")


class ApiServerKind(ServerKind):
    name, model = "api-servers", ApiServer
    columns = ("name", "description", "base_url", "document_url", *SIGN_IN, *LIMITS)


class ApiToolKind(RowKind):
    name, model = "api-tools", ApiTool
    columns = (
        "name", "server", "description", "operation", "method", "path", "arguments", "places", "body_type",
        "response_fields", "mock_response", "is_mocked", "is_enabled",
    )  # fmt: skip
    references = {"server": "api-servers"}
    fixed = ("server",)
    # What the document says of the fields that staff have edited since.
    further = ("tags", "imported")

    def rows(self) -> Any:
        return super().rows().select_related("server")

    def described_further(self, row: ApiTool) -> Described:
        return {"imported": {name: plain(row.imported[name]) for name in row.edited}} if row.edited else {}

    def take(self, row: Any, slug: str, given: Described, order: Order) -> Any:
        if not isinstance(given.get("imported", {}), dict):
            raise misfit("imported", "This has to be a mapping of fields.")
        return super().take(row, slug, given, order)

    def settle(self, row: ApiTool, values: dict[str, Any], given: Described, secret: Any) -> dict[str, Any]:
        """With what an import said of each field, so that the next one keeps those that staff have edited."""
        super().settle(row, values, given, secret)
        operation = values.get("operation", row.operation)
        if not operation or (row.pk is not None and "operation" not in given):
            return {}
        said = given.get("imported", {})
        return {"imported": {name: said.get(name, values.get(name, getattr(row, name))) for name in ApiTool.IMPORTED}}


class McpServerKind(ServerKind):
    """Without its tools: what a server says of them is read from it, and approved, on the other side."""

    name, model = "mcp-servers", McpServer
    columns = ("name", "description", "transport", "url", "config", *SIGN_IN, *LIMITS)

    def prove_settings(self, wanted: McpServer) -> None:
        if wanted.transport not in TRANSPORTS:
            raise misfit("transport", f"There is no such way to reach it. Use {', '.join(TRANSPORTS)}.")
        configuration.prove(TRANSPORTS[wanted.transport].Config, wanted.config, field="config")
        super().prove_settings(wanted)


def tool_kinds() -> tuple[Kind, ...]:
    return RetrievalToolKind(), RagToolKind(), ApiServerKind(), ApiToolKind(), McpServerKind()
