"""A filter as people read it: each comparison as a line of words, and what is nested in brackets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from knowledge.admin.filter_rows import COMPARISONS
from knowledge.filter_language import OWN_FIELDS, Combination, Comparison, Node, parse
from magnet.errors import InvalidInput

BETWEEN = {"and": gettext_lazy("and"), "or": gettext_lazy("or")}


def filter_in_words(given: Mapping[str, Any] | None) -> str:
    """One line for each thing that has to hold; empty without a filter."""
    if not given:
        return ""
    try:
        node = parse(given)
    except InvalidInput as error:
        return error.detail
    return "\n".join(_words(each) for each in _holding(node))


def _holding(node: Node) -> list[Node]:
    if isinstance(node, Combination) and (node.kind == "and" or (node.kind == "or" and len(node.nodes) == 1)):
        return [inner for each in node.nodes for inner in _holding(each)]
    return [node]


def _words(node: Node) -> str:
    if isinstance(node, Comparison):
        return _comparison(node)
    if node.kind == "not":
        return _("not: (%(what)s)") % {"what": _joined(node, "and")}
    return _joined(node, node.kind)


def _joined(node: Combination, kind: str) -> str:
    parts = []
    for each in node.nodes:
        inner = _holding(each)
        said = f" {BETWEEN['and']} ".join(_words(one) for one in inner)
        parts.append(f"({said})" if len(inner) > 1 else said)
    return f" {BETWEEN[kind]} ".join(parts)


def _comparison(node: Comparison) -> str:
    field = f"metadata.{node.field}" if node.is_metadata and node.field in OWN_FIELDS else node.field
    if node.operator == "exists":
        return f"{field} {COMPARISONS['exists' if node.value else 'missing']}"
    if node.operator == "in":
        return f"{field} {_('is one of')} {', '.join(map(_value, node.values))}"
    if node.value is None and node.operator in ("eq", "ne"):
        return f"{field} {COMPARISONS['missing' if node.operator == 'eq' else 'exists']}"
    return f"{field} {COMPARISONS[node.operator]} {_value(node.value)}"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return _("(empty)") if value in (None, "") else str(value)
