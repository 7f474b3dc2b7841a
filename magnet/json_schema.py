"""The one place that checks a value against a JSON schema: bounded, without the network, and in sentences.

The work is done by jsonschema-rs: all drafts, in Rust, with a limit on the steps of a pattern, so that no regular
expression runs for ever. What it has no limits for is measured here first: a value nested deeply enough ends the
process inside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import jsonschema_rs

from magnet.errors import InvalidInput

DEEPEST_SCHEMA, LARGEST_SCHEMA = 60, 50_000
DEEPEST_VALUE, LARGEST_VALUE = 200, 1_000_000
# With each definition counted as often as it is referred to.
MOST_REFERRED = 100_000
MOST_FAULTS = 20
LONGEST_SENTENCE = 300
# Steps of one pattern on one text: some milliseconds.
MOST_BACKTRACKING = 100_000
MOST_REGEX_BYTES = 1_000_000
# Compiled schemas that a process keeps, the latest used.
MOST_COMPILED = 500


def faults(schema: dict[str, Any], value: Any) -> list[str]:
    """What does not fit, one sentence each, at most MOST_FAULTS; empty where everything does.

    Raises InvalidInput where the schema itself cannot be used.
    """
    if is_beyond(value, depth=DEEPEST_VALUE, size=LARGEST_VALUE):
        return [f"The value is nested deeper than {DEEPEST_VALUE} levels or has more than {LARGEST_VALUE:,} parts."]
    validator = _compiled(_written(schema))
    return [_sentence(error) for error, _ in zip(_errors(validator, value), range(MOST_FAULTS), strict=False)]


def check_schema(schema: Any) -> None:
    """Raises InvalidInput, in a sentence, for what is no JSON schema or larger than we compile."""
    if not isinstance(schema, dict):
        raise InvalidInput("A JSON schema is an object, such as {“type”: “object”, “properties”: {…}}.")
    _compiled(_written(schema))


def _written(schema: dict[str, Any]) -> str:
    if is_beyond(schema, depth=DEEPEST_SCHEMA, size=LARGEST_SCHEMA):
        raise InvalidInput(
            f"The JSON schema is nested deeper than {DEEPEST_SCHEMA} levels or has more than {LARGEST_SCHEMA:,} parts. "
            "Make it simpler."
        )
    _refuse_multiplying(schema)
    try:
        return json.dumps(schema)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"The JSON schema holds something that is not JSON: {error}.") from error


@lru_cache(maxsize=MOST_COMPILED)
def _compiled(schema: str) -> jsonschema_rs.Validator:
    try:
        return jsonschema_rs.validator_for(
            json.loads(schema),
            validate_formats=True,
            retriever=_refuse_to_fetch,
            pattern_options=jsonschema_rs.FancyRegexOptions(
                backtrack_limit=MOST_BACKTRACKING, size_limit=MOST_REGEX_BYTES
            ),
        )
    except (jsonschema_rs.ValidationError, ValueError) as error:
        raise InvalidInput(f"This is not a JSON schema that can be used: {_reason(error)}") from error


def _refuse_multiplying(schema: dict[str, Any]) -> None:
    """Twenty definitions that each refer twice to the next one are a million to the validator."""
    targets = _targets(schema)
    costs: dict[int, int] = {}

    def cost(node: Any) -> int:
        if id(node) in costs:
            return costs[id(node)]
        # What refers back to itself goes on only as deep as the value.
        costs[id(node)] = 0
        refs = (node.get("$ref"), node.get("$dynamicRef")) if isinstance(node, dict) else ()
        referred = [targets[unquote(ref)] for ref in refs if isinstance(ref, str) and unquote(ref) in targets]
        costs[id(node)] = 1 + sum(cost(part) for part in (*_parts(node), *referred) if isinstance(part, dict | list))
        return costs[id(node)]

    try:
        is_too_much = cost(schema) > MOST_REFERRED
    except RecursionError:
        is_too_much = True
    if is_too_much:
        raise InvalidInput("The definitions of the JSON schema refer to each other too often. Make it simpler.")


def _targets(schema: dict[str, Any]) -> dict[str, Any]:
    """What references may name inside of a schema: places, anchors and ids."""
    found: dict[str, Any] = {}
    level: list[tuple[str, Any]] = [("#", schema)]
    while level:
        found.update(level)
        for _, node in level:
            if isinstance(node, dict):
                named = {f"#{node.get('$anchor')}", f"#{node.get('$dynamicAnchor')}", str(node.get("$id"))}
                found.update(dict.fromkeys(named, node))
        level = [pair for place, node in level for pair in _placed(place, node)]
    return found


def _placed(place: str, node: Any) -> Iterator[tuple[str, Any]]:
    parts: Any = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, part in parts:
        yield f"{place}/{str(key).replace('~', '~0').replace('/', '~1')}", part


def _refuse_to_fetch(uri: str) -> Any:
    raise ValueError(f"{uri} lies outside of the schema, and references are never fetched")


def _reason(error: Exception) -> str:
    if not isinstance(error, jsonschema_rs.ValidationError):
        return _cut(str(error))
    place = _place(error.instance_path)
    return _cut(f"{f'at {place}: ' if place else ''}{error.message}")


def _errors(validator: jsonschema_rs.Validator, value: Any) -> Iterator[jsonschema_rs.ValidationError]:
    try:
        yield from validator.iter_errors(value)
    except ValueError as error:
        # Numbers and texts that are not JSON, such as an infinite one.
        raise InvalidInput(f"The value holds something that is not JSON: {error}.") from error


def _sentence(error: jsonschema_rs.ValidationError) -> str:
    place, kind = _place(error.instance_path), error.kind
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Required):
        return f"`{'.'.join(part for part in (place, str(kind.property)) if part)}` is missing."
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.AdditionalProperties):
        where = f" in `{place}`" if place else ""
        return _cut(f"There is no {', '.join(f'`{name}`' for name in kind.unexpected)}{where}.")
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.BacktrackLimitExceeded):
        return f"`{place}` cannot be checked: its pattern takes too many steps."
    return _cut(f"`{place}`: {error.message}" if place else f"The value: {error.message}")


def _place(path: list[str | int]) -> str:
    return ".".join(str(part) for part in path)


def _cut(text: str) -> str:
    """One short sentence: messages quote the value, which may be a whole document."""
    text = " ".join(text.split())
    return f"{text[:LONGEST_SENTENCE]}…" if len(text) > LONGEST_SENTENCE else f"{text.rstrip('.')}."


def is_beyond(value: Any, *, depth: int, size: int) -> bool:
    """Whether `value` is too deep or too large, found out without recursion."""
    level: list[Any] = [value]
    counted = 0
    for _ in range(depth):
        counted += len(level)
        if counted > size:
            return True
        level = [part for item in level for part in _parts(item)]
        if not level:
            return False
    return True


def _parts(item: Any) -> Any:
    if isinstance(item, dict):
        return item.values()
    return item if isinstance(item, list | tuple) else ()
