"""The cast: rows with sensible values for everything that a test is not about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from knowledge import sync, uploads
from knowledge.models import KnowledgeSource, SyncRun
from knowledge.uploads import PushedDocument
from magnet.models import AIModel, Provider


def local_embedding() -> AIModel:
    """The built-in embedding model, made as the product makes it."""
    found = AIModel.objects.for_use().filter(purpose="embedding", provider__kind="local").order_by("created_at").first()
    if found is None:
        from magnet.provisioning import ensure_providers

        ensure_providers()
        found = AIModel.objects.for_use().get(purpose="embedding", provider__kind="local")
    return found


def openai_provider(base_url: str, **fields: Any) -> Provider:
    provider = Provider(**{"name": "Cloud", "slug": "cloud", "kind": "openai", "base_url": base_url, **fields})
    provider.set_api_key("sk-test")
    provider.save()
    return provider


def source(slug: str = "handbook", **fields: Any) -> KnowledgeSource:
    values = {"name": slug.replace("-", " ").title(), "connector": "upload", **fields}
    values.setdefault("embedding_model", local_embedding())
    return KnowledgeSource.objects.create(slug=slug, **values)


def folder_source(path: Path, slug: str = "folder", **fields: Any) -> KnowledgeSource:
    return source(slug, **{"connector": "folder", "config": {"path": str(path)}, **fields})


def push(to: KnowledgeSource, **texts: str) -> SyncRun | None:
    """Hand in documents (remote_id=text) and index them."""
    pushed = uploads.push(to, [PushedDocument(remote_id=key, text=text) for key, text in texts.items()])
    return sync.run_to_end(pushed.run) if pushed.run else None


def sync_now(which: KnowledgeSource) -> SyncRun:
    return sync.run_to_end(sync.start(which))
