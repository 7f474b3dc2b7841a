"""How often the extractive answerer quotes the answer: a question, its paragraph and four that are like it.

python -m tests.benchmarks.quoting --squad FILE [--half tuning|proving] [--show 5]
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from magnet.providers import extractive
from magnet.providers.base import Evidence

DISTRACTORS = 4


@dataclass(frozen=True)
class Case:
    question: str
    answers: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    gold: int


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--squad", type=Path, required=True)
    arguments.add_argument("--half", choices=["tuning", "proving"], default="proving")
    arguments.add_argument("--shuffled", action="store_true", help="passages in random order")
    arguments.add_argument("--show", type=int, default=0)
    given = arguments.parse_args()
    cases = list(read(given.squad, wanted=0 if given.half == "tuning" else 1, is_shuffled=given.shuffled))
    answers = [extractive.answer(case.question, evidence=case.evidence) for case in cases]
    for case, answer in list(zip(cases, answers, strict=True))[: given.show]:
        print(f"\nQ  {case.question}\nA  {answer}\n   expected: {case.answers[0]} [{case.gold}]")
    report(cases, answers)


def read(path: Path, *, wanted: int, is_shuffled: bool) -> Iterator[Case]:
    """Every second question; the distractors are the paragraphs with the best word score."""
    articles = json.loads(path.read_text())["data"]
    paragraphs = [p for article in articles for p in article["paragraphs"]]
    ranking = Ranking([paragraph["context"] for paragraph in paragraphs])
    draw = random.Random(7)
    for position, paragraph in enumerate(paragraphs):
        for number, asked in enumerate(paragraph["qas"]):
            if number % 2 != wanted:
                continue
            best = ranking.best(asked["question"], with_position=position)
            if is_shuffled:
                draw.shuffle(best)
            evidence = tuple(Evidence(n, paragraphs[p]["context"]) for n, p in enumerate(best, 1))
            answers = tuple(answer["text"] for answer in asked["answers"])
            yield Case(asked["question"], answers, evidence, best.index(position) + 1)


class Ranking:
    """A sum of rare words in common, enough to find paragraphs that are like the question."""

    def __init__(self, texts: list[str]) -> None:
        self.words = [Counter(re.findall(r"\w+", text.lower())) for text in texts]
        counts = Counter(word for words in self.words for word in words)
        self.rarity = {word: math.log(len(texts) / count) for word, count in counts.items()}
        self.texts_with: dict[str, list[int]] = {}
        for position, words in enumerate(self.words):
            for word in words:
                self.texts_with.setdefault(word, []).append(position)

    def best(self, question: str, *, with_position: int) -> list[int]:
        scores: Counter[int] = Counter()
        for word in set(re.findall(r"\w+", question.lower())):
            for position in self.texts_with.get(word, ()):
                scores[position] += self.rarity[word]  # type: ignore[assignment]  # scores are not counts
        ranked = [position for position, _ in scores.most_common(DISTRACTORS + 1)]
        if with_position not in ranked:
            ranked = [*ranked[:DISTRACTORS], with_position]
        return ranked


def report(cases: list[Case], answers: list[str]) -> None:
    held = [any(a in text for a in case.answers) for case, text in zip(cases, answers, strict=True)]
    cited = [f"[{case.gold}]" in text for case, text in zip(cases, answers, strict=True)]
    lengths = sorted(len(text.split()) for text in answers)
    print(f"questions {len(cases)}")
    print(f"the quotation holds the answer  {sum(held) / len(cases):.3f}")
    print(f"the right paragraph is cited    {sum(cited) / len(cases):.3f}")
    print(f"words quoted, median and p95    {lengths[len(lengths) // 2]}, {lengths[int(len(lengths) * 0.95)]}")


if __name__ == "__main__":
    main()
