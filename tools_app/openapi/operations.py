"""The operations of a document: named stably, listed cheaply, and made into calls one by one; few are chosen."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from magnet.cleaning import storable
from magnet.errors import InvalidInput
from magnet.json_schema import check_schema
from tools_app.openapi.arguments import arguments_of, as_list, is_json
from tools_app.openapi.references import References

# But for TRACE, which servers answer with what they were sent.
METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
MOST_OPERATIONS = 20_000
LONGEST_SCHEMA = 400_000
LONGEST_ID, LONGEST_PATH, LONGEST_TEXT, LONGEST_EXAMPLE = 200, 2_000, 4_000, 20_000


@dataclass(frozen=True)
class Outline:
    """An operation as a list names it. `id` is stable from one import to the next."""

    id: str
    method: str
    path: str
    summary: str
    tag: str
    is_deprecated: bool
    node: dict[str, Any] = field(repr=False, compare=False)
    shared: Any = field(repr=False, compare=False, default=None)
    # Why it cannot be imported, known without looking inside.
    fault: str = ""


@dataclass(frozen=True)
class Operation:
    """Everything that a tool takes over from an operation."""

    id: str
    method: str
    path: str
    name: str
    description: str
    arguments: dict[str, Any]
    places: dict[str, dict[str, Any]]
    body_type: str
    example: str = ""


def outlines(document: dict[str, Any]) -> list[Outline]:
    """All operations, in the order of the document. Raises InvalidInput where there are too many."""
    found = list(_found(document))
    if not found:
        raise InvalidInput("The document describes no operations, so there is nothing to call.")
    if len(found) > MOST_OPERATIONS:
        raise InvalidInput(f"The document describes more than {MOST_OPERATIONS:,} operations.")
    return found


def _found(document: dict[str, Any]) -> Iterator[Outline]:
    nodes = [(item, method, node) for item in _items(document) for method, node in _methods(item.node)]
    counted = Counter(_own_id(node) for _item, _method, node in nodes)
    taken: set[str] = set()
    for item, method, node in nodes:
        own, tags = _own_id(node), as_list(node.get("tags"))
        # Whoever has no name, or not alone, is known by method and path: whatever order they stand in.
        id_ = own if own and counted[own] == 1 else _made_id(own, method=method, path=item.path)
        yield Outline(
            id=_free_id(id_, taken),
            method=method.upper(),
            path=storable(item.path)[:LONGEST_PATH],
            summary=_text(node.get("summary") or node.get("description"), longest=200),
            tag=storable(str(tags[0])[:100]) if tags else "",
            is_deprecated=node.get("deprecated") is True,
            node=node,
            shared=item.node.get("parameters"),
            fault=item.fault or fault_of(item.path),
        )


def _free_id(wanted: str, taken: set[str]) -> str:
    id_, number = wanted, 1
    while id_ in taken:
        number += 1
        id_ = f"{wanted[: LONGEST_ID - 8]}-{number}"
    taken.add(id_)
    return id_


def fault_of(path: str) -> str:
    if not path.startswith("/"):
        return "Its path does not begin with a slash."
    if len(path) > LONGEST_PATH or re.search(r"[\s?#\\\x00-\x1f]", path):
        return "Its path is very long, or holds a blank, a question mark or a hash."
    return ""


@dataclass(frozen=True)
class _Item:
    """What stands under one path; `fault` says why it cannot be had."""

    path: str
    node: dict[str, Any]
    fault: str = ""


def _items(document: dict[str, Any]) -> Iterator[_Item]:
    references = References(document)
    for path, node in document["paths"].items():
        if str(path).startswith("x-"):
            continue
        try:
            yield _Item(str(path), references.resolved(node, what=f"The path {str(path)[:200]}"))
        except InvalidInput as error:
            # Named all the same, so that whoever looks for it reads why it cannot be had.
            yield _Item(str(path), {"get": {"summary": "This path is described elsewhere."}}, fault=error.detail)


def _methods(item: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((method, node) for method in METHODS if isinstance(node := item.get(method), dict))


def _own_id(node: dict[str, Any]) -> str:
    own = node.get("operationId")
    return storable(str(own)[:LONGEST_ID]).strip() if isinstance(own, str | int | float) else ""


def _made_id(own: str, *, method: str, path: str) -> str:
    words = re.sub(r"[^A-Za-z0-9]+", "-", path).strip("-") or "root"
    return "-".join(part for part in (own, method, words) if part)[:LONGEST_ID]


def built(document: dict[str, Any], outline: Outline) -> Operation:
    """Raises InvalidInput, in a sentence that names the operation, where it cannot be called."""
    if outline.fault:
        raise InvalidInput(f"{outline.method} {outline.path}: {outline.fault}")
    references = References(document)
    consumes = [str(name) for name in as_list(document.get("consumes"))]
    try:
        made = arguments_of(
            outline.node, shared=outline.shared, references=references, consumes=consumes, path=outline.path
        )
        schema = usable(small(made.schema))
    except InvalidInput as error:
        raise InvalidInput(f"{outline.method} {outline.path}: {error.detail}") from error
    return Operation(
        id=outline.id,
        method=outline.method,
        path=outline.path,
        name=(outline.summary.rstrip(".") or outline.id)[:200],
        description=description_of(outline.node),
        arguments=storable(schema),
        places=storable(made.places),
        body_type=storable(made.body_type[:200]),
        example=example_of(outline.node, references),
    )


def small(schema: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(schema)) > LONGEST_SCHEMA:
        raise InvalidInput("What its arguments may be takes too many words for a model to read.")
    return schema


def usable(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema, without its patterns where one of them is in a dialect that is not ours."""
    try:
        check_schema(schema)
    except InvalidInput:
        schema = without(schema, names={"pattern", "patternProperties"})
        check_schema(schema)
    return schema


def without(node: Any, *, names: set[str]) -> Any:
    if isinstance(node, list):
        return [without(item, names=names) for item in node]
    if not isinstance(node, dict):
        return node
    inner = {key: without(value, names=names) for key, value in node.items() if key not in names}
    # A property of that name is no keyword.
    if isinstance(node.get("properties"), dict):
        inner["properties"] = {key: without(value, names=names) for key, value in node["properties"].items()}
    return inner


def description_of(node: dict[str, Any]) -> str:
    said = [_text(node.get(name), longest=LONGEST_TEXT) for name in ("summary", "description")]
    return "\n\n".join(dict.fromkeys(text for text in said if text))


def _text(value: Any, *, longest: int) -> str:
    return str(storable(value)).strip()[:longest] if isinstance(value, str) else ""


def example_of(node: dict[str, Any], references: References) -> str:
    """An answer that the document shows, as text; empty where it shows none."""
    responses = node.get("responses")
    for status in ("200", "201", "default"):
        if isinstance(responses, dict) and status in responses:
            try:
                found = shown(references.resolved(responses[status], what="An answer"), references)
            except InvalidInput:
                return ""
            text = "" if found is None else json.dumps(found, ensure_ascii=False, indent=2)
            return storable(text) if len(text) <= LONGEST_EXAMPLE else ""
    return ""


def shown(response: dict[str, Any], references: References) -> Any:
    old, content = response.get("examples"), response.get("content")
    media: Any = {}
    for name, value in content.items() if isinstance(content, dict) else ():
        if is_json(str(name).partition(";")[0].strip().lower()):
            media = value
            break
    if not isinstance(media, dict) or not media:
        return old.get("application/json") if isinstance(old, dict) else None
    examples = media.get("examples")
    if isinstance(examples, dict) and examples:
        return references.resolved(next(iter(examples.values())), what="An example").get("value")
    return media.get("example")
