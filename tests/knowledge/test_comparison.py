"""Two generations are asked the same: what is the same, what is changed, and whether the right document rises."""

from __future__ import annotations

import pytest

from knowledge import comparison, reindex, retrieval
from knowledge.comparison import Asked, Compared, FoundDocument
from magnet import tracing
from magnet.database import in_database
from magnet.errors import Conflict, InvalidInput
from magnet.ids import uuid7
from magnet.tracing import trace
from tests import factories
from tests.knowledge.reindexing import ask_for_chunks_of, built

pytestmark = pytest.mark.django_db(transaction=True)

TEXTS = {
    "bees": "Bees make honey and wax.",
    "cows": "Cows make milk and eat grass.",
    "hens": "Hens lay eggs in the morning.",
}


def two_generations(**texts: str):
    """A source with a generation that serves, and another one that is built."""
    source = factories.source()
    factories.push(source, **(texts or TEXTS))
    ask_for_chunks_of(source, 40)
    index = built(source)
    index.source = source
    return index


def compared(
    before: str, after: str, *, right: str = "", ranks: tuple[int | None, int | None] = (None, None)
) -> Compared:
    ids = {letter: uuid7() for letter in "abcdefg"}

    def found(letters: str) -> tuple[FoundDocument, ...]:
        return tuple(FoundDocument(ids[letter], letter, letter) for letter in letters)

    return Compared(Asked("?", right=right), found(before), found(after), *ranks)


@pytest.mark.parametrize(
    ("result", "verdict"),
    [
        (compared("abcde", "abcde"), "same"),
        (compared("abcde", "edcba"), "same"),
        (compared("abcde", "abcdf"), "changed"),
        (compared("abc", "ab"), "changed"),
        (compared("ab", "ab", right="b", ranks=(2, 1)), "better"),
        (compared("ab", "ab", right="b", ranks=(None, 9)), "better"),
        (compared("ab", "ab", right="b", ranks=(1, 3)), "worse"),
        (compared("ab", "ab", right="b", ranks=(1, None)), "worse"),
        (compared("ab", "ab", right="b", ranks=(1, 1)), "same"),
        (compared("ab", "ac", right="a", ranks=(1, 1)), "changed"),
        (compared("ab", "ab", right="x"), "same"),
    ],
)
def test_same_means_the_same_five_documents_and_better_needs_a_right_one(result, verdict):
    assert result.verdict == verdict


async def test_both_generations_are_asked_and_the_right_document_is_ranked(searching):
    index = await in_database(two_generations)

    result = await comparison.compare(index, [Asked("Who makes honey?", right="bees"), Asked("grass")])

    honey, grass = result.questions
    assert (honey.rank_before, honey.rank_after, honey.verdict) == (1, 1, "same")
    assert [found.remote_id for found in (grass.before[0], grass.after[0])] == ["cows", "cows"]
    assert result.counts() == {"worse": 0, "better": 0, "changed": 0, "same": 2}


async def test_a_named_generation_is_searched_and_the_live_one_is_not(searching):
    index = await in_database(two_generations)
    await in_database(index.chunks.filter(document__remote_id="bees").delete)

    live = await retrieval.search("honey", sources=["handbook"], limit=1, mode="words")
    other = await retrieval.search("honey", sources=["handbook"], limit=1, mode="words", index=index.pk)

    assert ([p.remote_id for p in live.passages], other.passages) == (["bees"], ())


async def test_the_last_real_questions_are_asked_each_once_and_those_of_comparisons_are_not(searching):
    index = await in_database(two_generations)
    for question in ("Who makes honey?", "Who lays eggs?", "who lays EGGS?"):
        with trace(feature="search", slug="handbook", summary=question):
            await retrieval.search(question, sources=["handbook"], limit=3)
    await comparison.compare(index, [Asked("Do goats climb?")])
    await in_database(tracing.flush)

    real = await in_database(comparison.real_questions, index.source)

    assert [asked.question.casefold() for asked in real] == ["who lays eggs?", "who makes honey?"]


async def test_a_generation_that_is_not_built_completely_is_not_compared(searching):
    def unfinished():
        source = factories.source()
        factories.push(source, **TEXTS)
        ask_for_chunks_of(source, 40)
        return reindex.start(source)

    with pytest.raises(Conflict, match="not built completely"):
        await comparison.compare(await in_database(unfinished), [Asked("honey")])


async def test_without_a_question_it_says_what_to_do(searching):
    index = await in_database(two_generations)
    with pytest.raises(InvalidInput, match="Type one in"):
        await comparison.compare(index, [])
