"""What a person may ask of a database: one SELECT, narrowed to the rows that are wanted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from knowledge.connectors.sql_words import TONGUES, without_semicolons, words

# MySQL runs what stands in such a "comment"; hints lift the limit of time.
RUNNING_COMMENT = re.compile(r"/\*(?:!|M!)")
LIFTING_HINT = re.compile(r"/\*\+[^*]*(?:set_var|max_execution_time)", re.IGNORECASE)
# Some servers read the quote behind a backslash as the end of a text, others as a part of it.
AMBIGUOUS_QUOTE = re.compile(r"(?<!\\)(?:\\\\)*\\['\"`]")
# A name that is written in numbers, so that nobody sees which one it is.
DISGUISED_NAME = re.compile(r"(?<!\w)u&[\"']", re.IGNORECASE)
WRITING = re.compile(r"\b(insert|update|delete|merge|into|drop|alter|create|truncate|grant)\b", re.IGNORECASE)
# Functions that reach files, other servers, other sessions or settings, which no read-only transaction holds back.
REACHING = re.compile(
    r"""\b( pg_read_\w+ | pg_ls_\w+ | pg_stat_file | pg_file_\w+ | pg_current_logfile
    | pg_terminate_backend | pg_cancel_backend | pg_reload_conf | pg_rotate_logfile\w* | pg_promote | pg_switch_wal
    | pg_log_\w+ | pg_logical_\w+ | pg_replication_\w+ | pg_create_\w+ | pg_drop_\w+ | pg_copy_\w+
    | pg_(?:try_)?advisory_\w+ | pg_notify | set_config | lo_\w+ | loread | lowrite | dblink\w*
    | \w*_to_xml\w* | load_file | load_extension | readfile | writefile | fts3_tokenizer
    | sys_(?:exec|eval|get|set) | get_lock | release_\w*locks? | xp_\w+ )\s*\(""",
    re.IGNORECASE | re.VERBOSE,
)
# The largest query that a form or the API may hold.
MAX_LENGTH = 20_000


def refused_statement(statement: str, kind: str = "") -> str:
    """Why this is not one reading statement for this kind of database (or for any), as a sentence; nothing if it is.

    The read-only transaction holds most of what outwits this; but no transaction keeps MySQL from writing a file.
    """
    if AMBIGUOUS_QUOTE.search(statement):
        return "The query holds a backslash before a quotation mark, which servers read differently. Double the mark."
    refusals = (_refused(statement, each) for each in ([kind] if kind in TONGUES else TONGUES))
    return next(filter(None, refusals), "")


def _refused(statement: str, kind: str) -> str:
    if RUNNING_COMMENT.search(statement) or LIFTING_HINT.search(statement):
        return "The query holds a comment that MySQL would run (/*! or /*+). Leave it out."
    if kind == "postgresql" and DISGUISED_NAME.search(statement):
        return "The query holds a name or text in disguise (U&). Write it plainly."
    own = words(statement, kind).strip().rstrip(";").strip()
    if not re.match(r"(select|with)\b", own, re.IGNORECASE):
        return "The query must begin with SELECT or WITH: Magnet only reads."
    if ";" in own:
        return "The query holds more than one statement. Enter a single SELECT."
    if found := WRITING.search(own):
        return f"The query holds the word {found[0].upper()}, but Magnet only reads. Quote a column of that name."
    if found := REACHING.search(words(statement, kind, with_names=True)):
        return f"The query calls {found[1].lower()}, which reaches beyond the tables. Leave it out."
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

    kind: str
    quote: str
    placeholder: str

    def name(self, column: str) -> str:
        return f"{self.quote}{column.replace(self.quote, self.quote * 2)}{self.quote}"

    def narrowed(self, statement: str, condition: Condition | None, limit: int | None) -> tuple[str, list[Any]]:
        """The statement for the rows that are wanted, with its values beside it."""
        text, values = without_semicolons(statement, self.kind), []
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
