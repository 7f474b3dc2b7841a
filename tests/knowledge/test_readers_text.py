"""Texts in every character set, and Markdown and CSV as people keep them."""

import pytest

from knowledge.readers import clean, read


@pytest.mark.parametrize(
    ("text", "charset"),
    [
        ("Grüße aus Köln", "utf-8"),
        ("Grüße aus Köln", "utf-8-sig"),
        ("Grüße aus Köln", "utf-16"),
        ("Grüße aus Köln", "utf-16-le"),
        ("Grüße aus Köln", "utf-16-be"),
        ("Grüße aus Köln", "utf-32"),
        ("Die Kündigungsfrist für Verträge beträgt drei Monate.", "cp1252"),
        ("Où est passée la façade élégante du château ?", "cp1252"),
        ("“Quoted” – it’s 5 €", "cp1252"),
        ("Zażółć gęślą jaźń, proszę o fakturę i przesyłkę", "cp1250"),
        ("Где мой заказ? Я заказал его вчера и жду доставку.", "cp1251"),
        ("返品期限は三十日です。お問い合わせください。", "shift_jis"),
        ("退货政策:三十天内可以退货。请联系客服。", "gb18030"),
        ("반품 정책은 삼십일입니다. 문의해 주세요.", "euc_kr"),
    ],
)
def test_a_text_is_read_in_any_character_set(text, charset):
    assert read(text.encode(charset), filename="notes.txt").text == text


def test_the_character_set_that_a_server_declares_is_believed():
    body = "Füße".encode("iso-8859-15")

    assert read(body, media_type="text/plain; charset=ISO-8859-15").text == "Füße"
    assert read(body, media_type="text/plain; charset=no-such-set").text == "Füße"


def test_a_few_broken_bytes_do_not_spoil_a_utf_8_text():
    body = "Die Übung führt über Äcker und Höfe. ".encode() * 5 + b"\xff\xfe end"

    assert read(body).text.endswith("Äcker und Höfe. \ufffd\ufffd end")


def test_what_postgresql_refuses_and_nobody_sees_is_gone():
    dirty = "one\x00 two\r\nthree\rfour\x0cfive so\xadft \ufb01nd e\u0301 \ud800 a\xa0b \ufeff  \n\n\n\n\n\nend\n"

    assert clean(dirty) == "one two\nthree\nfour\nfive soft find é  a b\n\n\nend"


def test_markdown_keeps_its_structure_and_loses_what_only_machines_read():
    body = b"""---
title: "Holidays"
owner: HR
---
<!-- draft -->
How to take a holiday
=====================

![A calendar](data:image/png;base64,AAAA)

Press ![the star](star.png).

```
<!-- kept -->
# not a heading
```
"""

    extract = read(body, filename="holidays.md")

    assert extract.title == "Holidays"
    assert extract.metadata == {"owner": "HR"}
    assert extract.text == (
        "# How to take a holiday\n\n*A calendar*\n\nPress the star.\n\n```\n<!-- kept -->\n# not a heading\n```"
    )


def test_the_title_of_a_markdown_file_is_its_first_heading():
    assert read(b"```\n# no\n```\n\n## Sub\n\n# The title #\n", filename="a.md").title == "The title"


def test_markdown_made_to_take_forever_does_not():
    for bait in (b"<!--", b"![](", b"```\n", b"# ", b"a\n-", b"[", b"---\n"):
        read(b"x" + bait * 300_000, filename="bait.md")


def test_every_row_of_a_csv_table_says_what_its_values_mean():
    body = 'Name;Preis;Menge\nApfel;1,20;3\n"Birne; rot";2,50;\n\nKöln;1;2;mehr\n'.encode("cp1252")

    extract = read(body, filename="prices.csv")

    assert extract.text.split("\n\n") == [
        "Name: Apfel\nPreis: 1,20\nMenge: 3",
        "Name: Birne; rot\nPreis: 2,50",
        "Name: Köln\nPreis: 1\nMenge: 2\nColumn 4: mehr",
    ]
    assert extract.metadata == {"columns": ["Name", "Preis", "Menge"], "rows": 3}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("q\ta\nhow?\tso, like this\n", "q: how?\na: so, like this"),
        ("1,2\n3,4\n", "Column 1: 1\nColumn 2: 2\n\nColumn 1: 3\nColumn 2: 4"),
        ("day|hours\n2026-01-05|8\n", "day: 2026-01-05\nhours: 8"),
        ('name,note\nAnn,"two\nlines"\n', "name: Ann\nnote: two lines"),
        ("only,a,header\n", "only · a · header"),
        ("word\nword\n", "word: word"),
    ],
)
def test_tables_of_every_shape_are_read(body, text):
    assert read(body.encode(), filename="table.csv").text == text


def test_a_table_of_one_enormous_cell_is_read():
    assert len(read(b"text\n" + b"x" * 5_000_000, filename="table.csv").text) == 5_000_006
