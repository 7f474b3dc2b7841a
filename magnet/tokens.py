"""The one way to count tokens: cl100k, from the files that llama-index-core brings along, never from the network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from magnet.errors import NotConfigured

if TYPE_CHECKING:
    from tiktoken import Encoding

# The name under which tiktoken looks for cl100k_base in its cache folder: the sha1 of the address it would fetch.
CACHED_NAME = "9b5ad71b2ce5302211f9c61530b329a4922fc6a4"
# The pattern that tiktoken matches is hard on very long runs without a space, so it never sees more than this.
WINDOW_CHARACTERS = 20_000
# No token of cl100k spells more characters than this.
LONGEST_TOKEN_CHARACTERS = 128


def count_tokens(text: str) -> int:
    """Count the tokens of `text`; texts beyond WINDOW_CHARACTERS may count a few too many."""
    return sum(len(encoding().encode_ordinary(window)) for window in windows(text))


def truncate(text: str, max_tokens: int) -> str:
    """Return the longest beginning of `text` that has at most `max_tokens` tokens."""
    kept: list[str] = []
    left = max_tokens
    # Most texts are far longer than what is kept: what cannot be part of it is not encoded.
    for window in windows(text[: max(0, max_tokens) * LONGEST_TOKEN_CHARACTERS]):
        tokens = encoding().encode_ordinary(window)
        if len(tokens) > left:
            # A cut may fall inside a character of several bytes: that character goes.
            kept.append(encoding().decode_bytes(tokens[:left]).decode("utf-8", errors="ignore"))
            break
        kept.append(window)
        left -= len(tokens)
    return "".join(kept)


def windows(text: str) -> Iterator[str]:
    """Cut a very long text, at a space where there is one near the end of the window."""
    start = 0
    while len(text) - start > WINDOW_CHARACTERS:
        end = start + WINDOW_CHARACTERS
        space = text.rfind(" ", end - 500, end)
        end = space if space > start else end
        yield text[start:end]
        start = end
    if start < len(text):
        yield text[start:] if start else text


@lru_cache(maxsize=1)
def encoding() -> Encoding:
    """Load the encoding: 0.2 s and 50 MB, so not before somebody counts."""
    package = find_spec("llama_index.core")
    folder = Path(package.origin).parent / "_static" / "tiktoken_cache" if package and package.origin else Path()
    if not (folder / CACHED_NAME).is_file():
        raise NotConfigured("The token table of llama-index-core is missing. Install requirements.txt again.")
    # tiktoken knows no other way to be told where its files are; elsewhere it would download them.
    os.environ.update(TIKTOKEN_CACHE_DIR=str(folder))
    import tiktoken

    return tiktoken.get_encoding("cl100k_base")
