"""The built-in embeddings: 32,000 token vectors of 256 numbers out of the wordllama wheel, averaged over a text.

Only wordllama's files are used. Its own loader reconfigures the logs, takes half a second and 48 MB, and pads a whole
batch to its longest text; mapping the file shares it between processes, and one text at a time needs no padding.
"""

from __future__ import annotations

import importlib.util
import json
import struct
import threading
from collections.abc import Sequence
from functools import cache
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

_loading = threading.Lock()


def embed(texts: Sequence[str]) -> tuple[NDArray[np.float32], int]:
    """One row of unit length for each text, and how many tokens they had together."""
    import numpy as np

    tokenizer, weights = _model()
    rows, tokens = np.empty((len(texts), DIMENSIONS), np.float32), 0
    for start in range(0, len(texts), BATCH):
        batch = [text[:MAX_CHARACTERS] for text in texts[start : start + BATCH]]
        for number, encoding in enumerate(tokenizer.encode_batch_fast(batch, add_special_tokens=False), start):
            ids = encoding.ids or [UNKNOWN_TOKEN]
            weights[ids].astype(np.float32).sum(axis=0, out=rows[number])
            tokens += len(ids)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True), tokens


def count_tokens(texts: Sequence[str]) -> int:
    tokenizer, _ = _model()
    encodings = tokenizer.encode_batch_fast([text[:MAX_CHARACTERS] for text in texts], add_special_tokens=False)
    return sum(len(encoding.ids) for encoding in encodings)


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
