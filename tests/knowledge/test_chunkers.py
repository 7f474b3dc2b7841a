"""Cutting texts: nothing lost, nothing twice, structure respected, and a small change changes little."""

import random
from itertools import pairwise

import pytest
from pydantic import ValidationError

from knowledge.chunkers import CHUNKERS, Piece, parts
from magnet.tokens import count_tokens

PARAGRAPHS = CHUNKERS["paragraphs"]
WORDS = "the card fee manager asks portal holiday answer price letter week contract"
SENTENCES = [
    "Holiday is asked for in the portal.",
    "The manager answers within three days!",
    "Does it roll over? Only until March.",
    "Fees: 5 € a card, z. B. after a loss.",
    "返品期限は30日です。お問い合わせください。",
    "- bring the receipt",
    "| plan | price |",
    "```",
    "# Fees",
    "### Details of cards",
    "",
    "",
    "    indented",
    "Donaudampfschifffahrtsgesellschaftskapitän" * 40,
    "👩‍👩‍👧 hello",
]


def split(text: str, **config: int) -> list[Piece]:
    return PARAGRAPHS(PARAGRAPHS.Config(**config)).split(text)


def texts(text: str, **config: int) -> list[str]:
    return [text[piece.start : piece.end] for piece in split(text, **config)]


def prose(seed: int, *, paragraphs: int) -> list[str]:
    chance = random.Random(seed)
    return [
        " ".join(chance.choices(WORDS.split(), k=chance.randint(8, 60))).capitalize() + "." for _ in range(paragraphs)
    ]


@pytest.mark.parametrize("seed", range(60))
def test_pieces_of_any_text_are_exact_in_order_and_complete(seed):
    chance = random.Random(seed)
    glue = chance.choice(["\n", "\n\n", " "])
    text = glue.join(chance.choices(SENTENCES, k=chance.randint(1, 120)))
    max_tokens = chance.choice([32, 64, 256, 2048])

    pieces = split(text, max_tokens=max_tokens)

    position = 0
    for piece in pieces:
        content = text[piece.start : piece.end]
        assert content == content.strip() != ""
        assert not text[position : piece.start].strip()
        assert 0 < piece.token_count <= max_tokens
        # Counted part by part, so the whole may differ by a token or two at the seams.
        assert count_tokens(content) <= max_tokens * 1.1 + 2
        assert len(content) <= 16_000
        position = piece.end
    assert not text[position:].strip()


@pytest.mark.parametrize(
    "text",
    [
        "x9" * 2_500_000,
        "a\n" * 100_000,
        "退货政策" * 100_000,
        "#" * 1_000_000,
        "```\n" * 50_000,
        "a" + " " * 5_000_000 + "b",
    ],
    ids=["no spaces", "tiny lines", "chinese", "hashes", "fences", "white space"],
)
def test_texts_made_to_choke_are_cut_into_bounded_pieces(text):
    pieces = split(text)

    assert all(piece.token_count <= 256 and piece.end - piece.start <= 8_192 for piece in pieces)
    assert sum(len(text[piece.start : piece.end].split()) > 0 for piece in pieces) == len(pieces)


def test_nothing_comes_of_nothing():
    assert split("") == []
    assert split(" \n\t\n ") == []


def test_headings_open_the_text_below_them_and_name_its_path():
    text = "Intro.\n\n# Sources\n\n## Website\n\nIt follows links.\n\n## [Folder](x)\n\nIt reads files.\n\n# End"

    assert [(piece.heading, text[piece.start : piece.end]) for piece in split(text)] == [
        ("", "Intro."),
        ("Sources > Website", "# Sources\n\n## Website\n\nIt follows links."),
        ("Sources > Folder", "## [Folder](x)\n\nIt reads files."),
        ("End", "# End"),
    ]


def test_a_comment_in_code_is_no_heading():
    text = "# Setup\n\n```bash\n# install\npip install x\n```\n\nDone."

    assert [(piece.heading, text[piece.start : piece.end]) for piece in split(text)] == [("Setup", text)]


def test_short_paragraphs_are_put_together_but_sections_are_not_mixed():
    text = "# A\n\nOne.\n\nTwo.\n\n# B\n\nThree."

    assert texts(text) == ["# A\n\nOne.\n\nTwo.", "# B\n\nThree."]


def test_tables_and_code_stay_whole_while_they_fit():
    table = "| plan | price |\n| --- | --- |\n" + "\n".join(f"| plan {n} | {n} € |" for n in range(8))
    code = "```\n" + "\n".join(f"step_{n}()" for n in range(12)) + "\n\nlast()\n```"
    text = f"{prose(1, paragraphs=1)[0]}\n\n{table}\n\n{prose(2, paragraphs=1)[0]}\n\n{code}"

    pieces = texts(text, max_tokens=128)

    assert sum(table in piece for piece in pieces) == 1
    assert sum(code in piece for piece in pieces) == 1


def test_a_line_that_announces_a_list_stays_with_it():
    sections = [
        [*prose(seed, paragraphs=4), "The fees are:", "- a card: 5 €", *prose(seed + 99, paragraphs=4)]
        for seed in range(20)
    ]

    pieces = texts("\n\n".join(paragraph for section in sections for paragraph in section))

    assert len(pieces) > 10
    assert not any(piece.endswith("The fees are:") for piece in pieces)


def test_a_long_table_is_cut_between_rows():
    text = "| plan | price |\n| --- | --- |\n" + "\n".join(f"| plan {n} | {n} € |" for n in range(200))

    pieces = texts(text)

    assert len(pieces) > 3
    assert all(piece.startswith("| ") and piece.endswith(" |") for piece in pieces)


def test_a_long_paragraph_is_cut_between_sentences():
    text = " ".join(f"Dr. Roe wrote letter No. {n} to J. Doe, e.g. about fees." for n in range(100))

    pieces = texts(text, max_tokens=64)

    assert all(piece.startswith("Dr. Roe") and piece.endswith("fees.") for piece in pieces)


@pytest.mark.parametrize("glue", ["\n\n", " "], ids=["paragraphs", "one endless line"])
def test_a_small_change_changes_few_pieces(glue):
    new_pieces = []
    for seed in range(20):
        parts = prose(seed, paragraphs=300)
        before = set(texts(glue.join(parts)))
        place = random.Random(seed).randrange(200)
        after = texts(glue.join([*parts[:place], "A new rule of ten words stands here from now on.", *parts[place:]]))
        new_pieces.append(sum(piece not in before for piece in after))

    # Cut without anchors, up to thirty of the fifty pieces are new, and three and a half on average.
    assert sum(new_pieces) / len(new_pieces) <= 2.5
    assert max(new_pieces) <= 10


def test_an_overlap_repeats_whole_sentences():
    text = " ".join(f"This is sentence number {n}." for n in range(100))

    pieces = split(text, max_tokens=64, overlap_tokens=16)

    for piece, following in pairwise(pieces):
        assert piece.start < following.start < piece.end
        assert text[following.start :].startswith("This is")
        assert count_tokens(text[following.start : piece.end]) <= 16
        assert following.token_count <= 64


def test_settings_that_make_no_sense_are_refused():
    for config in ({"max_tokens": 31}, {"max_tokens": 2049}, {"max_tokens": 64, "overlap_tokens": 33}, {"size": 3}):
        with pytest.raises(ValidationError):
            PARAGRAPHS.Config(**config)


def test_every_setting_has_a_label_and_an_explanation():
    assert all(field.title and field.description for field in PARAGRAPHS.Config.model_fields.values())


def test_a_paragraph_that_is_clearly_too_long_is_counted_in_its_sentences_alone(monkeypatch):
    counted = []
    monkeypatch.setattr(parts, "count_tokens", lambda piece: counted.append(len(piece)) or count_tokens(piece))
    text = " ".join(f"Sentence {number} says that the manager answers within three days." for number in range(60))

    pieces = split(text)

    assert len(pieces) > 1
    assert sum(counted) <= len(text)
