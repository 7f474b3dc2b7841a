"""Follows the `$ref`s of a document, inside of it only, and not in circles."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from magnet.errors import InvalidInput

MOST_HOPS = 50


class References:
    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document

    def resolved(self, node: Any, *, what: str) -> dict[str, Any]:
        """The object that `node` is or refers to. Raises InvalidInput."""
        for _ in range(MOST_HOPS):
            if not isinstance(node, dict):
                raise InvalidInput(f"{what} is not an object.")
            if not isinstance(node.get("$ref"), str):
                return node
            node = self.at(node["$ref"])
        raise InvalidInput(f"{what} refers to itself and to nothing else.")

    def at(self, ref: str) -> Any:
        """What stands at a reference such as #/components/schemas/Pet (RFC 6901)."""
        address, _, pointer = ref.partition("#")
        if address:
            raise InvalidInput(
                f"It refers to another document, {ref[:200]}, which is not fetched. "
                "Import a document that has everything in one file (a “bundled” one)."
            )
        node: Any = self.document
        for step in pointer.split("/")[1:]:
            node = _child(node, unquote(step).replace("~1", "/").replace("~0", "~"), ref=ref)
        return node


def _child(node: Any, key: str, *, ref: str) -> Any:
    if isinstance(node, dict) and key in node:
        return node[key]
    if isinstance(node, list) and key.isdecimal() and len(key) < 9 and int(key) < len(node):
        return node[int(key)]
    raise InvalidInput(f"It refers to {ref[:200]}, which is not in the document.")
