"""Files made to do harm: bombs, entities, files of the server, endless nesting; each ends soon and leaks nothing."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from knowledge.readers import read
from magnet.errors import UnreadableDocument
from tests.knowledge import office_files

SECRET = "the secret of the server"
LAUGHS = "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
BOMB = f'<!DOCTYPE x [<!ENTITY a "{"lol" * 10}">{LAUGHS}]>'
SHEET = (
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row r="1">'
    '<c r="A1" t="inlineStr"><is><t>%s</t></is></c></row></sheetData></worksheet>'
)
MAIL = b"From: a@example.com\r\nSubject: Hi\r\nMIME-Version: 1.0\r\n"
PARTS = b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'


@pytest.fixture
def secret(tmp_path: Path) -> str:
    file = tmp_path / "secret"
    file.write_text(SECRET)
    return f'<!DOCTYPE x [<!ENTITY j SYSTEM "{file.as_uri()}">]>'


def changed(body: bytes, change: Callable[[str, bytes], bytes], further: Mapping[str, bytes] | None = None) -> bytes:
    """The package with its parts as `change(name, part)` makes them."""
    with zipfile.ZipFile(io.BytesIO(body)) as package:
        parts = {
            name.replace("sheet1.xml", "sheet1.dat"): change(name, package.read(name)) for name in package.namelist()
        }
    return office_files.package({**parts, **(further or {})})


def workbook(doctype: str, encoding: str = "utf-8") -> bytes:
    """A sheet with an entity; its part has a name by which nobody takes it for XML."""
    sheet = f'<?xml version="1.0" encoding="{encoding}"?>{doctype}{SHEET % "&j;"}'.encode(encoding)

    def change(name: str, part: bytes) -> bytes:
        return sheet if name.endswith("sheet1.xml") else part.replace(b"sheet1.xml", b"sheet1.dat")

    return changed(office_files.xlsx(lambda book: book.active.append(["a"])), change)


def book(doctype: str, *, within: str) -> bytes:
    def change(name: str, part: bytes) -> bytes:
        if not name.endswith(within):
            return part
        return doctype.encode() + part.replace(b"The lighthouse", b"&j;").replace(b"hello", b"hello &j;")

    return changed(office_files.epub({"a": "<p>hello</p>"}, spine=["a"]), change)


def open_document(doctype: str, encoding: str) -> bytes:
    text = office_files.ODT % "<office:text><text:p>&j; hello</text:p></office:text>"
    return office_files.package(
        {"content.xml": f'<?xml version="1.0" encoding="{encoding}"?>{doctype}{text}'.encode(encoding)}
    )


DISGUISED = [
    ("a.xlsx", workbook),
    ("a.xlsx", lambda doctype: workbook(doctype, "utf-32")),
    ("a.xlsx", lambda doctype: workbook(doctype, "utf-7")),
    ("a.odt", lambda doctype: open_document(doctype, "utf-32")),
    ("a.odt", lambda doctype: open_document(doctype, "utf-16")),
    ("a.epub", lambda doctype: book(doctype, within=".xhtml")),
    ("a.epub", lambda doctype: book(doctype, within=".opf")),
    ("a.html", lambda doctype: f"{doctype}<html><body><p>&j; hello</p></body></html>".encode()),
]


def told(body: bytes, filename: str) -> str:
    """All that comes of a file; nothing where it is refused in a sentence."""
    try:
        extract = read(body, filename=filename)
    except UnreadableDocument:
        return ""
    return f"{extract.title} {extract.text} {extract.metadata}"


@pytest.mark.parametrize(("filename", "make"), DISGUISED)
def test_an_entity_brings_in_no_file_of_the_server_wherever_it_is_hidden(filename, make, secret):
    assert SECRET not in told(make(secret), filename)


@pytest.mark.parametrize(("filename", "make"), DISGUISED)
def test_entities_never_grow_wherever_they_are_hidden(filename, make):
    assert "lollol" not in told(make(BOMB), filename)


@pytest.mark.parametrize("name", ["../../evil", "/tmp/magnet-evil", "a\\..\\..\\evil"])
def test_names_in_a_package_lead_nowhere(name, tmp_path):
    evil = office_files.xlsx(lambda book: book.active.append(["Price", "hello"]))
    body = changed(evil, lambda _name, part: part.replace(b"sheet1.xml", b"sheet1.dat"), {name: b"evil"})

    assert "hello" in told(body, "a.xlsx")
    assert not Path("/tmp/magnet-evil").exists()
    assert not list(tmp_path.parent.glob("**/evil"))


PEOPLE = b", ".join(b'"%d" <a%d@example.com>' % (n, n) for n in range(50_000))
NESTED = "<text:list><text:list-item>" * 20_000 + "<text:p>x</text:p>" + "</text:list-item></text:list>" * 20_000
WIDE = (
    "<table:table-row table:number-rows-repeated='1000000'><table:table-cell table:number-columns-repeated='1000000'>"
)


@pytest.mark.parametrize(
    ("filename", "body"),
    [
        ("a.odt", office_files.odt(f"<office:text>{NESTED}</office:text>")),
        ("a.odt", office_files.odt("<office:text><text:p>a<text:s text:c='2000000000'/>b</text:p></office:text>")),
        (
            "a.ods",
            office_files.odt(
                f"<office:spreadsheet><table:table>{WIDE}<text:p>x</text:p></table:table-cell></table:table-row>"
                "</table:table></office:spreadsheet>"
            ),
        ),
        ("a.epub", office_files.epub({"a": "<p>hello</p>"}, spine=["a"] * 100_000)),
        ("a.epub", office_files.epub({"a": "<div>" * 100_000}, spine=["a"])),
        ("a.eml", MAIL + b"To: " + PEOPLE + b"\r\n\r\nHi"),
        ("a.eml", MAIL + b"To: " + b"=?utf-8?b?QUFB?= " * 30_000 + b"\r\n\r\nHi"),
        ("a.eml", MAIL + b"To: " + b"(" * 100_000 + b"\r\n\r\nHi"),
        ("a.eml", MAIL + PARTS + b'--b\r\nContent-Disposition: attachment; filename="../../x"\r\n\r\nx\r\n' * 10_000),
        (
            "a.eml",
            MAIL + PARTS + b"--b\r\nContent-Disposition: attachment; "
            + b"".join(b"filename*%d*=%%41; " % n for n in range(20_000)) + b"\r\n\r\nx\r\n--b--",
        ),
        ("a.eml", MAIL + b"Content-Type: text/html\r\n\r\n" + b"<div>" * 100_000),
        ("a.eml", MAIL + b"Content-Type: text/plain; charset=zlib_codec\r\n\r\nHi"),
    ],
)  # fmt: skip
def test_what_is_made_to_last_for_ever_ends_with_a_short_text_or_a_sentence(filename, body):
    # The child is given up after its limit, and then another error than a refusal is raised.
    assert len(told(body, filename)) < 2_000_000


def test_a_mail_within_mails_without_end_is_read_to_a_depth_or_refused():
    body = b"From: a@example.com\r\nSubject: innermost\r\n\r\nx\r\n"
    for n in range(300):
        edge = b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (n, n)
        body = b"From: a@example.com\r\nSubject: outer\r\n" + edge + b"Content-Type: message/rfc822\r\n\r\n" + body
        body += b"\r\n--b%d--\r\n" % n

    assert "innermost" not in told(body, "a.eml")
