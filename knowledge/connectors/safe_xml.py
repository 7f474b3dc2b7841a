"""XML from strangers: a tree without document types, hence without entities: neither bombs nor files."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

DEEPEST = 100


class XmlRefused(Exception):
    """Why a document is not read, as the end of a sentence."""


def tree_of(body: bytes) -> Element:
    """The tree; names are `{namespace}tag` where the document names one. Raises XmlRefused."""
    reader = Reader()
    try:
        reader.parser.Parse(body, True)
        return reader.builder.close()
    except (expat.ExpatError, AssertionError) as error:
        raise XmlRefused(f"is damaged XML: {error}") from error


class Reader:
    def __init__(self) -> None:
        self.builder = TreeBuilder()
        self.depth = 0
        self.parser = expat.ParserCreate(namespace_separator="}")
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self.builder.data

    def _refuse(self, *_: Any) -> None:
        raise XmlRefused("declares a document type, which we do not read")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise XmlRefused("is nested too deeply")
        self.builder.start(full(name), {full(key): value for key, value in attributes.items()})

    def _end(self, name: str) -> None:
        self.depth -= 1
        self.builder.end(full(name))


def full(name: str) -> str:
    return f"{{{name}" if "}" in name else name


def local(tag: str) -> str:
    """A name without its namespace."""
    return tag.rpartition("}")[2]


def child(element: Element, name: str) -> Element | None:
    """The first child of that name, in whatever namespace."""
    return next((item for item in element if local(item.tag) == name), None)


def text(element: Element, name: str) -> str:
    """The text of the first child of that name."""
    found = child(element, name)
    return (found.text or "").strip() if found is not None else ""
