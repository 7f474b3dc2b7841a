"""What the overview of a source says of its index: a wish that waits, or a generation under construction."""

from __future__ import annotations

from typing import Any

from django import template

from knowledge import forecast

register = template.Library()


@register.inclusion_tag("knowledge/source_index_notice.html")
def index_notice(source: Any) -> dict[str, Any]:
    # The admin loads templates' tags while it is loaded itself.
    from knowledge.admin.generations import forecast_facts, progress_of, wants_reindex

    building = source.building_index
    unread = forecast.of_unread(source) if source.runs.unfinished().exists() else None
    return {
        "source": source,
        "progress": progress_of(building) if building else None,
        # Cancel the sync when that is more than somebody wants to spend.
        "waiting": forecast_facts(unread) if unread and unread.is_large else [],
        "is_wish": building is None and wants_reindex(source),
    }
