"""Answers without a language model: the sentences of the passages that fit the question best, word for word.

The weights were chosen on one half of SQuAD's questions and proved on the other; see tests/benchmarks/quoting.py.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from magnet.providers.base import Evidence
from magnet.providers.sentences import Quotable, quotables

NO_EVIDENCE = (
    "No language model is configured, so I can only quote documents, and none was given. "
    "Set OPENAI_API_KEY, or add a provider in the admin under Providers, to get written answers."
)
WORD = re.compile(r"\w+")
# Chinese and Japanese signs are counted one by one.
WORD_OR_SIGN = re.compile(r"[\u2e80-\uffef]|[^\W\u2e80-\uffef]+")
# What refers to the sentence before it.
REFERS_BACK = re.compile(
    r"(it|its|they|their|this|these|that|those|he|she|his|her|such|however|also|er|sie|es|dies\w*|il|elle)\b",
    re.IGNORECASE,
)
MEANING_WEIGHT, ABOUT_WEIGHT, NEIGHBOUR_WEIGHT, RANK_WEIGHT = 0.6, 0.35, 0.2, 0.01
# A further sentence is quoted when it scores at least this share of the best one.
SHARE_OF_BEST = 0.8
# A passage of so few words is quoted whole.
SHORT_PASSAGE_WORDS = 30
STEM_LENGTH = 6


@dataclass(frozen=True)
class Candidate:
    quotable: Quotable
    number: int
    position: int


def answer(question: str, *, evidence: Sequence[Evidence], max_sentences: int = 3) -> str:
    """One to `max_sentences` sentences with their `[n]`, in the order in which they stand in the documents."""
    candidates = [
        Candidate(quotable, passage.number, position)
        for passage in evidence
        for position, quotable in enumerate(quotables(passage.text))
    ]
    if not candidates:
        return quoted_start(evidence) or NO_EVIDENCE
    scores = scored(question, candidates)
    chosen = choose(candidates, scores, asked=stems(question), limit=max_sentences)
    return written(chosen)


def quoted_start(evidence: Sequence[Evidence]) -> str:
    """Passages of nothing but code or headings: the beginning of the first one."""
    for passage in evidence:
        if text := start_of(passage.text):
            return f"{text} [{passage.number}]"
    return ""


def start_of(text: str) -> str:
    return " ".join(text.split())[:300]


def quotes(text: str) -> list[str]:
    """All that an answer may quote of a passage: its pieces, or where it has none its beginning."""
    return [piece.text for piece in quotables(text)] or [start_of(text)]


def scored(question: str, candidates: Sequence[Candidate]) -> list[float]:
    """How well each fits: rare words shared with it, its heading and its neighbours, meaning, its passage's rank."""
    pieces = [candidate.quotable for candidate in candidates]
    asked = stems(question)
    words = [stems(piece.meaning) for piece in pieces]
    abouts = [stems(piece.about) for piece in pieces]
    rarity = rarities(asked, [own | above for own, above in zip(words, abouts, strict=True)])
    meaning = likeness(question, pieces)
    ranks = {number: rank for rank, number in enumerate(dict.fromkeys(c.number for c in candidates))}
    return [
        shared(asked, words[i], rarity)
        + ABOUT_WEIGHT * shared(asked, abouts[i] - words[i], rarity)
        + NEIGHBOUR_WEIGHT
        * max((shared(asked, words[j] - words[i], rarity) for j in neighbours(candidates, i)), default=0)
        + MEANING_WEIGHT * meaning[i]
        - RANK_WEIGHT * ranks[candidate.number]
        for i, candidate in enumerate(candidates)
    ]


def neighbours(candidates: Sequence[Candidate], index: int) -> list[int]:
    """The pieces before and after, within the same passage."""
    number = candidates[index].number
    around = (index - 1, index + 1)
    return [i for i in around if 0 <= i < len(candidates) and candidates[i].number == number]


def stems(text: str) -> frozenset[str]:
    """Words without case, accents and endings; character pairs where a script writes no spaces."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(character for character in plain if not unicodedata.combining(character))
    found: set[str] = set()
    for word in WORD.findall(plain):
        if word.isascii() or not any("\u2e80" <= character <= "\uffef" for character in word):
            found.add(word[:STEM_LENGTH])
        else:
            found.update(word[i : i + 2] for i in range(max(1, len(word) - 1)))
    return frozenset(found)


def rarities(asked: frozenset[str], texts: Sequence[frozenset[str]]) -> dict[str, float]:
    """Inverse document frequency among the candidates: what stands everywhere tells nothing apart."""
    counts = Counter(word for text in texts for word in asked & text)
    return {word: math.log(1 + len(texts) / (1 + counts[word])) for word in asked}


def shared(asked: frozenset[str], words: frozenset[str], rarity: dict[str, float]) -> float:
    total = sum(rarity.values()) or 1.0
    return sum(rarity[word] for word in asked & words) / total


def likeness(question: str, pieces: Sequence[Quotable]) -> list[float]:
    from magnet.providers import local_embeddings

    vectors, _ = local_embeddings.embed([question, *(piece.meaning for piece in pieces)])
    return [float(value) for value in vectors[1:] @ vectors[0]]


def choose(
    candidates: Sequence[Candidate], scores: Sequence[float], *, asked: frozenset[str], limit: int
) -> list[Candidate]:
    """The best with its passage if that is short, then those nearly as good; what refers back goes with what it means.

    "Its code is 959." is no answer without the sentence before it, which is none without its code.
    """
    order = sorted(range(len(candidates)), key=lambda index: -scores[index])
    best = scores[order[0]]
    chosen: dict[int, None] = {}
    texts: set[str] = set()
    for index in order:
        wanted = short_passage(candidates, index, limit=limit) if not chosen else []
        wanted = wanted or with_neighbours(candidates, index, asked=asked)
        fresh = [i for i in wanted if i not in chosen]
        if scores[index] < SHARE_OF_BEST * best or (chosen and len(chosen) + len(fresh) > limit):
            break
        if candidates[index].quotable.text in texts:
            continue
        chosen.update(dict.fromkeys(fresh[:limit] if index in fresh[:limit] else fresh[-limit:]))
        texts.update(candidates[i].quotable.text for i in fresh)
    return [candidates[index] for index in sorted(chosen)]


def short_passage(candidates: Sequence[Candidate], index: int, *, limit: int) -> list[int]:
    """All of the passage where it says little anyway, and says it in sentences; else nothing."""
    number = candidates[index].number
    whole = [i for i, candidate in enumerate(candidates) if candidate.number == number]
    pieces = [candidates[i].quotable for i in whole]
    words = sum(len(WORD_OR_SIGN.findall(piece.text)) for piece in pieces)
    is_short = len(whole) <= limit and words <= SHORT_PASSAGE_WORDS and len({piece.about for piece in pieces}) == 1
    return whole if is_short and not any(piece.is_block for piece in pieces) else []


def with_neighbours(candidates: Sequence[Candidate], index: int, *, asked: frozenset[str]) -> list[int]:
    """The sentence, the one that it refers to, and the one that refers to it and says more about the question."""
    before = [index - 1] if needs_previous(candidates, index) else []
    after = index + 1
    if after < len(candidates) and needs_previous(candidates, after):
        more = stems(candidates[after].quotable.text) & asked - stems(candidates[index].quotable.text)
        return [*before, index, after] if more else [*before, index]
    return [*before, index]


def needs_previous(candidates: Sequence[Candidate], index: int) -> bool:
    if index == 0 or not REFERS_BACK.match(candidates[index].quotable.text):
        return False
    before, after = candidates[index - 1], candidates[index]
    return before.number == after.number and before.quotable.about == after.quotable.about


def written(chosen: Sequence[Candidate]) -> str:
    """Neighbours of one passage flow together under one number; lists stand on lines of their own."""
    parts: list[str] = []
    for number, group in groupby(chosen, key=lambda candidate: candidate.number):
        pieces = list(group)
        text = pieces[0].quotable.text
        for before, piece in pairwise(pieces):
            text += gap(before, piece) + piece.quotable.text
        end = "\n\n" if any(piece.quotable.is_block for piece in pieces) else " "
        parts.append(f"{text} [{number}]{end}")
    return "".join(parts).strip()


def gap(before: Candidate, after: Candidate) -> str:
    """What stands between two quotations of one passage: dots where something was left out."""
    if before.quotable.is_block or after.quotable.is_block:
        return "\n\n"
    if after.position != before.position + 1:
        return " … "
    return "" if before.quotable.text.endswith(("。", "！", "？")) else " "
