"""How a request to put texts into order looks on the wire, and back: the shapes that rerank servers agree on.

Cohere, Jina, Voyage, vLLM and OpenVINO take `documents` and answer `{"results": [{"index", "relevance_score"}]}`;
text-embeddings-inference takes `texts` and answers `[{"index", "score"}]`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic_core import from_json

from magnet.errors import ProviderAnswerInvalid
from magnet.providers.base import Reranked, Usage
from magnet.providers.openai_wire import raise_if_error

Shape = Literal["documents", "texts"]


def body(query: str, texts: Sequence[str], *, model: str, top_n: int, shape: Shape) -> dict[str, Any]:
    if shape == "texts":
        return {"model": model, "query": query, "texts": list(texts), "truncate": True}
    return {"model": model, "query": query, "documents": list(texts), "top_n": top_n, "return_documents": False}


def reranked(content: bytes, *, count: int, top_n: int, who: str) -> Reranked:
    """Each text at most once, best first, no more than were asked for, whatever order and number the server sends."""
    value = _parsed(content, who=who)
    rows = value if isinstance(value, list) else value.get("results", value.get("data"))
    if not isinstance(rows, list):
        raise ProviderAnswerInvalid(f"{who} sent no ranking. Check its base URL and that the model reranks.")
    scores: dict[int, float] = {}
    for row in rows:
        index, score = _scored(row)
        if index is None or score is None or not 0 <= index < count:
            raise ProviderAnswerInvalid(f"{who} sent a ranking that does not fit the texts it was given.")
        scores.setdefault(index, score)
    best = sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:top_n]
    return Reranked(tuple(best), usage_of(value) if isinstance(value, dict) else Usage())


def _parsed(content: bytes, *, who: str) -> Any:
    try:
        value = from_json(content)
    except ValueError as error:
        raise ProviderAnswerInvalid(f"{who} did not answer with JSON. Check its base URL.") from error
    if isinstance(value, dict):
        raise_if_error(value, who=who)
    if not isinstance(value, dict | list):
        raise ProviderAnswerInvalid(f"{who} sent no ranking. Check its base URL and that the model reranks.")
    return value


def _scored(row: Any) -> tuple[int | None, float | None]:
    if not isinstance(row, Mapping):
        return None, None
    index, score = row.get("index"), row.get("relevance_score", row.get("score"))
    if isinstance(index, bool) or not isinstance(index, int):
        return None, None
    if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
        return None, None
    return index, float(score)


def usage_of(value: Mapping[str, Any]) -> Usage:
    """Jina and vLLM count under `usage`, Cohere under `meta.tokens`."""
    usage, meta = value.get("usage"), value.get("meta")
    tokens = meta.get("tokens") if isinstance(meta, Mapping) else None
    counted = usage.get("total_tokens") if isinstance(usage, Mapping) else None
    if counted is None and isinstance(tokens, Mapping):
        counted = tokens.get("input_tokens")
    return Usage(input_tokens=int(counted)) if isinstance(counted, int | float) and counted >= 0 else Usage()
