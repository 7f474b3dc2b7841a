"""Question sets in the shape of SQuAD, and as many variations of their paragraphs as a measurement needs."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Paragraph:
    number: int
    title: str
    text: str


@dataclass(frozen=True)
class Asked:
    """A question, and the number of the paragraph that answers it."""

    question: str
    paragraph: int


def read(path: Path) -> tuple[list[Paragraph], list[Asked]]:
    paragraphs: list[Paragraph] = []
    questions: list[Asked] = []
    for article in json.loads(path.read_text())["data"]:
        for paragraph in article["paragraphs"]:
            number = len(paragraphs)
            paragraphs.append(Paragraph(number, article["title"].replace("_", " "), paragraph["context"]))
            questions += [Asked(asked["question"], number) for asked in paragraph["qas"]]
    return paragraphs, questions


def varied(paragraphs: list[Paragraph], count: int, *, seed: int = 1) -> Iterator[Paragraph]:
    """The paragraphs, then new ones: sentences of two of them mixed, a tenth of the words taken from a third."""
    chance = random.Random(seed)
    yield from paragraphs[:count]
    for number in range(len(paragraphs), count):
        first, second, third = chance.sample(paragraphs, 3)
        sentences = re.split(r"(?<=\.)\s+", first.text) + re.split(r"(?<=\.)\s+", second.text)
        chance.shuffle(sentences)
        words = " ".join(sentences[: max(3, len(sentences) // 2)]).split()
        foreign = third.text.split()
        for place in chance.sample(range(len(words)), len(words) // 10):
            words[place] = chance.choice(foreign)
        yield Paragraph(number, first.title, " ".join(words))
