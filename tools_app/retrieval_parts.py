"""What the settings of a search are made of: rows of a filter, boosts of sources, and how rows become a filter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from knowledge.filter_language import OWN_FIELDS, Combination, Comparison, Node, parse
from knowledge.filter_types import Known, KnownField, fault
from magnet.errors import InvalidInput

MOST_FILTER_ROWS, MOST_BOOSTS, MOST_FIELDS = 50, 100, 50
YES, NO = ("true", "yes"), ("false", "no")

ComparisonName = Literal["eq", "ne", "in", "gt", "gte", "lt", "lte", "exists", "contains"]
FieldName = Annotated[str, Field(min_length=1, max_length=200)]


class FilterRow(BaseModel):
    """One line of a filter as people write it; `value` is a text, of `in` several by comma."""

    model_config = ConfigDict(extra="forbid")

    field: FieldName
    comparison: ComparisonName = "eq"
    value: Annotated[str, Field(max_length=2_000)] = ""


class SourceBoost(BaseModel):
    """Scores of passages from this source count so many times as much; below 1, less."""

    model_config = ConfigDict(extra="forbid")

    source: Annotated[str, Field(min_length=1, max_length=200)]
    factor: Annotated[float, Field(ge=0.1, le=10)]


def _each_source_once(boosts: list[SourceBoost]) -> list[SourceBoost]:
    sources = [boost.source for boost in boosts]
    twice = next((source for source in sources if sources.count(source) > 1), None)
    if twice is not None:
        raise ValueError(f"The source {twice} is named twice.")
    return boosts


Boosts = Annotated[list[SourceBoost], Field(max_length=MOST_BOOSTS), AfterValidator(_each_source_once)]
FilterFields = Annotated[list[FieldName], Field(max_length=MOST_FIELDS)]


# -- Rows and filters ----------------------------------------------------------------------------------------------


def rows_of(filter: Mapping[str, Any] | None) -> list[dict[str, Any]] | None:
    """The filter as rows; None for one that says more than rows can, with `or`, `not` or a list that is nested."""
    if not filter:
        return []
    rows = [_row(node) for node in flat(parse(filter))]
    return None if None in rows else [row for row in rows if row is not None]


def flat(node: Node) -> list[Node]:
    if isinstance(node, Combination) and node.kind == "and":
        return [inner for each in node.nodes for inner in flat(each)]
    return [node]


def _row(node: Node) -> dict[str, Any] | None:
    if not isinstance(node, Comparison) or None in node.values:
        return None
    name = node.field if not node.is_metadata or node.field not in OWN_FIELDS else f"metadata.{node.field}"
    written = [_written(value) for value in node.values]
    if node.operator == "in" and any("," in value for value in written):
        return None
    return {"field": name, "comparison": node.operator, "value": ", ".join(written)}


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def filter_of(rows: Iterable[FilterRow], known: Known) -> dict[str, Any]:
    """The filter that these rows make, their values of the types that the fields have.

    Raises InvalidInput, which lists the fields that there are.
    """
    return together([{row.field: {row.comparison: typed(row, known)}} for row in rows])


def together(filters: Sequence[Mapping[str, Any] | None]) -> dict[str, Any]:
    """All of them have to hold; {} where there is none."""
    said = [dict(filter) for filter in filters if filter]
    if len(said) < 2:
        return said[0] if said else {}
    return {"and": said}


def typed(row: FilterRow, known: Known) -> Any:
    """The value as the language of filters has it. Raises InvalidInput."""
    if row.comparison == "exists":
        return _boolean(row, default=True)
    field = known.get(row.field.removeprefix("metadata.")) if row.field not in OWN_FIELDS else None
    if row.comparison == "in":
        values = [part.strip() for part in row.value.split(",") if part.strip()]
        return [_typed(value, row, field) for value in values]
    return _typed(row.value.strip(), row, field)


def _typed(value: str, row: FilterRow, field: KnownField | None) -> Any:
    types = field.types if field else ("text",)
    if "boolean" in types and value.lower() in (*YES, *NO):
        return value.lower() in YES
    if "number" in types and (number := _number(value)) is not None:
        return number
    return value


def _number(value: str) -> int | float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    if number != number or number in (float("inf"), float("-inf")):
        return None
    return int(number) if number.is_integer() else number


def _boolean(row: FilterRow, *, default: bool) -> bool:
    said = row.value.strip().lower()
    if not said:
        return default
    if said not in (*YES, *NO):
        raise InvalidInput(f"Whether a document has “{row.field}” is said with yes or no, not with “{row.value[:50]}”.")
    return said in YES


# -- A filter that a model chose -------------------------------------------------------------------------------------


def chosen_filter(rows: Any, *, among: Sequence[str], known: Known) -> tuple[dict[str, Any], list[str]]:
    """The comparisons that may be used of those that a model wrote, and in sentences why others were left out."""
    kept: list[dict[str, Any]] = []
    refused: list[str] = []
    for given in rows if isinstance(rows, list) else []:
        try:
            row = FilterRow.model_validate(given)
            if row.field not in among:
                refused.append(f"“{row.field}” is not among the fields that may be chosen.")
                continue
            comparison = {row.field: {row.comparison: typed(row, known)}}
            if said := next((said for node in flat(parse(comparison)) if (said := _misfit(node, known))), ""):
                refused.append(said)
                continue
        except ValueError as error:
            refused.append(f"This is no comparison: {str(error).splitlines()[0]}.")
            continue
        except InvalidInput as error:
            refused.append(error.detail)
            continue
        kept.append(comparison)
    return together(kept), refused


def _misfit(node: Node, known: Known) -> str:
    return fault(node, known) if isinstance(node, Comparison) else ""
