"""Outlook's e-mails (MSG): the same as any e-mail, out of Microsoft's container.

Names of properties follow [MS-OXMSG] and [MS-OXPROPS]: a stream "__substg1.0_" + number + type, 001F for UTF-16.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from knowledge.readers.base import Extract, Reader
from knowledge.readers.decoding import clean, decode_unmarked
from knowledge.readers.eml import html_as_markdown, one_line
from knowledge.readers.refusal import unreadable

if TYPE_CHECKING:
    from olefile import OleFileIO

SUBJECT, SENDER, SENDER_ADDRESS, TO, CC = "0037", "0C1A", "5D01", "0E04", "0E03"
BODY, HTML, SENT, FILE_NAME, SHORT_FILE_NAME = "1000", "1013", "0039", "3707", "3704"
EMBEDDED = "__substg1.0_3701000D"
# The fixed-size properties of the mail itself stand behind a header of 32 bytes, of a mail inside behind 24.
PROPERTY_BYTES = 16
MAX_DEPTH = 5


class MsgReader(Reader):
    label: ClassVar[str] = "Outlook e-mail"
    media_types: ClassVar[tuple[str, ...]] = ("application/vnd.ms-outlook",)
    extensions: ClassVar[tuple[str, ...]] = (".msg",)
    is_text: ClassVar[bool] = False
    is_isolated: ClassVar[bool] = True

    def read(self, body: bytes, *, filename: str = "") -> Extract:
        from olefile import OleFileIO

        try:
            with OleFileIO(io.BytesIO(body)) as container:
                mail = Mail(container, ())
                if not mail.says_anything():
                    raise ValueError("Nothing is left of the mail.")
                text, title = "\n\n".join(mail.parts(depth=0)), mail.text(SUBJECT)
        except (OSError, LookupError, ValueError, AttributeError, TypeError, RecursionError) as error:
            raise unreadable(filename, "is damaged or not complete. Save it again in Outlook.") from error
        return Extract(text=clean(text, filename=filename), title=one_line(title)[:300])


class Mail:
    """A mail at a place of the container: at its root, or inside an attachment."""

    def __init__(self, container: OleFileIO, place: tuple[str, ...]) -> None:
        self.container, self.place = container, place

    def says_anything(self) -> bool:
        return bool(self.text(SUBJECT) or self.body())

    def parts(self, *, depth: int) -> Iterator[str]:
        yield f"{'#' * (depth + 1)} {one_line(self.text(SUBJECT)) or 'E-mail'}"
        attached = list(self.attached())
        sender = " · ".join(filter(None, dict.fromkeys([self.text(SENDER), self.text(SENDER_ADDRESS)])))
        said = {"From": sender, "To": self.text(TO), "Cc": self.text(CC)}
        said |= {"Date": self.sent(), "Attachments": ", ".join(filter(None, map(self.file_name, attached)))}
        yield "\n".join(f"{name}: {one_line(value)}" for name, value in said.items() if value)
        yield from filter(None, [self.body()])
        for place in attached if depth < MAX_DEPTH else ():
            if self.container.exists([*self.place, place, EMBEDDED]):
                yield from Mail(self.container, (*self.place, place, EMBEDDED)).parts(depth=depth + 1)

    def text(self, number: str, *, below: str = "") -> str:
        """A text property, in UTF-16 or in the old character set of its writer."""
        if (unicode := self.bytes(number, "001F", below=below)) is not None:
            return unicode.decode("utf-16-le", errors="replace").strip("\x00 \r\n")
        old = self.bytes(number, "001E", below=below)
        return decode_unmarked(old).strip("\x00 \r\n") if old else ""

    def bytes(self, number: str, kind: str, *, below: str = "") -> bytes | None:
        path = [*self.place, *filter(None, [below]), f"__substg1.0_{number}{kind}"]
        return bytes(self.container.openstream(path).read()) if self.container.exists(path) else None

    def body(self) -> str:
        if plain := self.text(BODY):
            return plain
        page = self.bytes(HTML, "0102")
        return html_as_markdown(decode_unmarked(page) if page else self.text(HTML))

    def sent(self) -> str:
        """When it was sent, from the table of properties with a fixed size."""
        from olefile.olefile import filetime2datetime

        path = [*self.place, "__properties_version1.0"]
        table = self.container.openstream(path).read() if self.container.exists(path) else b""
        for start in range(24 if self.place else 32, len(table) - PROPERTY_BYTES + 1, PROPERTY_BYTES):
            kind, number = (int.from_bytes(table[start + i : start + i + 2], "little") for i in (0, 2))
            if kind == 0x40 and f"{number:04X}" == SENT:
                moment: datetime = filetime2datetime(int.from_bytes(table[start + 8 : start + 16], "little"))
                return moment.strftime("%Y-%m-%d %H:%M UTC")
        return ""

    def attached(self) -> Iterator[str]:
        depth = len(self.place)
        entries: list[list[Any]] = self.container.listdir(streams=False, storages=True)
        for entry in entries:
            is_here = len(entry) == depth + 1 and tuple(entry[:depth]) == self.place
            if is_here and str(entry[depth]).startswith("__attach_version1.0_"):
                yield str(entry[depth])

    def file_name(self, place: str) -> str:
        return self.text(FILE_NAME, below=place) or self.text(SHORT_FILE_NAME, below=place)
