"""The providers an installation has without anybody entering them: the built-in one, and OpenAI where a key is set."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils.text import slugify

from magnet.model_catalogue import DEFAULT_CHAT_MODEL, OPENAI_MODELS
from magnet.models import AIModel, AuditEntry, Provider
from magnet.models.base import Named
from magnet.providers.local import CHAT_MODEL, EMBEDDING_MODEL
from magnet.providers.local_embeddings import DIMENSIONS

KEY_VARIABLE = "OPENAI_API_KEY"
PROVIDED = "provided"
# Any number will do, as long as nobody else uses it: two processes that start together must not both choose defaults.
LOCK = 6_248_001


@transaction.atomic
def ensure_providers() -> None:
    """Make what is missing, and choose default models; what staff changed stays as it is. Safe to repeat."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s)", [LOCK])
    built_in = ensure_built_in()
    if settings.HAS_OPENAI_KEY:
        ensure_openai()
    choose_chat_default(built_in)
    choose_embedding_default()


def ensure_built_in() -> Provider:
    provider, _ = Provider.objects.get_or_create(
        slug="built-in",
        defaults={
            "name": "Built in",
            "kind": "local",
            "description": "Works with no key and no network. Answers quote the documents word for word.",
        },
    )
    ensure_model(
        provider,
        slug=CHAT_MODEL,
        name="Quotations (no language model)",
        model_name=CHAT_MODEL,
        purpose="chat",
        can_call_tools=False,
        can_follow_schema=False,
        takes_temperature=False,
        is_multilingual=True,
    )
    ensure_model(
        provider,
        slug=EMBEDDING_MODEL,
        name="Built-in embeddings",
        model_name=EMBEDDING_MODEL,
        purpose="embedding",
        dimensions=DIMENSIONS,
        can_stream=False,
        can_call_tools=False,
        can_follow_schema=False,
        takes_temperature=False,
        # As measured (tests/benchmarks/retrieval.py): a weak model should say little, and its cosines lie in between.
        fusion_weight=0.25,
        score_floor=0.0,
        score_ceiling=0.8,
    )
    return provider


def ensure_openai() -> None:
    """A provider that names the variable; the key itself is never stored. What staff deleted is not made again."""
    provider = Provider.objects.filter(slug="openai").first()
    if provider is None and not was_provided(Provider, "openai"):
        provider = Provider.objects.create(slug="openai", name="OpenAI", kind="openai", api_key_variable=KEY_VARIABLE)
    if provider is None:
        return
    note_provided(provider)
    for listed in OPENAI_MODELS:
        slug = slugify(listed.model_name.replace(".", "-"))
        if not was_provided(AIModel, slug):
            note_provided(ensure_model(provider, slug=slug, **listed.fields()))


def was_provided(model: type[Named], slug: str) -> bool:
    """The record of who did what outlives what it speaks of."""
    return AuditEntry.objects.filter(verb=PROVIDED, object_type=model._meta.label_lower, changes__slug=slug).exists()


def note_provided(row: Provider | AIModel) -> None:
    if not was_provided(type(row), row.slug):
        AuditEntry.record(PROVIDED, row, slug=row.slug)


def ensure_model(provider: Provider, *, slug: str, **fields: Any) -> AIModel:
    model: AIModel = AIModel.objects.get_or_create(slug=slug, defaults={"provider": provider, **fields})[0]
    return model


def choose_chat_default(built_in: Provider) -> None:
    """A key that was set is used at once; one taken away is not missed. What staff chose among real models stays."""
    default = AIModel.objects.filter(purpose="chat", is_default=True).select_related("provider").first()
    is_ours = default is None or default.provider == built_in
    if settings.HAS_OPENAI_KEY and is_ours:
        chosen = AIModel.objects.filter(
            provider__slug="openai", provider__is_active=True, model_name=DEFAULT_CHAT_MODEL, is_active=True
        ).first()
        if chosen is not None:
            chosen.make_default()
            return
    has_lost_key = (
        default is not None and default.provider.api_key_variable == KEY_VARIABLE and not settings.HAS_OPENAI_KEY
    )
    if default is None or has_lost_key:
        AIModel.objects.get(slug=CHAT_MODEL).make_default()


def choose_embedding_default() -> None:
    """Never changed by a key: documents would have to be embedded again, which has a price and is a decision."""
    if not AIModel.objects.filter(purpose="embedding", is_default=True).exists():
        AIModel.objects.get(slug=EMBEDDING_MODEL).make_default()
