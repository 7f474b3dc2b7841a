"""OpenAI's models and their prices as published on AS_OF: what a ready provider starts with, for staff to correct."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

AS_OF = date(2026, 6, 21)
SOURCE = "https://developers.openai.com/api/docs/pricing"
DEFAULT_CHAT_MODEL = "gpt-4.1-mini"


@dataclass(frozen=True)
class Listed:
    """A model as its provider lists it; prices are US dollars per million tokens."""

    model_name: str
    name: str
    purpose: str
    input_price: Decimal
    output_price: Decimal = Decimal(0)
    cached_input_price: Decimal | None = None
    context_tokens: int = 128_000
    max_output_tokens: int | None = None
    dimensions: int | None = None
    reasons: bool = False
    score_floor: float = 0.0
    score_ceiling: float = 1.0

    def fields(self) -> dict[str, Any]:
        """The values of an AIModel's columns."""
        is_chat = self.purpose == "chat"
        return {
            "model_name": self.model_name,
            "name": self.name,
            "purpose": self.purpose,
            "description": f"Prices of {AS_OF:%-d %B %Y}, from {SOURCE}",
            "input_price": self.input_price,
            "output_price": self.output_price,
            "cached_input_price": self.cached_input_price,
            "context_tokens": self.context_tokens,
            "max_output_tokens": self.max_output_tokens,
            "dimensions": self.dimensions,
            "can_stream": is_chat,
            "can_call_tools": is_chat,
            "can_see": is_chat,
            "can_follow_schema": is_chat,
            "can_reason": self.reasons,
            # OpenAI's reasoning models refuse every temperature but their own.
            "takes_temperature": is_chat and not self.reasons,
            "is_multilingual": True,
            "fusion_weight": 0.6,
            "score_floor": self.score_floor,
            "score_ceiling": self.score_ceiling,
        }


def chat(model_name: str, name: str, prices: str, *, context: int, output: int, reasons: bool = False) -> Listed:
    """`prices` are input, cached input and output."""
    fresh, cached, written = (Decimal(price) for price in prices.split())
    return Listed(model_name, name, "chat", fresh, written, cached, context, output, reasons=reasons)


def embedding(model_name: str, name: str, price: str, *, dimensions: int, floor: float, ceiling: float) -> Listed:
    return Listed(
        model_name,
        name,
        "embedding",
        Decimal(price),
        context_tokens=8_191,
        dimensions=dimensions,
        score_floor=floor,
        score_ceiling=ceiling,
    )


OPENAI_MODELS = (
    chat("gpt-4.1-mini", "GPT-4.1 mini", "0.40 0.10 1.60", context=1_047_576, output=32_768),
    chat("gpt-4.1", "GPT-4.1", "2.00 0.50 8.00", context=1_047_576, output=32_768),
    chat("gpt-4.1-nano", "GPT-4.1 nano", "0.10 0.025 0.40", context=1_047_576, output=32_768),
    chat("gpt-5", "GPT-5", "1.25 0.125 10.00", context=400_000, output=128_000, reasons=True),
    chat("gpt-5-mini", "GPT-5 mini", "0.25 0.025 2.00", context=400_000, output=128_000, reasons=True),
    chat("gpt-4o-mini", "GPT-4o mini", "0.15 0.075 0.60", context=128_000, output=16_384),
    embedding("text-embedding-3-small", "Embedding 3 small", "0.02", dimensions=1_536, floor=0.1, ceiling=0.7),
    embedding("text-embedding-3-large", "Embedding 3 large", "0.13", dimensions=3_072, floor=0.1, ceiling=0.7),
)
