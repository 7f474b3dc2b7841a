"""The provider that is always there: its vectors, and answers that read well and say only what the documents say."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import numpy as np
import pytest
import wordllama

from magnet.providers import PROVIDERS, local_embeddings
from magnet.providers.base import ChatMessage, ChatRequest, Connection, Evidence, ModelProvider
from magnet.providers.extractive import answer
from magnet.providers.sentences import quotables, sentences

HANDBOOK = """\
# Knowledge sources

A knowledge source is a place where documents come from, e.g. a folder. Dr. Smith added it in version 2.5.

## How do I add a knowledge source?

Go to the admin. To add a source:

1. Open **Knowledge sources**.
2. Press *Save*.

```bash
manage.py sync handbook
```

## Plans

| Plan | Price |
|------|-------|
| Free | 0 € |
| Pro | 20 € |

Prices are per month. They are billed yearly.
"""
SYNC = """\
| Team | 40 € |

Q: How often does a source sync?
Every hour by default. You can choose daily instead.

- **Manual**: only when you press *Sync now*.
"""
EVIDENCE = (Evidence(1, HANDBOOK, "Handbook"), Evidence(2, SYNC, "Sync"))


@pytest.fixture
def local() -> ModelProvider:
    provider = PROVIDERS["local"]
    return provider(Connection(), provider.Config())


def asked(question: str, evidence: tuple[Evidence, ...] = EVIDENCE) -> ChatRequest:
    return ChatRequest("extractive", [ChatMessage("user", question)], question=question, evidence=evidence)


# -- Vectors -------------------------------------------------------------------------------------------------


async def test_its_vectors_are_those_of_the_wordllama_library(local):
    library = wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)
    texts = ["How do I reset my password?", "Größe, 价格 and 🙂", "word " * 3_000]

    embeddings = await local.embed(texts, model="wordllama-256")

    assert embeddings.vectors == pytest.approx(library.embed(texts, norm=True), abs=1e-5)
    assert embeddings.usage.input_tokens > 3_000


async def test_every_text_has_a_vector_of_unit_length_even_an_empty_one(local):
    embeddings = await local.embed(["", " ", "\x00", "x" * 5_000_000], model="wordllama-256")

    assert np.linalg.norm(embeddings.vectors, axis=1) == pytest.approx([1, 1, 1, 1])


async def test_a_large_batch_leaves_the_event_loop_free(local):
    await local.check()
    batch = asyncio.create_task(local.embed(["A sentence of some words. " * 40] * 2_000, model="wordllama-256"))

    ticks = 0
    while not batch.done():
        await asyncio.sleep(0.001)
        ticks += 1

    assert ticks > 20, "The loop went round while the batch was embedded."
    assert (await batch).vectors.shape == (2_000, 256)


# -- Answers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (
            "What is a knowledge source?",
            "A knowledge source is a place where documents come from, e.g. a folder. [1]",
        ),
        (
            "How do I add a knowledge source?",
            "Go to the admin.\n\nTo add a source:\n1. Open **Knowledge sources**.\n2. Press *Save*. [1]",
        ),
        ("How often does a source sync?", "Every hour by default. You can choose daily instead. [2]"),
        ("What does the Pro plan cost?", "Plan: Pro; Price: 20 €. [1]"),
        ("Are prices billed monthly or yearly?", "Prices are per month. They are billed yearly. [1]"),
    ],
)
def test_quotes_what_answers_the_question(question, expected):
    assert answer(question, evidence=EVIDENCE) == expected


def test_quotes_chinese_by_its_own_full_stops():
    text = "戴维斯完成了四次拦截。卡罗莱纳的防线很强。贾里德·艾伦有 136 次擒杀。"

    assert answer("贾里德有多少次擒杀？", evidence=[Evidence(3, text)]) == "贾里德·艾伦有 136 次擒杀。 [3]"


def test_never_quotes_headings_code_or_rows_without_their_columns():
    texts = [piece.text for piece in quotables(HANDBOOK) + quotables(SYNC)]

    assert not any("#" in text or "manage.py" in text or "Team" in text or "|" in text for text in texts)
    assert "Plan: Free; Price: 0 €." in texts


def test_never_quotes_the_caption_of_a_picture():
    text = "Open the list.\n\n*The list of tools*\n\n*It is long.*"

    assert [piece.text for piece in quotables(text)] == ["Open the list.", "*It is long.*"]


def test_quotes_stand_in_the_documents_word_for_word():
    flat = " ".join(f"{HANDBOOK} {SYNC}".split())

    pieces = [piece for piece in quotables(HANDBOOK) + quotables(SYNC) if not piece.text.startswith("Plan: ")]

    assert len(pieces) >= 6
    assert all(" ".join(piece.text.split()) in flat for piece in pieces)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Dr. Smith met J. R. Ewing on Jan. 5 at 10.30 a.m. sharp. They left.", 2),
        ("He paid 3.5 million. “Too much!” she said. Was it? Yes!", 4),
        ("Siehe z.B. Kapitel 3. Danach weiter.", 2),
        ("第一句。第二句！第三句？", 3),
        ("यह पहला है। यह दूसरा है।", 2),
        ("no end at all", 1),
        ("", 0),
    ],
)
def test_cuts_sentences_in_any_script(text, count):
    assert len(sentences(text)) == count


def test_one_endless_line_becomes_a_quotation_of_sane_length():
    assert len(answer("word?", evidence=[Evidence(1, "word " * 100_000)])) < 700


def test_a_passage_of_nothing_but_code_is_still_shown():
    assert answer("How?", evidence=[Evidence(4, "```\nmake run\n```")]) == "``` make run ``` [4]"


async def test_without_evidence_it_says_what_to_set(local):
    reply = await local.chat(asked("Hello?", evidence=()))

    assert "No language model is configured" in reply.text
    assert "OPENAI_API_KEY" in reply.text


async def test_streams_like_any_model(local):
    whole = await local.chat(asked("How do I add a knowledge source?"))

    deltas = [delta async for delta in local.stream(asked("How do I add a knowledge source?"))]

    assert "".join(delta.text for delta in deltas) == whole.text
    assert len(deltas) > 3
    assert deltas[-1].usage == whole.usage
    assert whole.usage.output_tokens > 5
    assert deltas[-1].finish_reason == "stop"


def test_a_sentence_that_refers_back_goes_with_what_it_means():
    long = "The branch in Zug opened in spring. Its code is 959. " + " ".join(
        f"Room {number} holds chairs and a table for guests." for number in range(9)
    )

    assert (
        answer("What is the code of the branch in Zug?", evidence=[Evidence(1, long)])
        == "The branch in Zug opened in spring. Its code is 959. [1]"
    )


def test_a_short_passage_is_quoted_whole():
    short = "Permits in Oslo cost forty crowns. The porter sells permits. Pay in cash."

    assert answer("How much is a permit in Oslo?", evidence=[Evidence(1, short)]) == f"{short} [1]"


def test_words_have_the_same_tokens_alone_as_in_their_text():
    tokenizer, _ = local_embeddings._load()
    chance = random.Random(7)
    made = ["".join(chance.choices("aé 中\n<s>กำ▁😀\t  b", k=30)) for _ in range(3_000)]
    given = ["", " ", "   a", "a ", " a b  c   d", "<s> b", "x </s> y", "a▁ b", "naïve  `code`\n\n  more", *made]

    found = local_embeddings.token_ids(given)

    assert found == [tokenizer.encode(text, add_special_tokens=False).ids for text in given]
