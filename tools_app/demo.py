"""The demo: Magnet's own handbook as a knowledge source, and a RAG tool that answers from it. Seeded once."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import transaction

from knowledge import sync
from knowledge.models import KnowledgeSource, SyncRun
from magnet import groups
from magnet.default_prompts import ensure_default_prompts
from magnet.models import AIModel, AuditEntry
from magnet.provisioning import ensure_providers
from tools_app.models import RagTool

SLUG = "handbook"
# The entry in the audit is what remembers: who deletes the demo does not want it back with the next start.
SEEDED = "seeded the demo with"


def seed() -> SyncRun | None:
    """Make what every installation needs; the first time, also the handbook, which is indexed before this returns.

    Returns the first sync, or None where the demo was seeded before.
    """
    ensure_providers()
    ensure_default_prompts()
    groups.seed()
    source = _seed_handbook()
    if source is None:
        return None
    return sync.run_to_end(sync.start(source, trigger="demo"))


@transaction.atomic
def _seed_handbook() -> KnowledgeSource | None:
    if AuditEntry.objects.filter(verb=SEEDED).exists():
        return None
    source = KnowledgeSource.objects.filter(slug=SLUG).first() or _source()
    AuditEntry.record(SEEDED, source)
    if not RagTool.objects.filter(slug=SLUG).exists():
        RagTool.objects.create_live(
            slug=SLUG,
            name="Ask the handbook",
            description="Answers questions about Magnet from its handbook. Try it, change it, or delete it.",
            # As measured with questions that the handbook does not answer.
            settings={"sources": [source], "minimum_score": 0.2},
        )
    return source


def _source() -> KnowledgeSource:
    values: dict[str, Any] = {
        "slug": SLUG,
        "name": "Magnet handbook",
        "description": "The handbook of Magnet, as it came with this release.",
        "connector": "folder",
        "config": {"path": str(settings.BASE_DIR / "docs" / "handbook"), "patterns": ["*.md"]},
        "embedding_model": AIModel.objects.default_for("embedding"),
        # A new release brings a new handbook.
        "schedule": KnowledgeSource.Schedule.DAILY,
        "language": "en",
    }
    source = KnowledgeSource(**values)
    source.plan_next_sync()
    # Not proved: where the operator has closed its folder, the sync says so, and the start goes on.
    source.save()
    return source
