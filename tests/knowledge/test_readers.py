"""Which reader takes a file, and what people read when none can."""

import pytest

from knowledge.readers import READERS, read, reader_for, supported_extensions
from magnet.errors import UnreadableDocument
from tests.knowledge import files


def refusal(body: bytes, **about: str) -> str:
    with pytest.raises(UnreadableDocument) as caught:
        read(body, **about)
    return caught.value.detail


def test_every_kind_has_a_label_and_its_extensions_are_offered():
    assert set(READERS) == {
        *("markdown", "text", "html", "pdf", "docx", "csv", "xlsx", "pptx", "odt", "epub", "eml", "msg", "json", "code")
    }
    assert all(reader.label and reader.extensions and reader.media_types for reader in READERS.values())
    assert {".md", ".txt", ".html", ".pdf", ".docx", ".csv"} <= set(supported_extensions())


@pytest.mark.parametrize(
    ("about", "label"),
    [
        ({"filename": "Notes.MD"}, "Markdown"),
        ({"filename": "notes.md", "media_type": "text/plain"}, "Markdown"),
        ({"filename": "page", "media_type": "text/html; charset=utf-8"}, "Web page"),
        ({"filename": "list.csv", "media_type": "application/octet-stream"}, "CSV table"),
        ({"filename": "server.conf"}, "Plain text"),
        ({}, "Plain text"),
    ],
)
def test_text_is_read_by_media_type_or_name(about, label):
    assert reader_for(b"name: value", **about).label == label


def test_a_lying_extension_is_read_as_what_it_is():
    assert reader_for(files.pdf([("BodyText", "Hello")]), filename="notes.txt").label == "PDF"
    assert reader_for(files.docx(), filename="scan.pdf").label == "Word document"
    assert reader_for(b"\n<!DOCTYPE html><p>Hello", filename="report.pdf").label == "Web page"
    assert reader_for(b"<!-- saved --><html><p>Hello", media_type="text/plain").label == "Web page"


def test_a_text_that_claims_to_be_a_pdf_is_refused():
    assert refusal(b"just words", filename="report.pdf") == (
        "“report.pdf” claims to be a PDF file but is none. Check where it came from and save it again."
    )


@pytest.mark.parametrize("body", [b"", b"  \r\n\t", b"\x00\x00\x00", b"\xef\xbb\xbf\n"])
def test_an_empty_file_is_refused(body):
    assert refusal(body, filename="empty.md") == "“empty.md” is empty. Check the file and upload it again."


@pytest.mark.parametrize(
    ("filename", "what"),
    [("team.png", "a picture (.png)"), ("call.mp3", "a sound (.mp3)"), ("backup.dat", "“.dat”"), ("blob", "")],
)
def test_an_unknown_format_is_named_with_the_common_ones_that_are_read(filename, what):
    sentence = refusal(bytes(range(256)) * 20, filename=filename)

    named = f": {what}" if what else ""
    assert sentence.startswith(f"“{filename}” is in a format that is not supported{named}. ")
    assert "PDF, Word, Excel" in sentence
    assert len(sentence) < 200


def test_binary_nonsense_with_the_name_of_a_text_is_refused():
    assert "its content is binary" in refusal(bytes(range(256)) * 20, filename="notes.txt")


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "is a picture. Run text recognition"),
        (b"{\\rtf1\\ansi Hello}", "Save it as DOCX or PDF"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "old Office format"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"),
            "protected by a password",
        ),
        (
            files.with_part(files.zipped(a=b""), "xl/workbook.bin", b"x"),
            "binary Excel workbook (XLSB). Save it as XLSX",
        ),
        (files.zipped(ppt__presentation=b"x"), "compressed archive. Unpack it"),
        (b"PK\x03\x04 cut off", "damaged or not complete"),
    ],
)
def test_formats_that_are_not_read_say_what_to_do_instead(body, hint):
    assert hint in refusal(body, filename="file.docx")


def test_a_page_without_words_is_refused():
    assert refusal(b"<html><body><nav>Home</nav></body></html>") == (
        "This document contains no text. Check that it is the right file."
    )


def test_a_text_of_more_than_twenty_million_characters_is_refused():
    assert "more than 20 million characters. Split it" in refusal(b"word " * 4_000_001, filename="dump.txt")


def test_a_line_of_five_megabytes_is_read():
    assert len(read(b"word " * 1_000_000, filename="line.txt").text) == 4_999_999
