"""PDF and Word: structure and page numbers kept, bad files refused with a sentence that helps."""

import pytest

from knowledge.readers import read
from magnet.errors import UnreadableDocument
from tests.knowledge import files


def refusal(body: bytes, filename: str) -> str:
    with pytest.raises(UnreadableDocument) as caught:
        read(body, filename=filename)
    return caught.value.detail


def test_a_pdf_keeps_headings_paragraphs_and_page_numbers():
    body = files.pdf(
        [("Heading1", "Holidays"), ("BodyText", files.FILLER * 2), ("BodyText", "Ask <b>your</b> manager.")],
        [("Heading2", "Sick leave"), ("BodyText", "Call before nine o’clock. " + files.FILLER)],
        title="Handbook",
    )

    extract = read(body, filename="handbook.pdf")

    assert extract.title == "Handbook"
    assert extract.metadata == {"pages": 2}
    assert extract.text.split("\n\n") == [
        "# Holidays",
        (files.FILLER * 2).strip(),
        "Ask your manager.",
        "## Sick leave",
        "Call before nine o’clock. " + files.FILLER.strip(),
    ]
    assert [extract.text[start:][:8] for start in extract.page_starts] == ["# Holida", "## Sick "]


def test_words_cut_by_a_line_or_a_page_are_put_together():
    body = files.pdf_of_lines(
        ["The contract may be can-", "celled with three months of notice by", "both sides and in writ-"],
        ["ing only, which", "• means a letter", "• or a fax."],
    )

    text = read(body, filename="contract.pdf").text

    assert "may be cancelled with three months" in text
    assert text.endswith("- means a letter\n- or a fax.")


def test_a_sentence_that_runs_over_a_page_stays_one_paragraph():
    body = files.pdf_of_lines(["The contract ends when"], ["either side says so."], ["Next."])

    extract = read(body, filename="contract.pdf")

    assert extract.text == "The contract ends when either side says so.\n\nNext."
    assert [extract.text[start:][:6] for start in extract.page_starts] == ["The co", "either", "Next."]


def test_a_bullet_in_another_font_does_not_tear_its_item_apart():
    body = files.pdf([("BodyText", f'<font face="ZapfDingbats">x</font> {files.FILLER}'), ("BodyText", "Then.")])

    assert read(body, filename="fonts.pdf").text == f"- {files.FILLER.strip()}\n\nThen."


def test_the_title_of_a_pdf_without_one_is_its_first_heading():
    body = files.pdf([("Heading1", "Holidays"), ("BodyText", files.FILLER)])

    assert read(body, filename="holidays.pdf").title == "Holidays"


def test_running_titles_and_page_numbers_are_left_out():
    pages = [
        ["ACME handbook 2026", f"{subject} matters a lot to us.", "It does.", "Really.", f"Page {number} of 4"]
        for number, subject in enumerate(["Trust", "Speed", "Care", "Rest"], start=1)
    ]

    text = read(files.pdf_of_lines(*pages), filename="handbook.pdf").text

    assert "ACME" not in text
    assert "Page" not in text
    assert "Speed matters a lot to us." in text


def test_a_page_of_pictures_between_others_keeps_the_page_numbers_right():
    extract = read(files.pdf_of_lines(["First."], [], ["Third."]), filename="mixed.pdf")

    assert extract.text == "First.\n\nThird."
    assert extract.page_starts == (0, 6, 8)


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        (files.pdf_with_password(), "is protected by a password. Save it without the password"),
        (files.scanned_pdf(), "contains only pictures (it was scanned), so there is no text to read."),
        (b"%PDF-1.7 and then nothing", "is damaged or not complete"),
        (files.pdf([("BodyText", "Hello")])[:300], "is damaged or not complete"),
    ],
)
def test_a_bad_pdf_says_what_to_do(body, hint):
    assert refusal(body, "pay.pdf").startswith(f"“pay.pdf” {hint}")


def write_manual(document):
    document.add_heading("Manual", level=0)
    document.add_heading("Setup", level=1)
    paragraph = document.add_paragraph("Press ")
    paragraph.add_run("start").bold = True
    document.add_paragraph("Cable", style="List Bullet")
    document.add_paragraph("Screw", style="List Bullet")
    document.add_paragraph("Plug in", style="List Number")
    document.add_paragraph("Wait", style="List Number")
    table = document.add_table(rows=2, cols=2)
    for cell, text in zip(
        [*table.rows[0].cells, *table.rows[1].cells], ["Light", "Meaning", "red", "a|b"], strict=True
    ):
        cell.text = text
    document.add_paragraph("Done.")


def test_a_word_document_keeps_headings_lists_and_tables_in_their_order():
    extract = read(files.docx(write_manual), filename="manual.docx")

    assert extract.title == "Manual"
    assert extract.text.split("\n\n") == [
        "# Manual",
        "# Setup",
        "Press start",
        "- Cable\n- Screw\n1. Plug in\n2. Wait",
        "| Light | Meaning |\n| --- | --- |\n| red | a\\|b |",
        "Done.",
    ]


def test_tracked_changes_are_read_as_accepted():
    word = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    xml = (
        f'<w:document xmlns:w="{word}"><w:body>'
        "<w:p><w:r><w:t>keep </w:t></w:r><w:ins><w:r><w:t>added</w:t></w:r></w:ins>"
        "<w:del><w:r><w:delText>removed</w:delText></w:r></w:del></w:p>"
        "<w:sdt><w:sdtContent><w:p><w:r><w:t>field</w:t></w:r></w:p></w:sdtContent></w:sdt>"
        "</w:body></w:document>"
    )

    assert read(files.with_part(files.docx(), "word/document.xml", xml.encode())).text == "keep added\n\nfield"


def test_a_zip_bomb_is_not_opened():
    bomb = files.with_part(files.docx(), "word/styles.xml", b"<a>" + b" " * 60_000_000 + b"</a>")

    assert len(bomb) < 200_000
    assert "a “zip bomb”" in refusal(bomb, "bomb.docx")


def test_a_zip_bomb_that_lies_about_its_size_is_not_inflated():
    package = files.with_part(files.docx(), "word/document.xml", b" " * 60_000_000)
    size, lie = (60_000_000).to_bytes(4, "little"), (1_000).to_bytes(4, "little")

    assert "is damaged or not complete" in refusal(package.replace(size, lie), "bomb.docx")


def test_entities_that_expand_are_refused():
    xml = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><x>&b;</x>'
    body = files.with_part(files.docx(), "word/document.xml", xml)

    assert "contains XML entities" in refusal(body, "laughs.docx")


def test_a_word_document_with_a_missing_piece_is_refused():
    body = files.with_part(files.docx(), "word/document.xml", b"<w:document>")

    assert refusal(body, "broken.docx") == (
        "“broken.docx” is damaged or not complete. Open it in Word, save it again and upload the result."
    )
