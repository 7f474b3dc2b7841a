"""Vectors that a source brings along, taken over where they fit the embedding model of the generation."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from knowledge.chunkers.base import Piece
from magnet.models import AIModel
from magnet.tokens import count_tokens

log = structlog.get_logger(__name__)

# A longer text is too much for one passage of an answer, so it is cut, and its pieces are embedded.
MOST_CHARACTERS = 20_000


@dataclass(frozen=True)
class GivenVector:
    """The one piece of a document whose vector came with it, under a key that no bought vector has."""

    piece: Piece
    key: bytes
    vector: tuple[float, ...]


def taken_over(vector: Sequence[float], *, text: str, model: AIModel) -> GivenVector | None:
    """The vector of a whole text in the length of one; None where it cannot be used, and the text is embedded."""
    if not vector or len(text) > MOST_CHARACTERS:
        return None
    length = math.sqrt(sum(value * value for value in vector))
    if len(vector) != model.dimensions or not math.isfinite(length) or not length:
        log.info("given_vector_does_not_fit", numbers=len(vector), dimensions=model.dimensions)
        return None
    unit = tuple(value / length for value in vector)
    parts = (model.model_name, text, *(format(value, ".5g") for value in unit))
    key = hashlib.sha256("\x1f".join(("given", *parts)).encode()).digest()
    return GivenVector(Piece(0, len(text), "", count_tokens(text)), key, unit)
