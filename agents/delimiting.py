"""Results of calls as data: between delimiters that nothing inside can write, and no longer than a model reads."""

from __future__ import annotations

import re

MOST_READ = 24_000
_DELIMITER = re.compile(r"<(?=\s*/?\s*result\b)", re.IGNORECASE)


def delimited(text: str) -> str:
    return f"<result>\n{_DELIMITER.sub('&lt;', shortened(text))}\n</result>"


def shortened(text: str, *, characters: int = MOST_READ) -> str:
    if len(text) <= characters:
        return text
    return f"{text[:characters]}… ({len(text) - characters:,} more characters are left out)"
