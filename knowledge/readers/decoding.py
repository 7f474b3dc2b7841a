"""From bytes to clean text: every character set that people still use, and nothing that PostgreSQL refuses."""

from __future__ import annotations

import codecs
import re
import unicodedata

from knowledge.readers.refusal import MAX_TEXT_CHARACTERS, too_long, unreadable
from magnet import language

# UTF-32 first: its mark begins with the one of UTF-16.
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What a character set is guessed from: the detector is thorough, not fast.
SAMPLE_BYTES = 50_000
# A text in UTF-8 with a few broken bytes is still UTF-8; with more it is something else.
MAX_BROKEN_SHARE = 0.02
# The character sets of Latin letters differ in a few of them only, so the language decides; these are not Western.
HIGH_BYTES = bytes(range(128, 256))
FEWEST_HIGH_BYTES = 6
CENTRAL_EUROPEAN = frozenset({"pl", "cs", "sk", "hu", "sl", "hr", "ro", "sq"})
CONTROL_BYTES = bytes(set(range(32)) - set(b"\t\n\r\f\x1b")) + b"\x7f"

# Soft hyphens, byte order marks and zero-width spaces split words that people search for.
INVISIBLE = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\x80-\x9f\xad\u200b\u2060\ufeff\ufffe\uffff\ud800-\udfff]")
ODD_SPACES = re.compile("[\xa0\u2007\u202f]")
# Typesetters' ligatures, which nobody types into a search box.
LIGATURES = {0xFB00: "ff", 0xFB01: "fi", 0xFB02: "fl", 0xFB03: "ffi", 0xFB04: "ffl", 0xFB05: "st", 0xFB06: "st"}
LIGATURE = re.compile("[\ufb00-\ufb06]")
LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
MANY_BLANK_LINES = re.compile(r"\n{4,}")


def decode(body: bytes, *, filename: str = "") -> str:
    """Decode and clean the bytes of a text file; UnreadableDocument where they are no text."""
    if len(body) > 4 * MAX_TEXT_CHARACTERS:
        raise too_long(filename)
    for mark, encoding in BYTE_ORDER_MARKS:
        if body.startswith(mark):
            return clean(body.decode(encoding, errors="replace"), filename=filename)
    if utf_16 := utf_16_without_mark(body):
        return clean(body.decode(utf_16, errors="replace"), filename=filename)
    if is_binary(body):
        raise unreadable(filename, "is not a text: its content is binary. Upload a text, PDF, Word or CSV file.")
    return clean(decode_unmarked(body), filename=filename)


def utf_16_without_mark(body: bytes) -> str:
    """Windows writes UTF-16 without a mark now and then: every second byte of a Latin text is zero."""
    sample = body[:2_000]
    if len(sample) < 4 or len(body) % 2:
        return ""
    odd, even = sample[1::2].count(0) / (len(sample) // 2), sample[::2].count(0) / (len(sample) // 2)
    if odd > 0.6 and even < 0.1:
        return "utf-16-le"
    return "utf-16-be" if even > 0.6 and odd < 0.1 else ""


def is_binary(body: bytes) -> bool:
    """Say whether too many bytes are control characters; a few NULs in a text are forgiven."""
    sample = body[:SAMPLE_BYTES]
    return len(sample) - len(sample.translate(None, CONTROL_BYTES)) > 0.1 * len(sample)


def decode_unmarked(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        forgiving = body.decode("utf-8", errors="replace")
    broken = forgiving.count("\ufffd")
    letters_beyond_ascii = len(forgiving) - len(re.sub("[^\x00-\x7f]", "", forgiving))
    if broken <= MAX_BROKEN_SHARE * len(forgiving) and letters_beyond_ascii > 2 * broken:
        return forgiving
    return body.decode(guess_charset(body), errors="replace")


def believe_charset(body: bytes, charset: str) -> bytes:
    """Return the bytes as UTF-8, if they are not already, by what a page or a server declares about them."""
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        try:
            return body.decode(charset, errors="replace").encode("utf-8", errors="ignore")
        except (LookupError, UnicodeError):
            return body
    return body


def guess_charset(body: bytes) -> str:
    """Guess what is not UTF-8; Western European where there is too little to go by."""
    from charset_normalizer import from_bytes

    sample = body[:SAMPLE_BYTES]
    if len(sample) - len(sample.translate(None, HIGH_BYTES)) < FEWEST_HIGH_BYTES:
        return "cp1252"
    best = from_bytes(sample).best()
    if best is None:
        return "cp1252"
    if is_latin(str(best)):
        return best.encoding if language.detect(str(best)) in CENTRAL_EUROPEAN else "cp1252"
    return best.encoding


def is_latin(text: str) -> bool:
    """Say whether nearly all letters are Latin: a Greek text has Latin names, but no Latin text has a Greek letter here
    and there, so a few of them are quotation marks in another character set."""
    letters = [character for character in text if character.isalpha()]
    return sum(letter > "\u024f" for letter in letters) <= 0.1 * len(letters)


def clean(text: str, *, filename: str = "") -> str:
    """Return `text` as every document is stored: NFC, "\\n" line ends, no NULs, surrogates or invisible characters."""
    if len(text) > MAX_TEXT_CHARACTERS:
        raise too_long(filename)
    text = ODD_SPACES.sub(" ", INVISIBLE.sub("", LINE_ENDS.sub("\n", text)))
    if LIGATURE.search(text):
        text = text.translate(LIGATURES)
    lines = "\n".join(line.rstrip() for line in unicodedata.normalize("NFC", text).split("\n"))
    return MANY_BLANK_LINES.sub("\n\n\n", lines).strip("\n")
