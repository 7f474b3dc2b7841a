"""The one place that cuts a text: a preview shows the very chunks that an index will hold, and what cutting costs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

from knowledge.chunkers import chunker_kind
from knowledge.chunkers.base import Piece
from magnet import gateway
from magnet.models import AIModel

# A text that every model takes: whether it does tells if another text was to blame.
HARMLESS = "Bees make honey."


@dataclass
class Bill:
    """What models were paid for a piece of work, added up on the way.

    `tokens` were embedded; a chat model read and wrote `context_tokens`, which are its part of the whole `cost`.
    """

    tokens: int = 0
    cost: Decimal = Decimal(0)
    context_tokens: int = 0
    context_cost: Decimal = Decimal(0)


def cut(text: str, *, chunker: str, config: Mapping[str, Any], model: AIModel, bill: Bill) -> list[Piece]:
    """Cut a text; a chunker that embeds asks `model`, which must be loaded for use, and writes on the bill.

    Never within a transaction: a provider may take minutes. Raises NotConfigured and ProviderError.
    """
    kind = chunker_kind(chunker)
    embed = partial(_embed, model, bill) if kind.embeds else None
    return kind(kind.Config.model_validate(config), embed=embed).split(text)


def header(title: str, heading: str, context: str = "") -> str:
    """What stands in front of a chunk when it is embedded and searched: title, path of headings, line of context."""
    head = heading if heading.startswith(title) else f"{title}\n{heading}" if heading else title
    return f"{head}\n{context}" if context else head


def vector_key(model: AIModel, *, header: str, text: str) -> bytes:
    """What a vector is made of: the same again is not bought again."""
    parts = (model.model_name, str(model.dimensions), header, text)
    return hashlib.sha256("\x1f".join(parts).encode()).digest()


def _embed(model: AIModel, bill: Bill, texts: Sequence[str]) -> Sequence[Sequence[float]]:
    found = gateway.run_from_sync(gateway.embed(model, texts, purpose="document"))
    bill.tokens += found.usage.input_tokens
    bill.cost += model.cost(found.usage)
    vectors: Sequence[Sequence[float]] = found.vectors.tolist()
    return vectors
