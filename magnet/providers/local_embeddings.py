"""The built-in embeddings: 32,000 token vectors of 256 numbers out of the wordllama wheel, averaged over a text.

Only wordllama's files are used. Its own loader reconfigures the logs, takes half a second and 48 MB, and pads a whole
batch to its longest text; mapping the file shares it between processes, and one text at a time needs no padding.

Its tokenizer takes a text as one long word. No token goes on past a space, so a word has the same tokens alone as in
a text, and is looked up when it was met before: a quarter of the time.
"""

from __future__ import annotations

import importlib.util
import json
import re
import struct
import threading
from collections.abc import Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magnet.errors import NotConfigured

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DIMENSIONS = 256
# The mean of more tokens than this says nothing, and the sum must fit in memory.
MAX_CHARACTERS = 32_000
BATCH = 256
UNKNOWN_TOKEN = 0
# What the tokenizer takes for signs of its own, and how it writes a space.
SIGNS = ("<unk>", "<s>", "</s>", "▁")
# A word with the spaces in front of it; a single one is left out, because the tokenizer adds it.
WORD = re.compile(r"(?:^|(?<! ) )( *[^ ]+)")
# The words that are remembered: some twenty megabytes at most.
MOST_WORDS, LONGEST_WORD = 50_000, 32

_loading = threading.Lock()
_met: dict[str, list[int]] = {}


def embed(texts: Sequence[str]) -> tuple[NDArray[np.float32], int]:
    """One row of unit length for each text, and how many tokens they had together."""
    import numpy as np

    rows, tokens = np.empty((len(texts), DIMENSIONS), np.float32), 0
    for start in range(0, len(texts), BATCH):
        found = [ids or [UNKNOWN_TOKEN] for ids in token_ids(texts[start : start + BATCH])]
        add_up(found, out=rows[start : start + BATCH])
        tokens += sum(map(len, found))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True), tokens


def add_up(texts: Sequence[Sequence[int]], *, out: NDArray[np.float32]) -> None:
    """The sum of the vectors of each text's tokens; each token of the batch is widened to 32 bits only once."""
    import numpy as np

    _, weights = _model()
    present, places = np.unique(np.fromiter(chain.from_iterable(texts), np.int32), return_inverse=True)
    vectors, start = np.asarray(weights)[present].astype(np.float32), 0
    for row, text in zip(out, texts, strict=True):
        vectors[places[start : start + len(text)]].sum(axis=0, out=row)
        start += len(text)


def count_tokens(texts: Sequence[str]) -> int:
    return sum(map(len, token_ids(texts)))


def token_ids(texts: Sequence[str]) -> list[list[int]]:
    """The tokens of each text, as the tokenizer would find them in the whole of it."""
    global _met
    tokenizer, _ = _model()
    split = [words(text[:MAX_CHARACTERS]) for text in texts]
    wanted, met = {word for text in split for word in text}, _met
    fresh = [word for word in wanted if word not in met]
    encodings = tokenizer.encode_batch_fast(fresh, add_special_tokens=False)
    found = {word: encoding.ids for word, encoding in zip(fresh, encodings, strict=True)}
    if len(met) + len(found) > MOST_WORDS:
        # Others may still be reading the old one.
        _met = {}
    known = {word: met[word] for word in wanted if word not in found}
    _met.update((word, ids) for word, ids in found.items() if len(word) <= LONGEST_WORD)
    known.update(found)
    return [list(chain.from_iterable(map(known.__getitem__, text))) for text in split]


def words(text: str) -> list[str]:
    """What may be tokenized each for itself."""
    if any(sign in text for sign in SIGNS) or text.endswith(" "):
        return [text]
    found = text.split(" ")
    return WORD.findall(text) if "" in found else found


def is_loaded() -> bool:
    return _load.cache_info().currsize > 0


def _model() -> tuple[Any, NDArray[np.float16]]:
    # Without the lock, threads that come at the same time would each load it.
    with _loading:
        return _load()


@cache
def _load() -> tuple[Any, NDArray[np.float16]]:
    """The tokenizer and the matrix of token vectors, mapped from the wheel's files."""
    from tokenizers import Tokenizer

    folder = _folder()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizers" / "l2_supercat_tokenizer_config.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer, _mapped(folder / "weights" / f"l2_supercat_{DIMENSIONS}.safetensors")


def _folder() -> Path:
    found = importlib.util.find_spec("wordllama")
    if found is None or not found.submodule_search_locations:
        raise NotConfigured("The built-in embeddings are not installed. Run: pip install -r requirements.txt")
    return Path(found.submodule_search_locations[0])


def _mapped(path: Path) -> NDArray[np.float16]:
    """The only tensor of a safetensors file: a length, a JSON header with shape and offsets, the numbers."""
    import numpy as np

    with path.open("rb") as file:
        (header_length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(header_length))
    (tensor,) = (value for name, value in header.items() if name != "__metadata__")
    offset = 8 + header_length + tensor["data_offsets"][0]
    return np.memmap(path, dtype="<f2", mode="r", offset=offset, shape=tuple(tensor["shape"]))
