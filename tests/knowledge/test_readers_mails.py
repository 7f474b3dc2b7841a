"""E-mails, records in JSON and source code become texts that can be read and found."""

import struct
from email.message import EmailMessage

import pytest

from knowledge.readers import read, reader_for
from magnet.errors import UnreadableDocument
from tests.knowledge import office_files


def refusal(body: bytes, filename: str) -> str:
    with pytest.raises(UnreadableDocument) as caught:
        read(body, filename=filename)
    return caught.value.detail


def mail(subject: str, text: str = "", *, html: str = "") -> EmailMessage:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, "Ada Roe <ada@example.com>", "office@example.com"
    message["Date"] = "Mon, 02 Mar 2026 09:30:00 +0100"
    if text:
        message.set_content(text, charset="iso-8859-1")
    if html:
        message.add_alternative(html, subtype="html")
    return message


def test_a_mail_has_its_headers_text_attachments_and_the_mail_inside():
    message = mail("Größe der Büros", "Die Büros haben 40 m².\n", html="<p>not this</p>")
    message.add_attachment(b"x", maintype="application", subtype="pdf", filename="plan.pdf")
    message.add_attachment(mail("Inner", "The first letter.\n"))

    extract = read(message.as_bytes(), filename="offices.eml")

    head = "From: Ada Roe <ada@example.com>\nTo: office@example.com\nDate: Mon, 02 Mar 2026 09:30:00 +0100"
    assert extract.title == "Größe der Büros"
    assert extract.text.split("\n\n") == [
        "# Größe der Büros",
        f"{head}\nAttachments: plan.pdf",
        "Die Büros haben 40 m².",
        "## Inner",
        head,
        "The first letter.",
    ]


def test_a_mail_of_html_only_is_read():
    assert (
        "- one\n- two" in read(mail("List", html="<ul><li>one</li><li>two</li></ul>").as_bytes(), filename="a.eml").text
    )


def test_what_is_no_mail_is_refused():
    assert refusal(b"just words", "a.eml") == "“a.eml” claims to be an e-mail but has no sender, date or subject."


def wide(text: str) -> bytes:
    return text.encode("utf-16-le")


def test_an_outlook_mail_is_read_as_any_mail():
    # 2026-03-02 08:30 UTC as Windows counts time.
    sent = struct.pack("<HHIQ", 0x40, 0x39, 6, 134_169_138_000_000_000)
    inside = "__attach_version1.0_#00000000"
    body = office_files.msg(
        {
            "__properties_version1.0": bytes(32) + sent,
            "__substg1.0_0037001F": wide("Keys"),
            "__substg1.0_0C1A001F": wide("Ada Roe"),
            "__substg1.0_0E04001E": b"B\xfcro",
            "__substg1.0_1000001F": wide("The keys are with the porter."),
            f"{inside}/__substg1.0_3707001F": wide("plan.pdf"),
        }
    )

    extract = read(body, filename="keys.msg")

    assert extract.title == "Keys"
    date = extract.text.split("Date: ")[1].split("\n")[0]
    assert date.startswith("2026-03-0")
    assert extract.text == (
        f"# Keys\n\nFrom: Ada Roe\nTo: Büro\nDate: {date}\nAttachments: plan.pdf\n\nThe keys are with the porter."
    )


def test_a_cut_off_outlook_mail_is_refused():
    body = office_files.msg({"__properties_version1.0": bytes(32), "__substg1.0_0037001F": wide("Keys")})

    assert "damaged or not complete" in refusal(body[:1_500], "keys.msg")


def test_json_becomes_lines_and_sections():
    rooms = b'[{"name": "Blue", "seats": 4}, {"seats": 2}]'
    body = b'{"title": "Zug", "open": true, "none": null, "tags": ["a", "b"], "rooms": %s}' % rooms

    extract = read(body, filename="branch.json")

    assert extract.title == "Zug"
    assert extract.text.split("\n\n") == [
        "title: Zug\nopen: yes\ntags: a, b",
        "## rooms",
        "### Blue",
        "name: Blue\nseats: 4",
        "### Row 2",
        "seats: 2",
    ]


def test_each_line_of_jsonl_is_a_section():
    extract = read(b'{"question": "When?", "answer": "At nine."}\n\n{"answer": "In Riga."}\n', filename="faq.jsonl")

    assert extract.text == "## When?\n\nquestion: When?\nanswer: At nine.\n\n## Row 2\n\nanswer: In Riga."


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        (b"{nonsense", "is not valid JSON: Expecting property name"),
        (b'{"a": 1}\n{"a": }\n', "is not valid JSON: line 2 cannot be read"),
        (b"[" * 200_000, "levels deep"),
        (b"[" * 200 + b"]" * 200, "levels deep"),
        (b"{}", "contains no text"),
    ],
)
def test_bad_json_is_refused_with_a_sentence(body, hint):
    assert hint in refusal(body, "a.json")


def test_source_code_is_fenced_in_its_language():
    extract = read(b"# not a heading\nprint('hello')\n", filename="tools/hello.py")

    assert (extract.title, extract.text) == ("hello.py", "```python\n# not a heading\nprint('hello')\n```")
    assert read(b'DOC = """\n```\n"""', filename="a.py").text.startswith("````python\n")
    assert reader_for(b"select 1", filename="report.SQL").label == "Source code"
