"""Whether a filter fits the fields that there are: each field known, each value of its type; says it in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from knowledge.filter_language import ORDERINGS, OWN_FIELDS, Comparison, Node, Scalar, comparisons
from knowledge.metadata_fields import FieldType, period
from magnet.errors import InvalidInput

# So many fields are named in the sentence; programs get all of them.
MOST_NAMED = 25
A_TYPE: dict[str, str] = {
    "text": "a text", "number": "a number", "boolean": "true or false", "date": "a date", "list": "a list"
}  # fmt: skip
TAKES: dict[str, str] = {**A_TYPE, "date": "a date such as 2024-05-31", "list": "one value"}


@dataclass(frozen=True)
class KnownField:
    """A field that filters may name. It has several types where documents disagree, the usual one first."""

    name: str
    types: tuple[FieldType, ...]
    examples: tuple[str, ...] = ()
    # How many of the documents that were looked at have it.
    documents: int = 0

    @property
    def type(self) -> FieldType:
        return self.types[0]

    def __str__(self) -> str:
        return f"{self.name} ({' or '.join(self.types)})"


Known = Mapping[str, KnownField]


def check(node: Node, known: Known) -> None:
    """Raises InvalidInput for the first field that is not known and the first value that does not fit its field."""
    for comparison in comparisons(node):
        if said := fault(comparison, known):
            raise InvalidInput(f"{said} {allowed(known)}", allowed=[_shown(field) for field in known.values()])


def doubtful(node: Node, known: Known) -> set[str]:
    """The fields that a closer look at the documents could still know, or know otherwise."""
    return {each.field for each in comparisons(node) if fault(each, known)}


def fault(comparison: Comparison, known: Known) -> str:
    """What is wrong with it, in a sentence; empty while nothing is."""
    if not comparison.is_metadata:
        return ""
    field = known.get(comparison.field)
    if field is None:
        return f"There is no field “{comparison.field}” to filter by."
    for value in comparison.values:
        if not any(fits(type_, comparison.operator, value) for type_ in field.types):
            return _misfit(field, comparison.operator, value)
    return ""


def fits(type_: FieldType, operator: str, value: Scalar) -> bool:
    if operator == "exists":
        return True
    if operator in ORDERINGS and type_ in ("boolean", "list"):
        return False
    if operator == "contains" and type_ not in ("text", "list"):
        return False
    if value is None:
        return operator not in ORDERINGS
    if type_ == "list":
        return True
    if isinstance(value, bool):
        return type_ == "boolean"
    if isinstance(value, str):
        return type_ == "text" or (type_ == "date" and period(value) is not None)
    return type_ == "number"


def allowed(known: Known) -> str:
    """What can be filtered, for the person who has to write it."""
    of_documents = f"{', '.join(OWN_FIELDS[:-1])} and {OWN_FIELDS[-1]}"
    if not known:
        return f"The documents searched carry no metadata; a filter can name {of_documents}."
    named = [str(field) for field in list(known.values())[:MOST_NAMED]]
    more = f" and {len(known) - len(named)} more" if len(known) > len(named) else ""
    return f"There are {', '.join(named)}{more}, and of each document {of_documents}."


def _misfit(field: KnownField, operator: str, value: Scalar) -> str:
    is_a = " or ".join(A_TYPE[type_] for type_ in field.types)
    accepting = [type_ for type_ in field.types if any(fits(type_, operator, one) for one in ("2024", 1, True))]
    if not accepting:
        return f"“{field.name}” is {is_a}, which “{operator}” cannot compare."
    takes = " or ".join(TAKES[type_] for type_ in accepting)
    shown = str(value) if not isinstance(value, bool) else str(value).lower()
    return f"“{field.name}” is {is_a}, so “{operator}” takes {takes}, not “{shown[:60]}”."


def _shown(field: KnownField) -> dict[str, str]:
    return {"name": field.name, "type": field.type}
