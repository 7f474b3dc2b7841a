"""How often the check of citations is right on labelled claims, and what it costs: precision, recall, CPU per answer.

python -m tests.benchmarks.support [--half tuning|proving|both] [--show]
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools_app import support

DATA = Path(__file__).parent.parent / "data" / "support.txt"
HALVES = ("tuning", "proving")
SUPPORTED = frozenset({"same", "told"})


@dataclass(frozen=True)
class Source:
    number: int
    text: str
    title: str
    heading: str = ""


@dataclass(frozen=True)
class Labelled:
    language: str
    half: str
    passage: Source
    label: str
    claim: str

    @property
    def is_supported(self) -> bool:
        return self.label in SUPPORTED


@dataclass(frozen=True)
class Quality:
    """Of finding what is not supported: `precision` of what was marked, `recall` of what had to be."""

    precision: float
    recall: float
    counts: int


def labelled(half: str = "both") -> list[Labelled]:
    return [case for case in read(DATA) if half in ("both", case.half)]


def read(path: Path) -> Iterator[Labelled]:
    code, half, passage = "", HALVES[1], Source(1, "", "")
    for line in path.read_text().splitlines():
        if line.startswith("> "):
            head, text = line[2:].split(" :: ")
            code, _, title = head.partition(" ")
            half = HALVES[0] if half == HALVES[1] else HALVES[1]
            passage = Source(1, text, title)
        elif "\t" in line:
            label, claim = line.split("\t")
            yield Labelled(code, half, passage, label, claim)


def judged(case: Labelled) -> support.Sentence:
    stop = case.claim[-1]
    (sentence,) = support.check(f"{case.claim[:-1]} [1]{stop}", [case.passage])
    return sentence


def quality(cases: Sequence[Labelled]) -> Quality:
    marked = [(case, judged(case).supported is False) for case in cases]
    right = sum(is_marked and not case.is_supported for case, is_marked in marked)
    said, wanted = sum(is_marked for _, is_marked in marked), sum(not case.is_supported for case in cases)
    return Quality(right / max(said, 1), right / max(wanted, 1), len(cases))


def cpu_ms(*, passages: int = 5, sentences: int = 8, rounds: int = 50) -> float:
    """Of an answer of so many sentences with five passages of some 300 words, as tools have them."""
    everything = [case.passage.text for case in labelled() if case.language == "en"]
    texts = list(dict.fromkeys(everything))
    sources = [Source(n + 1, " ".join(texts[n:] + texts[:n])[:1_800], "Handbook") for n in range(passages)]
    claims = [case for case in labelled() if case.language == "en" and case.is_supported][:sentences]
    answer = " ".join(f"{case.claim[:-1]} [{n % passages + 1}]." for n, case in enumerate(claims))
    support.check(answer, sources)
    began = time.process_time()
    for _ in range(rounds):
        support.check(answer, sources)
    return (time.process_time() - began) * 1_000 / rounds


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--half", choices=[*HALVES, "both"], default="both")
    arguments.add_argument("--show", action="store_true", help="what it got wrong")
    given = arguments.parse_args()
    for half in [given.half] if given.half != "both" else [*HALVES, "both"]:
        found = quality(labelled(half))
        print(f"{half}: {found.counts} claims, precision {found.precision:.3f}, recall {found.recall:.3f}")
    tell_by_label(labelled(given.half), is_shown=given.show)
    print(f"CPU of an answer of 8 sentences and 5 passages: {cpu_ms():.1f} ms")


def tell_by_label(cases: Sequence[Labelled], *, is_shown: bool) -> None:
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for case in cases:
        verdict = judged(case)
        is_right = (verdict.supported is not False) == case.is_supported
        for key in (case.label, case.language):
            right[key] += is_right
            total[key] += 1
        if is_shown and not is_right:
            print(f"  {case.half} {case.language} {case.label}: {case.claim}  [{verdict.score}] {verdict.reason}")
    print("  ".join(f"{key} {right[key]}/{total[key]}" for key in total))


if __name__ == "__main__":
    main()
