"""What a file really is, told by its first bytes, whatever its name says."""

from __future__ import annotations

import io
import re
import zipfile

from knowledge.readers.refusal import unreadable

# What browsers and servers say when they know nothing; "text/plain" is also what they call Markdown and CSV.
GENERIC_MEDIA_TYPES = frozenset(
    {
        "",
        "application/octet-stream",
        "binary/octet-stream",
        "application/x-download",
        "text/plain",
        "application/unknown",
    }
)
HTML = re.compile(
    rb"\A(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]{0,200}>\s*)?(?:<!--.{0,2000}?-->\s*){0,5}<(?:!doctype\s+html|html|head|body)\b",
    re.I | re.S,
)

# First bytes → what it is and what to do, as the rest of a sentence that begins with the file's name.
FOREIGN: tuple[tuple[bytes, str], ...] = (
    (b"{\\rtf", "is a rich text file (RTF). Save it as DOCX or PDF and upload that."),
    (b"\x89PNG", "is a picture. Run text recognition (OCR) over it and upload the result."),
    (b"\xff\xd8\xff", "is a picture. Run text recognition (OCR) over it and upload the result."),
    (b"GIF8", "is a picture. Run text recognition (OCR) over it and upload the result."),
    (b"II*\x00", "is a picture. Run text recognition (OCR) over it and upload the result."),
    (b"MM\x00*", "is a picture. Run text recognition (OCR) over it and upload the result."),
    (b"%!PS", "is a PostScript file. Save it as PDF and upload that."),
    (b"\x1f\x8b", "is a compressed archive. Unpack it and upload the files inside."),
    (b"7z\xbc\xaf", "is a compressed archive. Unpack it and upload the files inside."),
    (b"Rar!", "is a compressed archive. Unpack it and upload the files inside."),
    (b"BZh", "is a compressed archive. Unpack it and upload the files inside."),
    (b"MZ", "is a program, not a document."),
    (b"\x7fELF", "is a program, not a document."),
)
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
# A part that tells what a package is, and the kind of reader for it.
PACKAGES: tuple[tuple[str, str], ...] = (
    ("word/document.xml", "docx"),
    ("word/document2.xml", "docx"),
    ("xl/workbook.xml", "xlsx"),
    ("ppt/presentation.xml", "pptx"),
    ("META-INF/container.xml", "epub"),
    ("content.xml", "odt"),
)
BINARY_WORKBOOK = "xl/workbook.bin"
# The stream that every Outlook mail has, as its container's directory writes it.
OUTLOOK_MAIL = "__properties_version1.0".encode("utf-16-le")
# The directory of a package is read outside the reading process, so it is looked at only if it is not absurd.
DIRECTORY_ENTRY, MOST_ENTRIES = b"PK\x01\x02", 50_000


def kind_by_content(body: bytes, *, filename: str) -> str:
    """Return a kind such as "pdf" or "docx", or "" for what may be any text; refuse what is known to be foreign."""
    if not body.strip(b"\x00 \t\r\n\f\xef\xbb\xbf"):
        raise unreadable(filename, "is empty. Check the file and upload it again.")
    # Programs put a line or two before the signature, and every PDF reader forgives it.
    if b"%PDF-" in body[:1024]:
        return "pdf"
    if body.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return kind_of_package(body, filename=filename)
    if body.startswith(OLE) and OUTLOOK_MAIL in body:
        return "msg"
    if body.startswith(OLE):
        raise unreadable(filename, sentence_for_ole(body))
    for signature, sentence in FOREIGN:
        # A signature of two letters may begin a text: "MZ" needs a byte that no text has.
        if body.startswith(signature) and (len(signature) > 2 or b"\x00" in body[:64] or signature[0] < 32):
            raise unreadable(filename, sentence)
    return "html" if HTML.match(body[:12_000]) else ""


def kind_of_package(body: bytes, *, filename: str) -> str:
    if body.count(DIRECTORY_ENTRY) > MOST_ENTRIES:
        raise unreadable(filename, "is a compressed archive of far too many files. Unpack it and upload the files.")
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as package:
            names = frozenset(package.namelist())
    except (zipfile.BadZipFile, ValueError, RuntimeError) as error:
        raise unreadable(filename, "is damaged or not complete. Save it again and upload the result.") from error
    for part, kind in PACKAGES:
        if part in names:
            return kind
    if BINARY_WORKBOOK in names:
        raise unreadable(filename, "is a binary Excel workbook (XLSB). Save it as XLSX and upload that.")
    raise unreadable(filename, "is a compressed archive. Unpack it and upload the files inside.")


def sentence_for_ole(body: bytes) -> str:
    """Word keeps both its old format and its locked documents in the same old container."""
    if "EncryptedPackage".encode("utf-16-le") in body:
        return "is protected by a password. Save it without the password and upload it again."
    return "is in an old Office format (DOC, XLS or PPT). Save it as DOCX, XLSX, PPTX or PDF and upload that."


def split_media_type(media_type: str) -> tuple[str, str]:
    """Split "text/html; charset=ISO-8859-1" into the type and the character set, both in lower case."""
    base, _, parameters = media_type.lower().partition(";")
    charset = re.search(r"charset\s*=\s*[\"']?([\w-]+)", parameters)
    return base.strip(), charset[1] if charset else ""
