"""Path patterns as people write them: `*.md`, `guides/**`, `/help`."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable

TOKENS = re.compile(r"\*\*/|\*\*|\*|\?|\[[^\]/]+\]|.", re.DOTALL)
MEANINGS = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def matches_any(path: str, patterns: Iterable[str]) -> bool:
    return any(expression(pattern).fullmatch(path) for pattern in patterns)


@functools.lru_cache(maxsize=512)
def expression(pattern: str) -> re.Pattern[str]:
    """`**` crosses folders, `*` and `?` do not; a pattern without a slash fits at any depth; case does not matter."""
    anywhere = "" if "/" in pattern else "(?:.*/)?"
    body = "".join(meaning(token) for token in TOKENS.findall(pattern.removeprefix("./")))
    return re.compile(anywhere + body, re.IGNORECASE | re.DOTALL)


def meaning(token: str) -> str:
    if token in MEANINGS:
        return MEANINGS[token]
    if len(token) > 1:
        inner = re.escape(token[1:-1].removeprefix("!")).replace(r"\-", "-")
        return f"[{'^' if token[1] == '!' else ''}{inner}]"
    return re.escape(token)


def is_below(path: str, prefix: str) -> bool:
    """Whether a path is the prefix or lies below it; `/help` covers `/help/a`, not `/helpless`."""
    return path == prefix or path.startswith(prefix if prefix.endswith("/") else f"{prefix}/")
