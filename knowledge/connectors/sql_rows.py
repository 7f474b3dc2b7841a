"""Rows become documents: which column is the title, the text, the address and the rest."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from knowledge.connectors.base import Content, RemoteDocument
from magnet.errors import ListingFailed

PLACE = re.compile(r"\{([^{}]+)\}")
MEDIA_TYPES = {"text": "text/plain", "markdown": "text/markdown", "html": "text/html"}


@dataclass(frozen=True)
class Mapped:
    """Where in a row each part of a document stands: the name of a column, or a sentence with {columns}."""

    id: str
    text: str
    title: str = ""
    url: str = ""
    metadata: Sequence[str] = ()
    groups: str = ""
    text_format: str = "text"

    def document(self, row: Mapping[str, Any]) -> RemoteDocument | None:
        """The document of a row; None where it has no id or no text."""
        fields = Row(row)
        remote_id, text = shown(fields.value(self.id)).strip(), fields.filled(self.text)
        if not remote_id or not text.strip():
            return None
        title, url = fields.filled(self.title), fields.filled(self.url, encode=True)
        metadata = {name: plain(fields.value(name)) for name in self.metadata}
        groups = groups_of(fields.value(self.groups)) if self.groups else None
        return RemoteDocument(
            remote_id=remote_id,
            title=title,
            url=url,
            media_type=MEDIA_TYPES[self.text_format],
            version=fingerprint(self.text_format, title, url, text, metadata, groups),
            metadata=metadata,
            groups=groups,
            content=Content(text.encode("utf-8", "replace"), MEDIA_TYPES[self.text_format]),
        )

    def remote_id(self, row: Mapping[str, Any]) -> str:
        return shown(Row(row).value(self.id)).strip()


class Row:
    """A row whose columns are found as people write them: databases change the case of names."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        self._row = row

    def value(self, column: str) -> Any:
        return self._row[name_of(column, self._row)]

    def filled(self, template: str, *, encode: bool = False) -> str:
        """The value of a column, or a sentence in which each {column} is replaced by its value."""
        if not template:
            return ""
        if not PLACE.search(template):
            return shown(self.value(template))

        def found(place: re.Match[str]) -> str:
            said = shown(self.value(place[1].strip()))
            return quote(said, safe="") if encode else said

        return PLACE.sub(found, template)


def name_of(column: str, names: Mapping[str, Any]) -> str:
    """A column as the database spells it."""
    if column in names:
        return column
    found = [name for name in names if name.casefold() == column.casefold()]
    if len(found) == 1:
        return found[0]
    raise ListingFailed(
        f"The query returns no column named “{column}”. It returns: {', '.join(names)}. Correct the name, or the query."
    )


def shown(value: Any) -> str:
    """A value as text; nothing for NULL."""
    if value is None:
        return ""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, dict | list):
        return json.dumps(plain(value), ensure_ascii=False)
    return str(value)


def plain(value: Any) -> Any:
    """A value as JSON can hold it, for metadata that can be filtered by."""
    if isinstance(value, Decimal):
        value = int(value) if value.is_finite() and value == value.to_integral_value() else float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(item) for item in value]
    return shown(value)


def groups_of(value: Any) -> tuple[str, ...]:
    """The groups that may read a row: an array, a JSON list, or names with commas. Nobody where nothing is said."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except ValueError:
            return ()
    if isinstance(value, list | tuple | set):
        return tuple(name for name in map(shown, value) if name)
    return tuple(name.strip() for name in re.split("[,;]", shown(value)) if name.strip())


def is_filled(value: Any) -> bool:
    """Whether a mark such as deleted_at or is_deleted is set."""
    return bool(value) and str(value).strip().casefold() not in {"0", "f", "n", "no", "false", ""}


def fingerprint(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False, default=str).encode("utf-8", "replace")).hexdigest()
