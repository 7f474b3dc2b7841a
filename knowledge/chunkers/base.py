"""What every chunker promises: pieces that are exact substrings of the document's text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel

from magnet.any_config import AnyConfig
from magnet.errors import NotConfigured


@dataclass(frozen=True)
class Piece:
    """A chunk before it is stored: `text[start:end]`, under a heading path such as "Sources > Website"."""

    start: int
    end: int
    heading: str
    token_count: int


# Texts in, a vector for each out, by the embedding model of the source.
Embed = Callable[[Sequence[str]], Sequence[Sequence[float]]]


class Chunker(ABC):
    """One way to cut a text."""

    label: ClassVar[str]
    description: ClassVar[str]
    Config: ClassVar[type[BaseModel]]

    # Whether it needs `embed` to cut, which costs as much as the embedding of its texts.
    embeds: ClassVar[bool] = False

    def __init__(self, config: Any, *, embed: Embed | None = None) -> None:
        self.config = config
        self.embed = embed

    @abstractmethod
    def split(self, text: str) -> list[Piece]:
        """Cut `text` into pieces, in order and without overlap unless the Config asks for it."""


class MissingChunker(Chunker):
    """Stands in for a kind that a plug-in brought and that is gone: nothing new is cut, what was cut still serves."""

    label: ClassVar[str] = "Not installed"
    description: ClassVar[str] = "The plug-in that brought this way to cut texts is not installed."
    Config: ClassVar[type[BaseModel]] = AnyConfig

    def split(self, text: str) -> list[Piece]:
        raise NotConfigured(f"{self.description} See “Plug-ins” in the admin, or choose another chunker.")
