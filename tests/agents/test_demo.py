"""The demo's agent works without a key and without a network, and what was deleted stays deleted."""

from __future__ import annotations

import pytest
from django.core.management import call_command

from agents.models import Agent
from magnet.database import in_database
from tests.agents.acting import take

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("question", "topic"),
    [
        ("How do I add a knowledge source?", "knowledge-and-answers"),
        ("Why is my document missing in the answer?", "knowledge-and-answers"),
        ("How do I make a backup and restore it?", "running-magnet"),
        ("Where do I enter the key of a provider?", "running-magnet"),
    ],
)
async def test_it_answers_from_the_handbook(transactional_db, settings, tmp_path, question, topic) -> None:
    settings.MEDIA_ROOT = tmp_path
    await in_database(call_command, "demo", verbosity=0)

    told = await take(question)

    assert told.end["topic"] == topic
    assert told.end["is_extractive"]
    assert any(passage["is_cited"] for passage in told.end["passages"])


async def test_who_deletes_it_does_not_get_it_back(transactional_db, settings, tmp_path) -> None:
    settings.MEDIA_ROOT = tmp_path
    await in_database(call_command, "demo", verbosity=0)
    await in_database(lambda: Agent.objects.all().delete())

    await in_database(call_command, "demo", verbosity=0)

    assert not await in_database(Agent.objects.exists)
