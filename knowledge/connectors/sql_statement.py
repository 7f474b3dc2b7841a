"""What a person may ask of a database: one SELECT, narrowed to the rows that are wanted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

# Texts, quoted names and comments of PostgreSQL, MySQL and SQLite; what is left are the statement's own words.
QUOTED = re.compile(
    r"""
    (?P<comment> --[^\n]*  | /\*.*?(?:\*/|\Z) )
    | '(?:[^'\\]|''|\\.)*(?:'|\Z)
    | "(?:[^"]|"")*(?:"|\Z)
    | `(?:[^`]|``)*(?:`|\Z)
    | \$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|\Z)
    """,
    re.VERBOSE | re.DOTALL,
)
QUOTED_OR_END = re.compile(f"{QUOTED.pattern} | ;", QUOTED.flags)
# MySQL runs what stands in such a "comment".
RUNNING_COMMENT = re.compile(r"/\*(?:!|M!)")
WRITING = re.compile(r"\b(insert|update|delete|merge|into|drop|alter|create|truncate|grant)\b", re.IGNORECASE)
# The largest query that a form or the API may hold.
MAX_LENGTH = 20_000


def refused_statement(statement: str) -> str:
    """Why this is not one reading statement, as a sentence; nothing if it is one.

    For a clear message before anything runs. The read-only transaction is what holds when this is outwitted.
    """
    if RUNNING_COMMENT.search(statement):
        return "The query holds a comment that MySQL would run (/*!). Leave it out."
    words = QUOTED.sub(" ", statement).strip().rstrip(";").strip()
    if not re.match(r"(select|with)\b", words, re.IGNORECASE):
        return "The query must begin with SELECT or WITH: Magnet only reads."
    if ";" in words:
        return "The query holds more than one statement. Enter a single SELECT."
    if found := WRITING.search(words):
        return f"The query holds the word {found[0].upper()}, but Magnet only reads. Quote a column of that name."
    return ""


@dataclass(frozen=True)
class Condition:
    """The rows in which a column has, or has at least, a value."""

    column: str
    operator: Literal["=", ">="]
    value: Any


@dataclass(frozen=True)
class Spelling:
    """How a kind of database writes names and values."""

    quote: str
    placeholder: str

    def name(self, column: str) -> str:
        return f"{self.quote}{column.replace(self.quote, self.quote * 2)}{self.quote}"

    def narrowed(self, statement: str, condition: Condition | None, limit: int | None) -> tuple[str, list[Any]]:
        """The statement for the rows that are wanted, with its values beside it."""
        text, values = bare(statement), []
        if condition is None and limit is None:
            return text, []
        # The line break ends a comment with which the statement may close.
        text = f"select * from ({text}\n) magnet_rows"  # noqa: S608 - the statement is what a person asks for
        if condition:
            text, values = f"{text} where {self.name(condition.column)} {condition.operator} \0", [condition.value]
        if limit is not None:
            text = f"{text} limit {limit:d}"
        if values and "%" in self.placeholder:
            text = text.replace("%", "%%")  # Where values are bound, a single one announces a value.
        return text.replace("\0", self.placeholder), values


def bare(statement: str) -> str:
    """Without the semicolon at its end, so that it can stand in brackets."""
    return QUOTED_OR_END.sub(lambda found: "" if found[0] == ";" else found[0], statement)
