"""Whether the passages that an answer cites bear it out, sentence by sentence, by words and meaning; no model is asked.

It sees numbers and names that stand nowhere, denials and opposites, and sentences that say something else. It does not
understand: what is swapped inside one sentence of a passage may pass. How often it is right:
python -m tests.benchmarks.support
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from magnet import language
from magnet.providers import local_embeddings
from tools_app.claims import Claim, claims_in
from tools_app.premises import Citable, Premise, Row, is_quoted
from tools_app.wording import OPPOSITE_OF, Wording, stem_in

# Chosen on the odd half of tests/data/support.txt, proven on the even one.
THRESHOLD = 0.6
WORDS_WEIGHT, MEANING_WEIGHT = 0.75, 0.25
NAME_WEIGHT, GERMAN_NAME_WEIGHT = 3.0, 3.0
# What two sentences bear out together counts less than what stands in one.
PAIR_FACTOR = 0.9
MISSING_FACTOR, DENIED_FACTOR = 0.4, 0.4
# Below these shares of its words, a clause speaks of something else, and says nothing about a denial or a number.
SAME_MATTER, SAME_MATTER_FOR_NUMBERS, SAME_MATTER_FOR_OPPOSITES = 0.6, 0.8, 0.5
# In these languages every noun has a capital.
CAPITAL_NOUNS = frozenset({"de"})
# An answer is a page at most; what is longer is not looked at, so that no model can keep us busy.
MOST_CLAIMS = 60
UNCITED = "It cites no passage."
MOST_NAMED = 3


@dataclass(frozen=True)
class Sentence:
    """A sentence of an answer. `supported` is None where nobody can say: it cites nothing, or it is in another language
    than its passages. `score` is 0 to 1; `reason` says in words why it is not supported.
    """

    start: int
    end: int
    citations: tuple[int, ...]
    supported: bool | None
    score: float | None
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "start": self.start,
            "end": self.end,
            "citations": list(self.citations),
            "supported": self.supported,
            "score": self.score,
            "reason": self.reason,
        }


def check(text: str, passages: Sequence[Citable]) -> tuple[Sentence, ...]:
    """The sentences of a checked answer that state something, each held against the passages that it cites."""
    by_number = {passage.number: Premise.of(passage) for passage in passages}
    claims = [claim for claim in claims_in(text) if claim.is_statement][:MOST_CLAIMS]
    spoken = language.detect(text)
    trials = [_Trial.of(claim, by_number, language=spoken) for claim in claims]
    _weigh_meaning([trial for trial in trials if trial is not None])
    return tuple(_judged(claim, trial) for claim, trial in zip(claims, trials, strict=True))


def _judged(claim: Claim, trial: _Trial | None) -> Sentence:
    uncited = Sentence(claim.start, claim.end, (), None, None, UNCITED)
    if trial is None:
        return replace(uncited, citations=claim.citations, reason="" if claim.citations else UNCITED)
    score, supported, reason = trial.verdict()
    if not claim.citations and not supported:
        # The number behind a later sentence was not meant for this one.
        return uncited
    return Sentence(claim.start, claim.end, trial.numbers, supported, score, reason)


# -- One sentence ------------------------------------------------------------------------------------------------


class _Trial:
    """A sentence beside what bears it out best."""

    def __init__(self, claim: Claim, numbers: tuple[int, ...], premises: Sequence[Premise], *, language: str) -> None:
        self.claim, self.numbers, self.premises, self.language = claim, numbers, premises, language
        self.said = Wording(claim.text)
        self.weights = self._weights()
        self.total = sum(self.weights.values()) + NAME_WEIGHT * len(self.said.numbers)
        self.singles = [single for premise in premises for single in premise.singles]
        self.premise, self.single = premises[0], self.singles[0]
        self.share, self.window = self._best()
        self.meaning = 0.0

    @classmethod
    def of(cls, claim: Claim, by_number: Mapping[int, Premise], *, language: str) -> _Trial | None:
        """None where there is nothing to hold it against."""
        numbers = claim.citations or claim.nearby
        premises = [by_number[number] for number in numbers if number in by_number]
        return cls(claim, numbers, premises, language=language) if premises else None

    def _weights(self) -> dict[str, float]:
        weight = GERMAN_NAME_WEIGHT if self.language in CAPITAL_NOUNS else NAME_WEIGHT
        return {word: weight if word in self.said.names else 1.0 for word in self.said.words}

    def _best(self) -> tuple[float, str]:
        """How much of it stands together, in one sentence of a passage or in two neighbours; and their text."""
        best = (-1.0, "")
        best_single = -1.0
        for premise in self.premises:
            found = [self._found(single, premise) for single in premise.singles]
            for index, single in enumerate(premise.singles):
                share = self._share(found[index])
                if share > best_single:
                    best_single, self.premise, self.single = share, premise, single
                best = max(best, (share, single.text))
                if index and not isinstance(single, Row):
                    pair = PAIR_FACTOR * self._share(found[index - 1] | found[index])
                    best = max(best, (pair, f"{premise.singles[index - 1].text} {single.text}"))
        return best

    def _found(self, window: Wording, premise: Premise) -> frozenset[str]:
        words = [word for word in self.weights if window.has(word) or premise.frame.has(word)]
        return frozenset(words) | (self.said.numbers & (window.numbers | premise.frame.numbers))

    def _share(self, found: frozenset[str]) -> float:
        """Numbers count as names do."""
        return sum(self.weights.get(word, NAME_WEIGHT) for word in found) / self.total if self.total else 0.0

    # -- The verdict ------------------------------------------------------------------------------------------

    def verdict(self) -> tuple[float, bool | None, str]:
        found = self._found_out()
        return (1.0, True, "") if not found[1] and self._is_quoted() else found

    def _is_quoted(self) -> bool:
        """To look for quotations takes the passages apart once more: only where all words stand in them."""
        known = frozenset[str]().union(*(premise.whole.words for premise in self.premises))
        return self.said.words <= known and is_quoted(self.claim.text, self.premises)

    def _found_out(self) -> tuple[float, bool | None, str]:
        missing = self.missing()
        score = WORDS_WEIGHT * self.share + MEANING_WEIGHT * self.meaning
        if missing:
            return round(score * MISSING_FACTOR, 3), False, f"Not in what it cites: {', '.join(missing)}."
        if score < THRESHOLD and self.is_foreign():
            return round(score, 3), None, "It is in another language than its passages: only numbers and names fit."
        if reason := self.denial():
            return round(score * DENIED_FACTOR, 3), False, reason
        if score >= THRESHOLD:
            return round(score, 3), True, ""
        lacking = Wording(self.window).lacking(self.said.words)[:MOST_NAMED]
        about = f": nothing there of {', '.join(lacking)}" if lacking else ""
        return round(score, 3), False, f"The passages say too little of it{about}."

    def missing(self) -> list[str]:
        """Numbers and names that stand in no cited passage."""
        wholes = [premise.whole for premise in self.premises]
        known = frozenset[str]().union(*(whole.numbers for whole in wholes))
        missing = sorted(self.said.numbers - known)
        names = self.said.codes if self.language in CAPITAL_NOUNS else self.said.names
        missing += [name for name in sorted(names) if not any(whole.has(name) for whole in wholes)]
        return missing[:MOST_NAMED] or self._other_measures()

    def _other_measures(self) -> list[str]:
        """“199 dollars” where the sentence about the same matter says “49 dollars”, or another row of the table."""
        if isinstance(self.single, Row) and not self.single.lacking(self.said.names):
            return sorted(self.said.numbers & self.premise.numbers_of_other_rows(self.single))[:MOST_NAMED]
        if self._share_of_words(self.said, self.single) <= SAME_MATTER_FOR_NUMBERS:
            return []
        there = self.single.measures
        return [
            number
            for unit, numbers in sorted(self.said.measures.items())
            for number in sorted(numbers)
            if unit in there and number not in self.single.numbers
        ]

    def is_foreign(self) -> bool:
        if not self.language:
            return False
        theirs = language.detect(self.premises[0].whole.text)
        return bool(theirs) and theirs != self.language

    def denial(self) -> str:
        for pole in sorted(self.said.poles):
            if opposite := self._opposite(pole):
                return f"The passage says “{opposite}”, not “{stem_in(self.said, pole) or pole}”."
        is_denied = any(len(clause.words) > 1 and self._is_denied(clause) for clause in self.said.clauses)
        return "The passage says the opposite." if is_denied or self._leaves_denial_out() else ""

    def _opposite(self, pole: str) -> str:
        """The word that says the opposite where the passages speak of the same."""
        word = stem_in(self.said, pole)
        shares = [self._share_of_words(self.said, single, without=word) for single in self.singles]
        most = max(shares)
        nearest = [single for single, share in zip(self.singles, shares, strict=True) if share == most]
        if most < SAME_MATTER_FOR_OPPOSITES or any(pole in single.poles - _both(single) for single in nearest[:1]):
            return ""
        wanted = OPPOSITE_OF[pole] - self.said.poles
        found = (
            stem_in(single, other) for single in nearest for other in sorted(wanted & single.poles - _both(single))
        )
        return next(filter(None, found), "")

    def _leaves_denial_out(self) -> bool:
        """“Keys are stored in clear text” where the passage goes on with “never in clear text”."""
        if self.said.may_deny:
            return False
        denying = [clause for clause in self.single.clauses if clause.denials and len(clause.words) > 1]
        return any(not self.said.lacking(clause.words) for clause in denying)

    def _is_denied(self, clause: Wording) -> bool:
        """Whether the clause that speaks of the same is a denial and this one is none, or the other way round."""
        shares = [(self._share_of_words(clause, other), other) for other in self.single.clauses]
        share, nearest = max(shares, key=lambda pair: pair[0], default=(0.0, clause))
        if share < SAME_MATTER or clause.denials == nearest.denials:
            return False
        if clause.denials and nearest.denials:
            return share > SAME_MATTER_FOR_NUMBERS
        return not (nearest.may_deny and clause.may_deny)

    @staticmethod
    def _share_of_words(claim: Wording, premise: Wording, *, without: str = "") -> float:
        words = claim.words - {without}
        return sum(map(premise.has, words)) / len(words) if words else 0.0


def _both(single: Wording) -> frozenset[str]:
    """What is named together with its opposite says neither: opens at nine and closes at five."""
    return frozenset(pole for pole in single.poles if OPPOSITE_OF[pole] & single.poles)


def _weigh_meaning(trials: Sequence[_Trial]) -> None:
    """By the built-in embeddings, in one call: they are always there, cost nothing and ask nobody."""
    if not trials:
        return
    texts = [text for trial in trials for text in (trial.claim.text, trial.window)]
    vectors, _tokens = local_embeddings.embed(texts)
    for index, trial in enumerate(trials):
        trial.meaning = max(0.0, float(vectors[2 * index] @ vectors[2 * index + 1]))
