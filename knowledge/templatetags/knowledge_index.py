"""What the overview of a source says of its index: a wish that waits, or a generation under construction."""

from __future__ import annotations

from typing import Any

from django import template

register = template.Library()


@register.inclusion_tag("knowledge/source_index_notice.html")
def index_notice(source: Any) -> dict[str, Any]:
    # The admin loads templates' tags while it is loaded itself.
    from knowledge.admin.generations import progress_of, wants_reindex

    building = source.building_index
    return {
        "source": source,
        "progress": progress_of(building) if building else None,
        "is_wish": building is None and wants_reindex(source),
    }
