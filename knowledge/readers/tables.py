"""Large tables as Markdown tables of a few rows each, so that a piece of one still says what its columns are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from knowledge.readers.html_markdown import markdown_table

# About what a chunk holds beside its heading; a table in one piece is cut without its header.
CHARACTERS_AT_ONCE = 700
MOST_ROWS_AT_ONCE = 40


def blocks_of(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield tables of some rows under the header, which is the first row."""
    rows = iter(rows)
    header = list(next(rows, ()))
    if not header:
        return
    block, length = [header], 0
    for row in rows:
        row = list(row)
        size = sum(map(len, row)) + 3 * len(row)
        if len(block) > 1 and (length + size > CHARACTERS_AT_ONCE or len(block) > MOST_ROWS_AT_ONCE):
            yield markdown_table(block)
            block, length = [header], 0
        block.append(row)
        length += size
    yield markdown_table(block)
