"""The demo's agent: it answers questions about Magnet from the handbook. Seeded once, after the handbook."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from agents.models import Agent
from magnet.models import AuditEntry
from tools_app.demo import SEEDED
from tools_app.demo import SLUG as HANDBOOK
from tools_app.models import RagTool

SLUG = "support"
ASK: dict[str, Any] = {
    "kind": "rag",
    "slug": HANDBOOK,
    "description": "Answers a whole question about Magnet from its handbook.",
    "answers_directly": True,
}
TOPICS: list[dict[str, Any]] = [
    {
        "name": "Knowledge and answers",
        "description": (
            "Knowledge sources, documents, uploading files, syncs, searching, passages and citations, RAG tools, "
            "prompt templates, agents, testing and publishing, and why an answer is wrong or a document is missing."
        ),
        "instructions": "Help people to connect what their company knows, and to get good answers from it.",
        "actions": [{**ASK, "name": "ask_the_handbook"}],
    },
    {
        "name": "Running Magnet",
        "description": (
            "Installing, starting and upgrading Magnet, settings of the environment, providers, models and their keys, "
            "API keys and scopes, people and groups, alerts, backup and restore, usage and cost."
        ),
        "instructions": "Help operators and integrators. Give commands and settings exactly as they are written.",
        "actions": [{**ASK, "name": "look_up_the_handbook"}],
    },
]


@transaction.atomic
def seed() -> Agent | None:
    """Make the agent, where it was never made and the handbook's tool is there."""
    was_seeded = AuditEntry.objects.filter(verb=SEEDED, object_type=Agent._meta.label_lower).exists()
    if was_seeded or Agent.objects.filter(slug=SLUG).exists() or not RagTool.objects.filter(slug=HANDBOOK).exists():
        return None
    agent: Agent = Agent.objects.create_live(
        slug=SLUG,
        name="Support",
        description="Answers questions about Magnet. Try it, change it, or delete it.",
        settings={
            "topics": TOPICS,
            "welcome_text": "Hello! Ask me anything about Magnet.",
            "sample_questions": ["How do I add a knowledge source?", "How do I make a backup?"],
        },
    )
    AuditEntry.record(SEEDED, agent)
    return agent
