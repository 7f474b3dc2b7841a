"""Embeddings for OpenAI's clients: texts or tokens in, vectors out as numbers or as base64."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from conversations.openai_schemas import MOST_TEXTS, EmbeddingsBody
from conversations.openai_targets import FEATURE, find_model, require
from magnet import gateway
from magnet.errors import InvalidInput
from magnet.models import AIModel
from magnet.tokens import encoding
from magnet.tracing import trace

if TYPE_CHECKING:
    from numpy.typing import NDArray


async def embed(body: EmbeddingsBody) -> dict[str, Any]:
    """One vector for each text, in their order. Raises NotFound, NotAllowed, InvalidInput and ProviderErrors."""
    require("models:run")
    model = await find_model(body.model, purpose="embedding")
    _refuse_dimensions(model, body.dimensions)
    texts = await _texts(body)
    with trace(feature=FEATURE, slug=model.slug, summary=f"{len(texts)} texts to embed"):
        found = await gateway.embed(model, texts, feature=FEATURE)
    vectors = _shortened(found.vectors, body.dimensions)
    # An answer of 2,048 vectors takes as long as a short question: others go on meanwhile.
    data = await asyncio.to_thread(_as_data, vectors, is_base64=body.encoding_format == "base64")
    tokens = found.usage.input_tokens
    return {
        "object": "list",
        "data": data,
        "model": body.model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _refuse_dimensions(model: AIModel, dimensions: int | None) -> None:
    if dimensions is not None and dimensions > (model.dimensions or 0):
        said = f"The model “{model.name}” has {model.dimensions} dimensions. Ask for as many, or for fewer."
        raise InvalidInput.in_fields({"dimensions": [said]})


async def _texts(body: EmbeddingsBody) -> list[str]:
    inputs = body.inputs
    if not 1 <= len(inputs) <= MOST_TEXTS:
        raise InvalidInput.in_fields({"input": [f"Send 1 to {MOST_TEXTS:,} texts."]})
    texts = [one if isinstance(one, str) else await asyncio.to_thread(_spelled, one) for one in inputs]
    texts = [text.replace("\0", " ").encode(errors="ignore").decode() for text in texts]
    if not all(text.strip() for text in texts):
        raise InvalidInput.in_fields({"input": ["A text is empty. Leave it out."]})
    return texts


def _spelled(tokens: list[int]) -> str:
    try:
        return encoding().decode(tokens)
    except (KeyError, OverflowError) as error:
        raise InvalidInput.in_fields({"input": ["These are no tokens of cl100k_base. Send texts."]}) from error


def _shortened(vectors: NDArray[Any], dimensions: int | None) -> NDArray[Any]:
    """The first so many numbers, again of unit length, as OpenAI's own models shorten theirs."""
    import numpy as np

    if dimensions is None or dimensions == vectors.shape[1]:
        return vectors
    cut = vectors[:, :dimensions]
    lengths = np.linalg.norm(cut, axis=1, keepdims=True)
    shortened: NDArray[Any] = cut / np.where(lengths > 0, lengths, 1)
    return shortened


def _as_data(vectors: NDArray[Any], *, is_base64: bool) -> Sequence[dict[str, Any]]:
    def written(vector: NDArray[Any]) -> Any:
        return base64.b64encode(vector.astype("<f4").tobytes()).decode() if is_base64 else vector.tolist()

    return [
        {"object": "embedding", "index": index, "embedding": written(vector)} for index, vector in enumerate(vectors)
    ]
