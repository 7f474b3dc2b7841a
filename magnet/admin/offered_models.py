"""What a provider offers: guessed purpose and known prices, so that a click adds a model ready to use."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from magnet import configuration
from magnet.model_catalogue import OPENAI_MODELS
from magnet.models import AIModel, Provider

LISTED = {listed.model_name: listed for listed in OPENAI_MODELS}
# Offered by the same list, and of no use here.
NOT_FOR_US = ("whisper", "tts", "dall-e", "image", "audio", "realtime", "moderation", "transcribe", "sora")
# Where a name tells nothing; a test with one text would cost a call to each model.
USUAL_DIMENSIONS = 1_024


def offers(names: Sequence[str], *, known: Collection[str]) -> list[dict[str, Any]]:
    """JSON for the page: each offered model with what it is for and whether it is there already."""
    useful = [name for name in names if not any(word in name.lower() for word in NOT_FOR_US)]
    return [
        {"name": name, "purpose": purpose_of(name), "is_known": name in known, "has_prices": name in LISTED}
        for name in useful
    ]


def purpose_of(name: str) -> str:
    lowered = name.lower()
    if name in LISTED:
        return LISTED[name].purpose
    if "embed" in lowered or lowered.startswith(("bge-", "e5-", "gte-")):
        return AIModel.Purpose.EMBEDDING
    return AIModel.Purpose.RERANK if "rerank" in lowered else AIModel.Purpose.CHAT


def add_offered(provider: Provider, names: Iterable[str]) -> list[AIModel]:
    """Add models by the provider's names for them; those that exist are left as they are."""
    known = set(provider.models.values_list("model_name", flat=True))
    return [_add(provider, name) for name in dict.fromkeys(names) if name and name not in known]


def _add(provider: Provider, name: str) -> AIModel:
    name = name[:200]
    listed = LISTED.get(name)
    fields: dict[str, Any] = (
        listed.fields() if listed else {"name": name, "model_name": name, "purpose": purpose_of(name)}
    )
    if fields["purpose"] == AIModel.Purpose.EMBEDDING:
        fields.setdefault("dimensions", USUAL_DIMENSIONS)
    slug = configuration.free_slug(AIModel, None, name=f"{fields['name']}")
    return configuration.create(AIModel(provider=provider, slug=slug, **fields))
