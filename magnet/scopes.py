"""What an API key may be allowed to do, and which permission of a person stands for the same."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

ALL = "all"

SCOPES: dict[str, str | Promise] = {
    "providers:read": _("See providers"),
    "providers:write": _("Add, change and remove providers"),
    "models:read": _("See models"),
    "models:write": _("Add, change and remove models"),
    "models:run": _("Ask models, without a tool or an agent around them"),
    "prompt-templates:read": _("See prompt templates"),
    "prompt-templates:write": _("Add and remove prompt templates, change drafts"),
    "prompt-templates:publish": _("Publish prompt templates and undo it"),
    "prompt-templates:run": _("Run prompt templates"),
    "knowledge-sources:read": _("See knowledge sources, their documents and sync runs"),
    "knowledge-sources:write": _("Add, change and remove knowledge sources and documents, start syncs"),
    "knowledge-sources:run": _("Search in knowledge sources"),
    "restricted-documents:read": _("Find documents whatever groups they are for"),
    "retrieval-tools:read": _("See retrieval tools"),
    "retrieval-tools:write": _("Add and remove retrieval tools, change drafts"),
    "retrieval-tools:publish": _("Publish retrieval tools and undo it"),
    "retrieval-tools:run": _("Search with retrieval tools"),
    "rag-tools:read": _("See RAG tools"),
    "rag-tools:write": _("Add and remove RAG tools, change drafts"),
    "rag-tools:publish": _("Publish RAG tools and undo it"),
    "rag-tools:run": _("Ask RAG tools"),
    "api-servers:read": _("See API servers"),
    "api-servers:write": _("Add, change and remove API servers, import their documents"),
    "api-tools:read": _("See API tools"),
    "api-tools:write": _("Add, change and remove API tools"),
    "api-tools:run": _("Call APIs with API tools"),
    "mcp-servers:read": _("See MCP servers and their tools"),
    "mcp-servers:write": _("Add, change and remove MCP servers, approve their tools"),
    "mcp-servers:run": _("Call tools of MCP servers"),
    "agents:read": _("See agents"),
    "agents:write": _("Add and remove agents, change drafts"),
    "agents:publish": _("Publish agents and undo it"),
    "agents:run": _("Talk to agents"),
    "conversations:read": _("Read the conversations of everybody"),
    "conversations:write": _("Close, correct and erase conversations, answer confirmations for others"),
    "api-keys:read": _("See API keys"),
    "api-keys:write": _("Make and revoke API keys"),
    "traces:read": _("See traces"),
    ALL: _("Everything, also what later versions add"),
}

# The permission that gives a person the scope. Asking and searching need no more than seeing.
PERMISSIONS: dict[str, str] = {
    "providers:read": "magnet.view_provider",
    "providers:write": "magnet.change_provider",
    "models:read": "magnet.view_aimodel",
    "models:write": "magnet.change_aimodel",
    # Nothing stands between the caller and the bill: seeing is not enough.
    "models:run": "magnet.change_aimodel",
    "prompt-templates:read": "magnet.view_prompttemplate",
    "prompt-templates:write": "magnet.change_prompttemplate",
    "prompt-templates:publish": "magnet.publish_prompttemplate",
    "prompt-templates:run": "magnet.view_prompttemplate",
    "knowledge-sources:read": "knowledge.view_knowledgesource",
    "knowledge-sources:write": "knowledge.change_knowledgesource",
    "knowledge-sources:run": "knowledge.view_knowledgesource",
    "restricted-documents:read": "knowledge.view_restricted_document",
    "retrieval-tools:read": "tools_app.view_retrievaltool",
    "retrieval-tools:write": "tools_app.change_retrievaltool",
    "retrieval-tools:publish": "tools_app.publish_retrievaltool",
    "retrieval-tools:run": "tools_app.view_retrievaltool",
    "rag-tools:read": "tools_app.view_ragtool",
    "rag-tools:write": "tools_app.change_ragtool",
    "rag-tools:publish": "tools_app.publish_ragtool",
    "rag-tools:run": "tools_app.view_ragtool",
    "api-servers:read": "tools_app.view_apiserver",
    "api-servers:write": "tools_app.change_apiserver",
    "api-tools:read": "tools_app.view_apitool",
    "api-tools:write": "tools_app.change_apitool",
    # Unlike asking, a call may change something: seeing is not enough.
    "api-tools:run": "tools_app.run_apitool",
    "mcp-servers:read": "tools_app.view_mcpserver",
    "mcp-servers:write": "tools_app.change_mcpserver",
    "mcp-servers:run": "tools_app.run_mcptool",
    "agents:read": "agents.view_agent",
    "agents:write": "agents.change_agent",
    "agents:publish": "agents.publish_agent",
    "agents:run": "agents.run_agent",
    "conversations:read": "conversations.view_conversation",
    "conversations:write": "conversations.change_conversation",
    "api-keys:read": "magnet.view_apikey",
    "api-keys:write": "magnet.change_apikey",
    "traces:read": "magnet.view_trace",
}


def unknown_scopes(scopes: Iterable[str]) -> list[str]:
    return sorted(set(scopes) - set(SCOPES))


def scopes_from(permissions: Iterable[str]) -> frozenset[str]:
    """The scopes that a person with these permissions ("app.codename") has."""
    held = set(permissions)
    return frozenset(scope for scope, permission in PERMISSIONS.items() if permission in held)


def narrowed(scopes: Iterable[str], *, to: frozenset[str]) -> frozenset[str]:
    """What remains of a key's scopes within those of its owner: a key never does more than its owner."""
    wanted = frozenset(scopes)
    if ALL in to:
        return wanted
    return to if ALL in wanted else wanted & to
