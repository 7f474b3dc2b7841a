"""E-mail: who wrote to whom and when, the text, the names of attachments, and mails inside the mail."""

from __future__ import annotations

from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import EmailPolicy
from itertools import islice
from typing import Any, ClassVar, cast

from knowledge.readers.base import Extract, Reader
from knowledge.readers.decoding import clean
from knowledge.readers.html import HtmlReader
from knowledge.readers.refusal import unreadable
from magnet.errors import UnreadableDocument

HEADERS = ("From", "To", "Cc", "Date")
MAX_DEPTH = 5
MOST_PARTS = 500
MOST_CHARACTERS_OF_HEADER = 10_000


class ShortHeaders(EmailPolicy):
    """Reads the beginning of a header only: taking one apart costs milliseconds for each address in it."""

    def header_fetch_parse(self, name: str, value: str) -> Any:
        return super().header_fetch_parse(name, value[:MOST_CHARACTERS_OF_HEADER])


POLICY = cast("EmailPolicy[EmailMessage]", ShortHeaders())


class EmlReader(Reader):
    label: ClassVar[str] = "E-mail"
    media_types: ClassVar[tuple[str, ...]] = ("message/rfc822",)
    extensions: ClassVar[tuple[str, ...]] = (".eml",)
    # Its parts say themselves in which character sets they are.
    is_text: ClassVar[bool] = False
    is_isolated: ClassVar[bool] = True

    def read(self, body: bytes, *, filename: str = "") -> Extract:
        try:
            message = message_from_bytes(body.lstrip(b"\r\n"), policy=POLICY)
            if not any(message.get(name) for name in ("From", "Subject", "Date", "To")):
                raise unreadable(filename, "claims to be an e-mail but has no sender, date or subject.")
            text = clean("\n\n".join(parts_of(message, depth=0)), filename=filename)
            return Extract(text=text, title=subject_of(message))
        # The parser of the standard library meets broken headers with what their pieces raise.
        except (LookupError, ValueError, AttributeError, TypeError, RecursionError) as error:
            raise unreadable(filename, "is damaged or no e-mail. Save it again in your mail program.") from error


def parts_of(message: EmailMessage, *, depth: int) -> Iterator[str]:
    """Yield the heading, the headers, the text, the attachments, and then the mails inside."""
    yield f"{'#' * min(depth + 1, 6)} {subject_of(message) or 'E-mail'}"
    lines = [f"{name}: {one_line(message.get(name))}" for name in HEADERS if message.get(name)]
    names, inside = attachments_of(message)
    if names:
        lines.append(f"Attachments: {', '.join(names)}")
    yield "\n".join(lines)
    yield from filter(None, [text_of(message)])
    for mail in inside if depth < MAX_DEPTH else ():
        yield from parts_of(mail, depth=depth + 1)


def subject_of(message: EmailMessage) -> str:
    return clean(one_line(message.get("Subject")))[:300]


def one_line(value: object) -> str:
    return " ".join(str(value or "").split())


def text_of(message: EmailMessage) -> str:
    """The plain text, or the web page if there is no other."""
    body = message.get_body(preferencelist=("plain", "html"))
    if not isinstance(body, EmailMessage):
        return ""
    content = body.get_content()
    if not isinstance(content, str):
        return ""
    return clean(content) if body.get_content_type() == "text/plain" else html_as_markdown(content)


def html_as_markdown(page: str) -> str:
    try:
        return HtmlReader().read(page.encode("utf-8", errors="ignore")).text
    except UnreadableDocument:
        return ""


def attachments_of(message: EmailMessage) -> tuple[list[str], list[EmailMessage]]:
    """The names of the attached files, and the attached mails."""
    names: list[str] = []
    inside: list[EmailMessage] = []
    if not message.is_multipart():
        return names, inside
    for part in islice(message.iter_attachments(), MOST_PARTS):
        if part.get_content_type() == "message/rfc822":
            inside += [mail for mail in part.get_payload() if isinstance(mail, EmailMessage)]
        elif name := one_line(part.get_filename()):
            names.append(name)
    return names, inside
