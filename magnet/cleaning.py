"""What PostgreSQL refuses in texts and JSON, taken out before it is stored."""

from __future__ import annotations

from typing import Any


def storable(value: Any) -> Any:
    """The same JSON value without NUL characters and lone surrogates, which no column can hold."""
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {storable(str(key)): storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    return value
