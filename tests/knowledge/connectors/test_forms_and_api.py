"""Connectors to APIs as staff and integrators set them up: every setting in plain words, every secret write-only."""

from __future__ import annotations

import json

import pytest
from django.urls import reverse

from knowledge.connectors import CONNECTORS
from knowledge.models import KnowledgeSource
from magnet.database import in_database
from magnet.encryption import decrypt
from tests import factories
from tests.knowledge.connectors.fake_api import running
from tests.knowledge.connectors.fakes import FAKES

pytestmark = pytest.mark.django_db(transaction=True)
ADD = "admin:knowledge_knowledgesource_add"
CHECK = "admin:knowledge_knowledgesource_check"
KINDS = sorted({fake.kind for fake in FAKES.values()})


def typed(kind, config, secrets):
    """What a person types into the form of a new source; lists stand one on each line."""
    from knowledge.chunkers import CHUNKERS

    values = {**CONNECTORS[kind].Config.model_validate(config).model_dump(mode="json")}
    fields = {f"config__{k}": "\n".join(v) if isinstance(v, list) else v for k, v in values.items() if v is not False}
    chunker = {f"chunker_paragraphs__{k}": str(v) for k, v in CHUNKERS["paragraphs"].Config().model_dump().items()}
    model = factories.local_embedding().pk
    return {
        "name": "The source", "slug": "the-source", "schedule": "manual", "time_zone": "UTC", "embedding_model": model,
        "deletion_guard_percent": "20", **chunker, **fields, **{f"secrets__{k}": v for k, v in secrets.items()},
    }  # fmt: skip


@pytest.mark.parametrize("name", list(FAKES))
def test_a_source_is_added_in_the_admin_and_its_connection_tested(owner, name):
    with running(FAKES[name]) as api:
        api.put(1, "The password is swordfish.")
        config, secrets = api.settings()
        form = owner.get(f"{reverse(ADD)}?connector={api.kind}").content.decode()
        made = owner.post(f"{reverse(ADD)}?connector={api.kind}", typed(api.kind, config, secrets))
        source = KnowledgeSource.objects.get()
        said = owner.post(
            reverse("admin:knowledge_knowledgesource_check", args=[source.pk]), HTTP_ACCEPT="application/json"
        )
        page = owner.get(reverse("admin:knowledge_knowledgesource_change", args=[source.pk])).content.decode()

    assert made.status_code == 302
    for shape in (CONNECTORS[api.kind].Config, CONNECTORS[api.kind].Secrets):
        assert all(info.title in form for info in shape.model_fields.values())
    assert 'type="password"' in form
    assert "where the source asks for it" not in form
    assert decrypt(source.encrypted_secrets) == secrets
    assert said.json()["detail"].endswith(".")
    assert all(json.dumps(secret)[1:-1] not in page for secret in secrets.values())


def test_choices_are_said_in_words(owner):
    form = owner.get(f"{reverse(ADD)}?connector=confluence").content.decode()

    assert "Confluence Data Center" in form
    assert ">data_center<" not in form


@pytest.mark.parametrize("kind", KINDS)
async def test_the_api_takes_secrets_and_never_gives_them_back(api, kind):
    fake = next(fake for fake in FAKES.values() if fake.kind == kind)
    await in_database(factories.local_embedding)
    with running(fake) as server:
        config, secrets = server.settings()
    body = {"name": "The source", "connector": kind, "config": config, "secrets": secrets}
    made = await api.post("/api/knowledge-sources", json=body)
    shown = await api.get("/api/knowledge-sources/the-source")

    assert made.status_code == 201, made.text
    assert made.json()["has_secrets"] is True
    assert all(json.dumps(secret)[1:-1] not in made.text + shown.text for secret in secrets.values())
    unknown = await api.post("/api/knowledge-sources", json={**body, "name": "B", "secrets": {"tokn": "x"}})
    assert (unknown.status_code, list(unknown.json()["errors"])) == (422, ["secrets.tokn"])


async def test_another_address_forgets_the_token_but_writing_out_a_default_does_not(api):
    await in_database(factories.local_embedding)
    body = {"name": "The source", "connector": "hubspot", "config": {}, "secrets": {"token": "pat"}}
    await api.post("/api/knowledge-sources", json=body)
    path = "/api/knowledge-sources/the-source"

    same = await api.patch(path, json={"config": {"api_address": "https://api.hubapi.com"}})
    other = await api.patch(path, json={"config": {"api_address": "https://api.example.com"}})

    assert (same.json()["has_secrets"], other.json()["has_secrets"]) == (True, False)


SQL = {"query": "select 1 as id", "text": "id", "user": "reader"}


DISGUISES = ["{0}:/\t/{1}", "{0}:\n//{1}", "{0}:/\r\n/{1}", "//{1}", "\\\\{1}", "{0}:{1}", "{0}:\\\\{1}", "{1}"]


@pytest.mark.parametrize("disguised", [*DISGUISES, "{0}://db.example.com@{1}", "{0}://ｄb.example.com"])
@pytest.mark.parametrize(
    ("kind", "scheme", "config", "secrets"),
    [
        ("sql_database", "postgresql", SQL, {"password": "hidden"}),
        ("rss", "https", {}, {"header_name": "Authorization", "header_value": "hidden"}),
    ],
)
async def test_another_address_in_disguise_does_not_keep_the_secret(api, kind, scheme, config, secrets, disguised):
    await in_database(factories.local_embedding)
    given = {**config, "address": f"{scheme}://db.example.com/crm"}
    await api.post(
        "/api/knowledge-sources", json={"name": "One", "connector": kind, "config": given, "secrets": secrets}
    )

    moved = {**config, "address": disguised.format(scheme, "thief.example.com/crm")}
    answer = await api.patch("/api/knowledge-sources/one", json={"config": moved})

    assert answer.status_code == 422 or answer.json()["has_secrets"] is False
