"""On which page something stands: a passage may span several short pages, and a citation names one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from magnet.providers.extractive import rarities, shared, stems
from magnet.providers.sentences import quotables

# Of a quotation of several sentences, those that share words with the question say where it stands.
LEAST_WEIGHT = 0.2


@dataclass(frozen=True)
class Pages:
    """The pages of a passage: the first, and where in its text each further one begins."""

    first: int
    breaks: tuple[int, ...] = ()

    @property
    def last(self) -> int:
        return self.first + len(self.breaks)

    def until(self, length: int) -> Pages:
        """The pages of the first `length` characters."""
        return Pages(self.first, tuple(place for place in self.breaks if place < length))

    def best(self, text: str, *, question: str, said: Sequence[str] = ()) -> int:
        """The page whose sentences are most like what was said of the passage, or else like the question."""
        if not self.breaks:
            return self.first
        pages = [pieces_of(text[start:end]) for start, end in pairwise((0, *self.breaks, len(text)))]
        asked = stems(question)
        spoken = [stems(piece.text) for part in said for piece in quotables(part)] or [asked]
        known = rarities(asked.union(*spoken), [piece for page in pages for piece in page])
        rarity = {word: known[word] for word in known if any(word in piece for page in pages for piece in page)}

        def fit(page: list[frozenset[str]]) -> float:
            return sum(
                weight(sentence, asked=asked) * max((likeness(sentence, piece, rarity) for piece in page), default=0.0)
                for sentence in spoken
            )

        fits = [fit(page) for page in pages]
        return self.first + fits.index(max(fits))


def pieces_of(text: str) -> list[frozenset[str]]:
    return [stems(f"{piece.about} {piece.text}") for piece in quotables(text)] or [stems(text)]


def weight(sentence: frozenset[str], *, asked: frozenset[str]) -> float:
    return max(LEAST_WEIGHT, len(sentence & asked) / max(1, len(asked)))


def likeness(sentence: frozenset[str], piece: frozenset[str], rarity: dict[str, float]) -> float:
    """How much of the sentence stands in the piece, as a share of what both say: a longer one is no better."""
    words = {word: rarity[word] for word in sentence if word in rarity}
    return shared(frozenset(words), piece, words)
