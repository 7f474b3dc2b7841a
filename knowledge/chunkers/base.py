"""What every chunker promises: pieces that are exact substrings of the document's text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel


@dataclass(frozen=True)
class Piece:
    """A chunk before it is stored: `text[start:end]`, under a heading path such as "Sources > Website"."""

    start: int
    end: int
    heading: str
    token_count: int


class Chunker(ABC):
    """One way to cut a text."""

    label: ClassVar[str]
    description: ClassVar[str]
    Config: ClassVar[type[BaseModel]]

    def __init__(self, config: Any) -> None:
        self.config = config

    @abstractmethod
    def split(self, text: str) -> list[Piece]:
        """Cut `text` into pieces, in order and without overlap unless the Config asks for it."""
