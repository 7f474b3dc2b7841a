"""Vector stores of others: a pgvector table, and a collection of Qdrant, as records with a text and a vector."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from knowledge.connectors.rest import HeaderSignIn, RestClient, quoted
from knowledge.connectors.sql_dialects import Dialect, PostgreSQL, Row
from knowledge.connectors.sql_rows import name_of, plain, shown
from knowledge.connectors.sql_statement import Condition
from magnet.errors import SourceError
from magnet.outbound.http import OutboundClient

POINTS_AT_ONCE = 200
VECTOR = "magnet_vector"


@dataclass(frozen=True)
class Fields:
    """Where in a row or a payload each part stands; a dot leads into JSON, as in `metadata.title`."""

    id: str
    text: str
    vector: str = ""
    title: str = ""
    url: str = ""
    metadata: str = ""


@dataclass(frozen=True)
class Record:
    """One text of the store. `mark` changes with the vector."""

    id: str
    text: str
    title: str
    url: str
    metadata: Mapping[str, Any]
    mark: str = ""
    vector: Sequence[float] = ()


class VectorStore(ABC):
    def __init__(self, fields: Fields) -> None:
        self.fields = fields

    @abstractmethod
    def found(self) -> str:
        """One sentence of what is there."""

    @abstractmethod
    def records(self, *, with_marks: bool) -> Iterator[Record]:
        """Every record, without its vector; with marks where a changed vector matters."""

    @abstractmethod
    def record(self, record_id: str) -> Record | None:
        """One record with its vector."""

    def described(self, record_id: str, said: Mapping[str, Any], *, rest: Mapping[str, Any]) -> Record:
        fields = self.fields
        metadata = at(said, fields.metadata) if fields.metadata else rest
        return Record(
            id=record_id,
            text=shown(at(said, fields.text)),
            title=shown(at(said, fields.title)),
            url=shown(at(said, fields.url)),
            metadata=plain(as_object(metadata)),
        )


class PgvectorTable(VectorStore):
    """A table with a column of the type vector or halfvec, as LangChain, LlamaIndex and others make them."""

    def __init__(self, fields: Fields, *, table: str, dialect: Dialect) -> None:
        super().__init__(fields)
        self.dialect = dialect
        self._table = ".".join(dialect.spelling.name(part) for part in table.split("."))
        self._vector = dialect.spelling.name(fields.vector or "embedding")

    def found(self) -> str:
        first = next(self.dialect.rows(self._statement(f"{self._vector}::text"), limit=1), None)
        if first is None:
            return "The table can be read, but it is empty."
        return f"The table can be read. Its vectors have {len(numbers(first[VECTOR])):,} numbers."

    def records(self, *, with_marks: bool) -> Iterator[Record]:
        mark = f"md5({self._vector}::text)" if with_marks else "''"
        for row in self.dialect.rows(self._statement(mark)):
            record = self._record(row)
            yield Record(**{**vars(record), "mark": row[VECTOR] or ""})

    def record(self, record_id: str) -> Record | None:
        condition = Condition(self.fields.id, "=", record_id)
        row = next(self.dialect.rows(self._statement(f"{self._vector}::text"), condition=condition, limit=1), None)
        return Record(**{**vars(self._record(row)), "vector": numbers(row[VECTOR])}) if row else None

    def _statement(self, vector: str) -> str:
        fields = self.fields
        named = (fields.id, fields.text, fields.title, fields.url, fields.metadata)
        columns = dict.fromkeys(name.partition(".")[0] for name in named if name)
        listed = ", ".join(map(self.dialect.spelling.name, columns))
        return f"select {listed}, {vector} as {VECTOR} from {self._table}"  # noqa: S608 - every name is quoted

    def _record(self, row: Row) -> Record:
        return self.described(shown(row[name_of(self.fields.id, row)]), row, rest={})


class QdrantCollection(VectorStore):
    """https://api.qdrant.tech/api-reference/points/scroll-points and /get-point, as of November 2026."""

    def __init__(self, fields: Fields, *, address: str, collection: str, api_key: str, client: OutboundClient) -> None:
        super().__init__(fields)
        sign_in = HeaderSignIn({"api-key": api_key} if api_key else {})
        self.api = RestClient(address, name="Qdrant", client=client, sign_in=sign_in)
        self._path = f"/collections/{quoted(collection)}"

    def found(self) -> str:
        result = self.api.get(self._path)["result"]
        return f"The collection can be read. It holds {int(result.get('points_count') or 0):,} points."

    def records(self, *, with_marks: bool) -> Iterator[Record]:
        wanted: Any = [self.fields.vector] if with_marks and self.fields.vector else with_marks
        body = {"limit": POINTS_AT_ONCE, "with_payload": True, "with_vector": wanted}
        pages = self.api.posted_pages(
            f"{self._path}/points/scroll",
            body,
            parameter="offset",
            cursor_of=lambda page: page["result"].get("next_page_offset"),
        )
        for page in pages:
            for point in page["result"]["points"]:
                mark = json.dumps(self._vector_of(point)) if with_marks else ""
                yield Record(**{**vars(self._record(point)), "mark": mark})

    def record(self, record_id: str) -> Record | None:
        response = self.api.response(f"{self._path}/points/{quoted(record_id)}", accept=(404,))
        if response.status == 404:
            return None
        point = self.api.decoded(response)["result"]
        return Record(**{**vars(self._record(point)), "vector": self._vector_of(point)})

    def _record(self, point: Mapping[str, Any]) -> Record:
        payload = point.get("payload") or {}
        own = {name.partition(".")[0] for name in (self.fields.text, self.fields.title, self.fields.url) if name}
        rest = {name: value for name, value in payload.items() if name not in own}
        return self.described(str(point["id"]), payload, rest=rest)

    def _vector_of(self, point: Mapping[str, Any]) -> Sequence[float]:
        """The dense vector; by its name, where a point has several."""
        given = point.get("vector")
        if isinstance(given, Mapping):
            if self.fields.vector and self.fields.vector not in given:
                raise SourceError(f"The points have no vector named {self.fields.vector}, but {', '.join(given)}.")
            given = given.get(self.fields.vector) if self.fields.vector else next(iter(given.values()), None)
        return numbers(given)


def store_at(
    address: str, fields: Fields, *, table: str, secret: str, client: OutboundClient, dialect: Dialect | None
) -> VectorStore:
    """The store behind an address; `dialect` is the database, where the address names one."""
    if dialect is None:
        return QdrantCollection(fields, address=address, collection=table, api_key=secret, client=client)
    if not isinstance(dialect, PostgreSQL):
        raise SourceError("Vectors are read from PostgreSQL with pgvector, or from Qdrant at an address with https://.")
    return PgvectorTable(fields, table=table, dialect=dialect)


def at(said: Mapping[str, Any], path: str) -> Any:
    """What stands at a path; nothing where it leads nowhere. A column is found in whatever case."""
    found: Any = said
    for step in path.split(".") if path else ():
        found = as_object(found)
        key = next((name for name in found if name == step), None) or next(
            (name for name in found if name.casefold() == step.casefold()), None
        )
        if key is None:
            return None
        found = found[key]
    return found if path else None


def as_object(value: Any) -> Mapping[str, Any]:
    """JSON in a text counts as what it says."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return value if isinstance(value, Mapping) else {}


def numbers(value: Any) -> Sequence[float]:
    """A dense vector, or nothing: `[1,2,3]` is how pgvector writes one."""
    if isinstance(value, str):
        value = json.loads(value)
    if not isinstance(value, list) or not all(isinstance(item, int | float) for item in value):
        return ()
    return tuple(float(item) for item in value)
