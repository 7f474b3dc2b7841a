"""The providers that are there without anybody entering them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError

from magnet.errors import NotConfigured
from magnet.models import AIModel, Provider
from magnet.provisioning import ensure_providers

pytestmark = pytest.mark.django_db


def defaults() -> dict[str, str]:
    return dict(AIModel.objects.filter(is_default=True).values_list("purpose", "slug"))


def test_without_a_key_the_built_in_models_serve():
    ensure_providers()

    assert defaults() == {"chat": "extractive", "embedding": "wordllama-256"}
    assert [provider.kind for provider in Provider.objects.all()] == ["local"]
    assert AIModel.objects.default_for("embedding").dimensions == 256


def test_a_key_makes_a_ready_provider_and_the_chat_default_but_leaves_the_embeddings(settings):
    ensure_providers()
    settings.HAS_OPENAI_KEY = True

    ensure_providers()

    assert defaults() == {"chat": "gpt-4-1-mini", "embedding": "wordllama-256"}
    provider = Provider.objects.get(slug="openai")
    assert (provider.api_key_variable, provider.encrypted_api_key) == ("OPENAI_API_KEY", "")
    model = AIModel.objects.get(slug="gpt-4-1-mini")
    assert (model.input_price, model.cached_input_price, model.output_price) == (
        Decimal("0.4"),
        Decimal("0.1"),
        Decimal("1.6"),
    )
    for row in (*Provider.objects.all(), *AIModel.objects.all()):
        row.full_clean(exclude=["options"])


def test_it_can_be_repeated_and_keeps_what_staff_changed(settings):
    settings.HAS_OPENAI_KEY = True
    ensure_providers()
    AIModel.objects.filter(slug="gpt-5").update(input_price=Decimal(7))
    AIModel.objects.get(slug="gpt-5").make_default()
    count = AIModel.objects.count()

    ensure_providers()

    assert defaults()["chat"] == "gpt-5"
    assert AIModel.objects.get(slug="gpt-5").input_price == 7
    assert AIModel.objects.count() == count


def test_when_the_key_is_taken_away_the_built_in_answerer_serves_again(settings):
    settings.HAS_OPENAI_KEY = True
    ensure_providers()
    settings.HAS_OPENAI_KEY = False

    ensure_providers()

    assert defaults()["chat"] == "extractive"


def test_a_named_variable_that_is_not_set_is_told_with_its_name(settings):
    settings.HAS_OPENAI_KEY = True
    ensure_providers()

    with pytest.raises(NotConfigured, match="OPENAI_API_KEY"):
        Provider.objects.get(slug="openai").connection()


def test_what_staff_deleted_does_not_come_back_at_the_next_start(settings):
    settings.HAS_OPENAI_KEY = True
    ensure_providers()
    AIModel.objects.get(slug="gpt-5").delete()

    ensure_providers()

    assert not AIModel.objects.filter(slug="gpt-5").exists()
    assert AIModel.objects.filter(provider__slug="openai").exists()
    AIModel.objects.filter(provider__slug="openai").delete()
    Provider.objects.get(slug="openai").delete()
    ensure_providers()
    assert not Provider.objects.filter(slug="openai").exists()
    assert defaults()["chat"] == "extractive"


@pytest.mark.parametrize(
    ("kind", "base_url", "allowed", "is_sent"),
    [
        ("openai", "", [], True),
        ("openai", "https://api.openai.com/v1", [], True),
        ("openai", "http://api.openai.com/v1", [], False),
        ("openai", "https://api.openai.com.evil.example/v1", [], False),
        ("openai", "https://collector.example.com/v1", [], False),
        ("openai", "https://collector.example.com/v1", ["OTHER_API_KEY@collector.example.com"], False),
        ("openai", "http://llm.intranet:8000/v1", ["OPENAI_API_KEY@llm.intranet"], True),
        ("azure_openai", "https://our-company.openai.azure.com", [], True),
        ("azure_openai", "https://openai.azure.com.evil.example", [], False),
    ],
)
def test_the_operators_key_goes_only_where_the_operator_lets_it_go(settings, kind, base_url, allowed, is_sent):
    settings.PROVIDER_KEYS, settings.ENV_KEY_HOSTS = {"OPENAI_API_KEY": "sk-operator"}, allowed
    provider = Provider(name="Cloud", slug="cloud", kind=kind, base_url=base_url, api_key_variable="OPENAI_API_KEY")

    if is_sent:
        provider.clean()
        assert provider.connection().api_key == "sk-operator"
        return
    with pytest.raises(ValidationError, match="MAGNET_ENV_KEY_HOSTS=OPENAI_API_KEY@"):
        provider.clean()
    with pytest.raises(NotConfigured, match="MAGNET_ENV_KEY_HOSTS=OPENAI_API_KEY@"):
        provider.connection()
