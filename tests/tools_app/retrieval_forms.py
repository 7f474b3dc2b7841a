"""What the form of a tool with sources sends for its search: everything that it shows, as a browser writes it."""

from __future__ import annotations

from typing import Any

from tools_app.models.retrieval_settings import RETRIEVAL_SETTINGS
from tools_app.retrieval_parts import rows_of

OTHERWISE = ("fixed_filter", "filter_fields", "source_boosts", "rerank_model")


def retrieval_settings(version: Any, **changes: Any) -> dict[str, Any]:
    """`fixed_filter` and `source_boosts` in `changes` are lists of rows."""
    plain = {name: getattr(version, name) for name in RETRIEVAL_SETTINGS if name not in OTHERWISE}
    ticked = {
        name: "on" if value is True else value
        for name, value in plain.items()
        if value is not None and value is not False
    }
    sent = {
        **ticked,
        "filter_fields": version.filter_fields,
        "sources": [row.source_id for row in version.tool_sources.all()],
        **({"rerank_model": version.rerank_model_id} if version.rerank_model_id else {}),
        **changes,
    }
    rows = {
        "fixed_filter": sent.pop("fixed_filter", rows_of(version.fixed_filter) or []),
        "source_boosts": sent.pop("source_boosts", version.source_boosts),
    }
    for name, lines in rows.items():
        for number, line in enumerate(lines):
            sent |= {f"{name}-{number}-{column}": value for column, value in line.items()}
    return sent
