"""Foresees how much work a JSON schema is to whoever checks a value against it, because nothing stops the check later.

Two things make little text endless work: definitions that refer to each other several times, and definitions that refer
to themselves several times, which double the work with each level of the value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urljoin

from magnet.errors import InvalidInput

REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
# What a schema says of itself rather than of a value, built into every validator.
METASCHEMAS = ("http://json-schema.org/", "https://json-schema.org/")
MAPS = frozenset({"properties", "patternProperties", "dependentSchemas", "dependencies", "$defs", "definitions"})
PLAIN_VALUES = frozenset({"const", "enum", "default", "examples", "example"})
# Keywords whose schemas all look at the same value, or at the same part of it.
ADDED_UP = frozenset(
    {
        *("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "items", "additionalItems", "unevaluatedItems"),
        *("contains", "additionalProperties", "unevaluatedProperties", "propertyNames"),
        *("patternProperties", "dependentSchemas", "dependencies"),
    }
)
# Keywords of which each part of a value meets one schema.
ONE_EACH = frozenset({"properties", "prefixItems"})
UNEVALUATED = frozenset({"unevaluatedItems", "unevaluatedProperties"})
MOST_GROWTH = 1_000_000


@dataclass(frozen=True)
class Cost:
    # The schema's parts, each definition counted as often as it is referred to; None where they cannot be counted.
    parts: int | None
    # By how much each level of a value multiplies the work; 1 where nothing does.
    growth: int


def cost_of(schema: Any) -> Cost:
    """Of a schema as json.loads makes it. Raises InvalidInput for a reference that leads out of it."""
    places = _Places(schema)
    try:
        return Cost(parts=_Counting(places).parts(schema), growth=_Growing(places).growth(schema))
    except RecursionError:
        return Cost(parts=None, growth=MOST_GROWTH)


class _Places:
    """Where references lead, as the validator will follow them: by address, by anchor and by place."""

    def __init__(self, schema: Any) -> None:
        # The schemas with an address of their own around each node, the outermost first.
        self.around: dict[int, tuple[tuple[str, Any], ...]] = {}
        self.resources: dict[str, Any] = {}
        self.anchors: dict[str, list[Any]] = {}
        # Objects whose keys are names and no keywords.
        self.maps: set[int] = set()
        # Kept, because ids of objects are only good while these live.
        self.schema = schema
        level: list[tuple[Any, tuple[tuple[str, Any], ...]]] = [(schema, (("", schema),))]
        while level:
            level = [(part, self.noted(node, around)) for node, around in level for part in parts_of(node)]

    def noted(self, node: Any, around: tuple[tuple[str, Any], ...]) -> tuple[tuple[str, Any], ...]:
        if isinstance(node, dict):
            around = self.with_own_address(node, around)
            names = () if id(node) in self.maps else MAPS & node.keys()
            self.maps.update(id(node[name]) for name in names if isinstance(node[name], dict))
            for name in ("$anchor", "$dynamicAnchor"):
                if isinstance(node.get(name), str):
                    self.anchors.setdefault(node[name], []).append(node)
        self.around[id(node)] = around
        return around

    def with_own_address(
        self, node: dict[str, Any], around: tuple[tuple[str, Any], ...]
    ) -> tuple[tuple[str, Any], ...]:
        for name in ("$id", "id"):
            own = node.get(name)
            if isinstance(own, str) and own:
                address, _, anchor = own.partition("#")
                if anchor:
                    self.anchors.setdefault(anchor, []).append(node)
                if address:
                    address = joined(around[-1][0], address)
                    self.resources[address] = node
                    around = (*around, (address, node))
        return around

    def targets(self, node: Any) -> list[Any]:
        """What `node` refers to, every reading of it. Raises InvalidInput where it leads out of the schema."""
        if not isinstance(node, dict) or id(node) in self.maps:
            return []
        found: list[Any] = []
        for name in REFERENCES:
            ref = node.get(name)
            if isinstance(ref, str) and not ref.startswith(METASCHEMAS):
                found += self.at(ref, around=self.around[id(node)])
        return found

    def at(self, ref: str, *, around: tuple[tuple[str, Any], ...]) -> list[Any]:
        address, _, fragment = ref.partition("#")
        known = [self.resources.get(joined(base, address)) if address else root for base, root in around]
        roots = list({id(root): root for root in known if root is not None}.values())
        place = unquote(fragment)
        if place and not place.startswith("/"):
            found = self.anchors.get(place, [])
        else:
            found = [node for root in roots for node in walked(root, place)]
        if not found:
            raise InvalidInput(f"{ref[:200]} lies outside of the schema, and references are never fetched.")
        return found

    def inside(self, node: Any) -> Iterator[tuple[str, Any]]:
        """The parts of a schema that may be schemas, each with its keyword."""
        if isinstance(node, dict):
            is_map = id(node) in self.maps
            pairs = ((key, part) for key, part in node.items() if is_map or key not in PLAIN_VALUES)
        else:
            pairs = (("", part) for part in parts_of(node))
        return ((key, part) for key, part in pairs if isinstance(part, dict | list))


class _Counting:
    def __init__(self, places: _Places) -> None:
        self.places = places
        self.known: dict[int, int] = {}

    def parts(self, node: Any) -> int:
        if id(node) in self.known:
            return self.known[id(node)]
        # What refers back to itself goes on only as deep as the value.
        self.known[id(node)] = 0
        found = [*(part for _, part in self.places.inside(node)), *self.places.targets(node)]
        self.known[id(node)] = 1 + sum(map(self.parts, found))
        return self.known[id(node)]


class _Growing:
    """Counts the ways that lead from a definition back to itself, or to one that is being followed."""

    def __init__(self, places: _Places) -> None:
        self.places = places
        self.known: dict[int, int] = {}
        self.open: set[int] = set()
        self.most = 1

    def growth(self, schema: Any) -> int:
        self.ways_from(schema)
        return min(self.most, MOST_GROWTH)

    def ways_from(self, target: Any) -> int:
        if id(target) in self.open:
            return 1
        if id(target) not in self.known:
            self.open.add(id(target))
            self.known[id(target)] = self.ways(target)
            self.open.discard(id(target))
            self.most = max(self.most, self.known[id(target)])
        return self.known[id(target)]

    def ways(self, node: Any) -> int:
        if isinstance(node, list):
            return sum(map(self.ways, node))
        if not isinstance(node, dict):
            return 0
        found = sum(map(self.ways_from, self.places.targets(node)))
        for key, part in self.places.inside(node):
            if key in ONE_EACH:
                found += max(map(self.ways, parts_of(part)), default=0)
            elif key in ADDED_UP:
                found += sum(map(self.ways, part.values())) if key in MAPS else self.ways(part)
        # What is unevaluated is found out by evaluating the rest once more.
        return found * 2 if UNEVALUATED & node.keys() else found


def joined(base: str, address: str) -> str:
    try:
        return urljoin(base, address)
    except ValueError:
        return address


def walked(node: Any, pointer: str) -> list[Any]:
    """What stands at a JSON pointer (RFC 6901), or nothing."""
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(node, dict) and name in node:
            node = node[name]
        elif isinstance(node, list) and name.isdecimal() and len(name) < 9 and int(name) < len(node):
            node = node[int(name)]
        else:
            return []
    return [node]


def parts_of(node: Any) -> list[Any]:
    if isinstance(node, dict):
        return list(node.values())
    return node if isinstance(node, list) else []
