"""Providers and models: keys are written and never shown, a click tells whether they answer, uses protect them."""

import pytest
from django.urls import reverse

from magnet.models import AIModel, AuditEntry, Provider
from tests import factories

pytestmark = pytest.mark.django_db
OPTIONS = {"config__output_limit": "automatic", "config__texts_per_request": "256", "timeout_seconds": "60"}
JSON = {"HTTP_ACCEPT": "application/json"}


def add(client, **fields):
    values = {"name": "Cloud", "slug": "cloud", "is_active": "on", **OPTIONS, **fields}
    return client.post(reverse("admin:magnet_provider_add") + "?kind=openai", values)


def change(client, provider, **fields):
    values = {"name": provider.name, "is_active": "on", "base_url": provider.base_url, **OPTIONS, **fields}
    return client.post(reverse("admin:magnet_provider_change", args=[provider.pk]), values)


def test_the_kind_is_chosen_first_and_fixed_afterwards(owner):
    choice = owner.get(reverse("admin:magnet_provider_add")).content.decode()
    assert "Who runs the models?" in choice
    assert "?kind=azure_openai" in choice

    add(owner, api_key="sk-secret-of-ours")

    provider = Provider.objects.get()
    assert (provider.kind, provider.api_key) == ("openai", "sk-secret-of-ours")
    change(owner, provider, kind="local")
    assert Provider.objects.get().kind == "openai"


def test_a_key_is_never_shown_again_and_stays_when_the_field_is_left_empty(owner):
    add(owner, api_key="sk-secret-of-ours")
    provider = Provider.objects.get()

    page = owner.get(reverse("admin:magnet_provider_change", args=[provider.pk])).content.decode()
    change(owner, provider, name="Clouds", api_key="")

    assert "sk-secret-of-ours" not in page
    assert provider.encrypted_api_key not in page
    assert "Set. Leave empty to keep it" in page
    provider.refresh_from_db()
    assert (provider.name, provider.api_key) == ("Clouds", "sk-secret-of-ours")
    assert "sk-secret" not in str(list(AuditEntry.objects.values()))


def test_another_address_needs_its_key_again(owner):
    add(owner, api_key="sk-secret-of-ours")
    provider = Provider.objects.get()

    response = change(owner, provider, base_url="https://collector.example.com")

    assert "enter the key for it" in response.content.decode()
    provider.refresh_from_db()
    assert provider.base_url == ""
    change(owner, provider, base_url="https://other.example.com", api_key="sk-other")
    provider.refresh_from_db()
    assert (provider.base_url, provider.api_key) == ("https://other.example.com", "sk-other")


def test_another_address_does_not_get_the_key_of_the_environment_either(owner):
    add(owner, api_key_variable="OPENAI_API_KEY")
    provider = Provider.objects.get()

    change(owner, provider, base_url="https://collector.example.com", api_key_variable="OPENAI_API_KEY")

    provider.refresh_from_db()
    assert provider.base_url == ""


def test_a_kind_without_a_usual_address_asks_for_one(owner):
    url = reverse("admin:magnet_provider_add") + "?kind=azure_openai"
    response = owner.post(url, {"name": "A", "slug": "a", "config__api_version": "2024-10-21", **OPTIONS})

    assert "This kind of provider has no usual address" in response.content.decode()


def test_a_click_tells_what_the_provider_offers_and_another_adds_it(owner, fake_openai):
    fake_openai.models = ["gpt-4.1-mini", "text-embedding-house", "whisper-1"]
    provider = factories.openai_provider(fake_openai.base_url)

    answer = owner.post(reverse("admin:magnet_provider_check", args=[provider.pk]), **JSON).json()

    assert answer["detail"] == "It answers, and offers 3 models."
    assert [(model["name"], model["purpose"]) for model in answer["models"]] == [
        ("gpt-4.1-mini", "chat"),
        ("text-embedding-house", "embedding"),
    ]
    owner.post(
        reverse("admin:magnet_provider_add_models", args=[provider.pk]),
        {"offered": ["gpt-4.1-mini", "text-embedding-house"]},
    )
    chat = AIModel.objects.get(model_name="gpt-4.1-mini")
    assert (chat.purpose, str(chat.input_price.normalize())) == ("chat", "0.4")
    assert AIModel.objects.get(model_name="text-embedding-house").dimensions == 1_024


def test_a_provider_that_does_not_answer_says_so(owner, settings):
    settings.ALLOWED_PRIVATE_HOSTS = ["127.0.0.1"]
    provider = factories.openai_provider("http://127.0.0.1:9/v1")

    response = owner.post(reverse("admin:magnet_provider_check", args=[provider.pk]), **JSON)

    assert response.status_code == 502
    assert "Cloud" in response.json()["detail"]
    assert "sk-test" not in response.content.decode()


def test_what_is_in_use_is_not_deleted_but_says_where(owner):
    model = factories.local_embedding()
    source = factories.source("handbook", embedding_model=model)

    page = owner.post(reverse("admin:magnet_aimodel_delete", args=[model.pk])).content.decode()
    assert "is still in use" in page
    assert reverse("admin:knowledge_knowledgesource_change", args=[source.pk]) in page

    source.delete()
    AIModel.objects.filter(pk=model.pk).update(is_default=False)
    assert owner.post(reverse("admin:magnet_aimodel_delete", args=[model.pk])).status_code == 302
    assert not AIModel.objects.filter(pk=model.pk).exists()


def test_another_model_becomes_the_default(owner):
    factories.local_embedding()
    provider = Provider.objects.get(kind="local")
    other = AIModel.objects.create(
        provider=provider, name="Other", slug="other", model_name="x", purpose="embedding", dimensions=8
    )

    owner.post(reverse("admin:magnet_aimodel_make_default", args=[other.pk]))

    assert AIModel.objects.default_for("embedding") == other
    assert AuditEntry.objects.filter(verb="made the default").exists()


def test_a_model_is_added_for_a_purpose_with_what_belongs_to_it(owner):
    factories.local_embedding()
    provider = Provider.objects.get(kind="local")
    url = reverse("admin:magnet_aimodel_add") + "?purpose=embedding"

    assert "Output price" not in owner.get(url).content.decode()
    values = {
        "name": "E", "slug": "e", "provider": provider.pk, "model_name": "e", "is_active": "on", "input_price": "0.02",
        "max_input_tokens": "8000", "fusion_weight": "0.6", "score_floor": "0", "score_ceiling": "1",
    }  # fmt: skip
    refused = owner.post(url, values)
    assert "Say how many numbers a text becomes" in refused.content.decode()
    owner.post(url, {**values, "dimensions": "512"})

    assert AIModel.objects.get(slug="e").purpose == "embedding"
