"""Templates that make one text of the fields of a record: “# {Title}”, a new line, “{Answer__c}”."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

FIELD = re.compile(r"\{([^{}]*)\}")
NAME = re.compile(r"[A-Za-z]\w*(\.[A-Za-z]\w*)*")
HEADING = re.compile(r"(#{1,6})\s+(.*)")
LOOKS_LIKE_HTML = re.compile(r"</?[a-zA-Z][^<>]*>")
LINE = re.compile(r"\r?\n")


def is_field(name: str) -> bool:
    return bool(NAME.fullmatch(name)) and name.isascii()


def fields_of(template: str) -> list[str]:
    """The fields that a template names, in their order; ValueError where one cannot be a field."""
    names = [name.strip() for name in FIELD.findall(template)]
    for name in names:
        if not is_field(name):
            raise ValueError(f"“{{{name}}}” names no field. Write it as Salesforce does, such as {{Answer__c}}.")
    if not names:
        raise ValueError("The template names no field. Write fields in braces, such as {Title}.")
    return names


def template_of(line: str) -> tuple[str, str]:
    r"""Type and template of “FAQ: # {Title}\n{Answer__c}”; ValueError where the type is missing."""
    kind, colon, template = line.partition(":")
    if not colon or not kind.strip() or "{" in kind:
        raise ValueError(f"“{line}” does not begin with an article type and a colon, such as FAQ: {{Answer__c}}.")
    return kind.strip(), template.strip().replace("\\n", "\n")


def article_html(template: str, value: Callable[[str], str]) -> str:
    """The template with its fields filled in, as HTML. A line whose fields are all empty is left out."""
    return "".join(filter(None, (line_html(line.strip(), value) for line in template.split("\n"))))


def line_html(line: str, value: Callable[[str], str]) -> str:
    names = [name.strip() for name in FIELD.findall(line)]
    if not line or (names and not any(value(name).strip() for name in names)):
        return ""
    heading = HEADING.fullmatch(line)
    if heading:
        level, text = len(heading[1]), filled(heading[2], lambda name: without_tags(value(name)))
        return f"<h{level}>{text}</h{level}>"
    return f"<div>{filled(line, lambda name: as_html(value(name)))}</div>"


def filled(line: str, shown: Callable[[str], str]) -> str:
    """The words of the template escaped, its fields as `shown` gives them."""
    parts = FIELD.split(line)
    return "".join(shown(part.strip()) if number % 2 else html.escape(part) for number, part in enumerate(parts))


def as_html(value: str) -> str:
    """Rich text as it is, plain text with its lines."""
    return value if LOOKS_LIKE_HTML.search(value) else LINE.sub("<br>", html.escape(value))


def without_tags(value: str) -> str:
    return html.escape(html.unescape(LOOKS_LIKE_HTML.sub("", value)))
