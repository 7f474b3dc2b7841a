"""Whether an answer's passages bear out what it says: found by words and meaning, sentence by sentence."""

from __future__ import annotations

import pytest

from tests.benchmarks.support import Source, labelled, quality
from tools_app import support
from tools_app.claims import claims_in

OFFICE = Source(1, "The office in Riga opens at nine and closes at five. On Saturdays it is closed.", "Opening hours")
PETS = Source(2, "Dogs are welcome on Fridays.\n\nCats stay at home.", "Pets")


def judged(text: str, *passages: Source) -> list[support.Sentence]:
    return list(support.check(text, passages or (OFFICE, PETS)))


@pytest.mark.parametrize("half", ["tuning", "proving"])
def test_most_of_what_passages_do_not_say_is_found_and_little_else_is_marked(half: str) -> None:
    found = quality(labelled(half))

    assert found.counts >= 75
    assert found.precision >= 0.95, "Sentences that are supported were marked."
    assert found.recall >= 0.85, "Sentences that are not supported passed."


def test_each_sentence_is_held_against_the_passages_that_it_cites() -> None:
    text = "The office opens at nine [1]. Dogs are welcome on Fridays [1]. Dogs are welcome on Fridays [2]."

    first, second, third = judged(text)

    assert [first.supported, second.supported, third.supported] == [True, False, True]
    assert text[second.start : second.end] == "Dogs are welcome on Fridays [1]."
    assert (first.citations, third.citations) == ((1,), (2,))


def test_a_number_that_stands_nowhere_is_named() -> None:
    (sentence,) = judged("The office closes at 18:00 [1].")

    assert sentence.supported is False
    assert "18" in sentence.reason


def test_digits_and_words_are_the_same_number() -> None:
    (sentence,) = judged("The office opens at 9:00 [1].")

    assert sentence.supported is True


def test_what_states_something_without_a_citation_is_uncited_and_greetings_are_nothing() -> None:
    found = judged("Hello! Lunch is served in the garden. Do you need more? Dogs are welcome on Fridays [2].")

    assert [(sentence.supported, sentence.citations) for sentence in found] == [(None, ()), (True, (2,))]
    assert found[0].reason == support.UNCITED


@pytest.mark.parametrize(
    "nothing",
    [
        "The passages do not say when the shop opens.",
        "I found nothing about that.",
        "Die Auszüge enthalten keine Angaben zu den Preisen.",
        "Les documents ne mentionnent pas les prix.",
        "资料中没有提到价格。",
    ],
)
def test_saying_that_nothing_was_found_needs_no_citation(nothing: str) -> None:
    assert judged(nothing) == []


def test_a_number_behind_several_sentences_is_meant_for_all_that_it_bears_out() -> None:
    text = "The moon is made of cheese. Dogs are welcome on Fridays. Cats stay at home [2]."

    found = judged(text)

    assert [(sentence.supported, sentence.citations) for sentence in found] == [(None, ()), (True, (2,)), (True, (2,))]


def test_lists_tables_and_code_are_read_as_people_read_them() -> None:
    text = (
        "# Hours\n\nThe rules:\n\n- Dogs are welcome on Fridays [2].\n- Cats stay\n  at home. [2]\n\n"
        "| Day | Office |\n|---|---|\n| Saturdays | closed [1] |\n\n```\nrm -rf everything\n```\n"
    )

    said = [claim.text for claim in claims_in(text) if claim.is_statement]

    assert said == ["Dogs are welcome on Fridays.", "Cats stay at home.", "| Saturdays | closed |"]
    for claim in claims_in(text):
        assert " ".join(text[claim.start : claim.end].split()).startswith(claim.text[:8])


def test_another_language_than_the_passages_is_not_judged_by_its_words() -> None:
    german = (
        "Besucher müssen sich am Empfang anmelden und bekommen dort einen Ausweis [1]. "
        "Das Büro in Riga wird um elf Uhr für alle Mitarbeiter und Gäste aufgemacht [1]."
    )

    first, second = judged(german)

    assert first.supported is None
    assert "another language" in first.reason
    assert second.supported is False
    assert "11" in second.reason


def test_an_endless_answer_is_checked_in_part_only() -> None:
    found = judged("Dogs are welcome on Fridays [2]. " * 500)

    assert len(found) == support.MOST_CLAIMS


def test_texts_without_words_are_no_trouble() -> None:
    empty = Source(1, "", "")

    assert judged("", empty) == []
    assert judged("… [1] !!! [1]", empty) == []
    assert judged("It opens at nine [1].", empty)[0].supported is False
