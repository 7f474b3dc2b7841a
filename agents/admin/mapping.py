"""The map of an agent: what people come with, and where each topic leads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.urls import NoReverseMatch, reverse

from agents.models import targets


@dataclass(frozen=True)
class Stop:
    """One action on the map: what it calls, and where that is edited; `url` is empty for what is gone."""

    function: str
    name: str
    label: str
    url: str
    is_missing: bool
    asks: bool | None
    is_answer: bool


def map_of(version: Any) -> list[dict[str, Any]]:
    """Each topic with its stops, in their order."""
    if version is None:
        return []
    topics = version.topic_rows.prefetch_related("actions")
    return [{"topic": topic, "stops": list(_stops(topic.actions.all()))} for topic in topics]


def _stops(actions: Iterable[Any]) -> Iterable[Stop]:
    for action in actions:
        target = targets.find(action.kind, action.slug)
        yield Stop(
            function=action.name,
            name=target.name if target else action.slug,
            label=str(targets.LABELS.get(action.kind, action.kind)),
            url=_url_of(target.row) if target and target.row is not None else "",
            is_missing=target is None,
            asks=action.needs_confirmation,
            is_answer=action.answers_directly,
        )


def _url_of(row: Any) -> str:
    try:
        return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    except NoReverseMatch:
        return ""
