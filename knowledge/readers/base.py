"""What every reader promises: bytes in, Markdown out, with headings, tables and page numbers kept."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True)
class Extract:
    """The text of one file.

    `page_starts[i]` is the offset in `text` at which page i+1 begins; empty where the format has no pages.
    """

    text: str
    title: str = ""
    page_starts: tuple[int, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)


class Reader(ABC):
    """One file format."""

    label: ClassVar[str]
    media_types: ClassVar[tuple[str, ...]]
    extensions: ClassVar[tuple[str, ...]]
    # Whether its files are text, which comes in many character sets and may also be handed in as such.
    is_text: ClassVar[bool] = True
    # Whether it parses what an attacker may have made, so that it runs in a process of its own; see isolation.py.
    is_isolated: ClassVar[bool] = False

    @abstractmethod
    def read(self, body: bytes, *, filename: str = "") -> Extract:
        """Extract the text, or raise UnreadableDocument with a sentence that a support lead understands."""
