"""The other ways to cut: whatever the text, every piece is an exact substring, nothing is lost, and limits hold."""

import random
import re
from collections.abc import Sequence
from itertools import pairwise

import pytest

from knowledge.chunkers import CHUNKERS, Piece
from magnet.errors import NotConfigured
from magnet.tokens import count_tokens
from tests.knowledge.test_chunkers import SENTENCES

HANDBOOK = """# Handbook

Welcome to the handbook.

## Holidays

Ask for holidays in the portal. Your manager answers within three days.

Unused days roll over until March.

## Fees

| plan | price |
| --- | --- |
| small | 5 |

### Cards

A lost card costs 5 euros.
"""
PYTHON = "# Tools\n\nHow we count:\n\n```python\nimport os\n\n" + "\n\n".join(
    f"def number_{n}(value):\n    '''The number {n}, “quoted”.'''\n    return {n} if value > {n} else value"
    for n in range(20)
)


def embed(texts: Sequence[str]) -> list[list[float]]:
    """Holidays point one way, everything else another."""
    return [[1.0, 0.0] if "oliday" in text or "days" in text else [0.0, 1.0] for text in texts]


def cut(kind: str, text: str, **config) -> list[Piece]:
    chunker = CHUNKERS[kind]
    return chunker(chunker.Config(**config), embed=embed).split(text)


def texts(kind: str, text: str, **config) -> list[str]:
    return [text[piece.start : piece.end] for piece in cut(kind, text, **config)]


@pytest.mark.parametrize("kind", sorted(set(CHUNKERS) - {"paragraphs"}))
@pytest.mark.parametrize("seed", range(8))
def test_pieces_of_any_text_are_exact_in_order_complete_and_not_too_long(kind, seed):
    chance = random.Random(seed)
    text = chance.choice(["\n", "\n\n", " "]).join(chance.choices(SENTENCES, k=chance.randint(1, 60)))
    limit = 256

    pieces = cut(kind, text, max_tokens=limit)

    starts = [piece.start for piece in pieces]
    assert starts == sorted(starts)
    covered = bytearray(len(text))
    for piece in pieces:
        content = text[piece.start : piece.end]
        assert content == content.strip() != ""
        assert piece.token_count == count_tokens(content) <= limit + 8
        covered[piece.start : piece.end] = b"\1" * len(content)
    left_out = "".join(character for character, seen in zip(text, covered, strict=True) if not seen)
    assert not re.sub(r"[\s`~#]|python", "", left_out)


@pytest.mark.parametrize("kind", sorted(CHUNKERS))
def test_an_empty_text_has_no_pieces(kind):
    assert cut(kind, "") == []
    assert cut(kind, " \n\n ") == []


def test_sections_are_pieces_under_their_headings():
    pieces = cut("markdown", HANDBOOK)
    assert [piece.heading for piece in pieces] == [
        "Handbook", "Handbook > Holidays", "Handbook > Fees", "Handbook > Fees > Cards",
    ]  # fmt: skip
    assert HANDBOOK[pieces[1].start : pieces[1].end].endswith("roll over until March.")


def test_a_short_document_stays_whole_and_a_long_one_is_cut():
    assert len(cut("whole", HANDBOOK)) == 1
    assert len(cut("whole", HANDBOOK * 40, max_tokens=256)) > 5


def test_sentences_fill_pieces_and_overlap():
    text = " ".join(f"This is sentence number {n} of a long transcript." for n in range(100))

    found = texts("sentences", text, max_tokens=64, overlap_tokens=20)

    assert all(piece.endswith(".") for piece in found)
    assert all(second.split(".")[0] in first for first, second in pairwise(found))


def test_a_piece_ends_where_the_subject_changes():
    text = (
        "Holidays are asked for in the portal. Your holiday is granted in three days. Days roll over. "
        "Cards cost five euros. A lost card is paid by its owner. Cards are blue."
    )
    first, *rest = texts("semantic", text, breakpoint_percentile=80)
    assert "Cards" not in first
    assert " ".join(rest).startswith("Cards cost")


def test_without_an_embedding_model_nothing_can_be_cut_by_subject():
    chunker = CHUNKERS["semantic"]
    with pytest.raises(NotConfigured, match="embedding model"):
        chunker(chunker.Config()).split("One. Two.")


def many(function: str, *, glue: str = "\n\n", count: int = 30) -> str:
    return glue.join(function.replace("%", str(n)) for n in range(count))


@pytest.mark.parametrize(
    ("language", "code", "whole"),
    [
        ("python", many("def f%(x):\n    y = x + %\n    return y * 2"), r"def f\d+.*return"),
        ("js", many("function f%(x) {\n  const y = x + %;\n  return y;\n}"), r"function"),
        ("cs", "class A {\n" + many("  int F%(int x) { return x + %; }", glue="\n", count=60) + "\n}", r"int F"),
    ],
)
def test_functions_stay_whole(language, code, whole):
    text = f"# Code\n\nSome words.\n\n```{language}\n{code}\n```\n\nMore words."

    found = texts("code", text, max_tokens=96)

    assert found[0].startswith("# Code")
    assert found[-1] == "More words."
    inner = found[1:-1]
    assert len(inner) > 3
    assert all(piece.count("{") == piece.count("}") for piece in inner) or language == "cs"
    assert sum(len(re.findall(whole, piece, re.S)) > 0 for piece in inner) >= len(inner) - 1


def test_code_in_a_language_without_a_grammar_is_cut_by_lines():
    text = "```cobol\n" + "\n".join(f"MOVE {n} TO TOTAL." for n in range(200)) + "\n```"
    assert len(texts("code", text, max_tokens=64)) > 5


def test_code_keeps_the_heading_above_it():
    assert {piece.heading for piece in cut("code", PYTHON, max_tokens=128)} == {"Tools"}
