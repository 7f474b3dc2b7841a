"""The composition root of URLs: the only place, beside the settings, that names the upper floors."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from magnet.api.root import api, openapi, page
from magnet.web import health

# In the order in which the reference shows them: what callers need first stands first.
ROUTERS = (
    ("/rag-tools", "tools_app.api.router"),
    ("/retrieval-tools", "tools_app.api_retrieval_tools.router"),
    ("/agents", "agents.api.router"),
    ("/conversations", "conversations.api.router"),
    ("/conversations", "conversations.api_turns.router"),
    ("/messages", "conversations.api_turns.messages_router"),
    ("/api-tools", "tools_app.api_api_tools.router"),
    ("/api-servers", "tools_app.api_api_servers.router"),
    ("/mcp-servers", "tools_app.api_mcp_servers.router"),
    ("/knowledge-sources", "knowledge.api.router"),
    ("/knowledge-sources", "knowledge.api_documents.source_router"),
    ("/knowledge-sources", "knowledge.api_indexes.source_router"),
    ("/knowledge-sources", "knowledge.api_preview.router"),
    ("/documents", "knowledge.api_documents.router"),
    ("/sync-runs", "knowledge.api_runs.router"),
    ("/indexes", "knowledge.api_indexes.router"),
    ("/prompt-templates", "magnet.api.prompt_templates.router"),
    ("/providers", "magnet.api.providers.router"),
    ("/models", "magnet.api.models.router"),
    ("/erasures", "conversations.api_erasures.router"),
    ("/api-keys", "magnet.api.keys.router"),
    ("/traces", "magnet.api.traces.router"),
    ("/traces", "magnet.api.passages.router"),
    ("", "magnet.api.transfer.router"),
    ("/traces", "tools_app.api_explain.router"),
)
for _prefix, _router in ROUTERS:
    api.add_router(_prefix, _router)

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("ask/", include("tools_app.ask")),
    path("api/", api.urls),
    path("v1/", include("conversations.openai_compatible")),
    path("schema/openapi.json", openapi, name="openapi"),
    path("schema/swagger", page("schema/swagger.html")),
    path("schema/redoc", page("schema/redoc.html")),
    path("health/live", health.live),
    path("health/ready", health.ready),
]

handler400 = "magnet.web.problems.bad_request"
handler403 = "magnet.web.problems.permission_denied"
handler404 = "magnet.web.problems.page_not_found"
handler500 = "magnet.web.problems.server_error"
