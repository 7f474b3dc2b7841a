"""What the pages of traces call agents."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.urls import reverse

from agents.models import Agent
from magnet.admin.naming import Name, brings_names


@brings_names("agent")
def agent_names(slugs: Iterable[Any]) -> dict[Any, Name]:
    rows = Agent.objects.filter(slug__in=slugs).only("pk", "slug", "name")
    return {row.slug: Name(row.name, reverse("admin:agents_agent_change", args=[row.pk])) for row in rows}
