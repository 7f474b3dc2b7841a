"""A write that is sent twice is carried out once."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta

import pytest
from django.utils import timezone

from magnet.api import providers as api_providers
from magnet.database import in_database
from magnet.models import IdempotentRequest, Provider
from magnet.web import idempotency
from tests.fixtures_api import bearer

pytestmark = pytest.mark.django_db(transaction=True)

PROVIDER = {"name": "Own", "slug": "own", "kind": "local"}


def once(key="order-17"):
    return {"Idempotency-Key": key}


async def rows(**changes):
    return await in_database(lambda: IdempotentRequest.objects.update(**changes))


async def test_the_second_answer_is_the_first_one_again(api):
    first = await api.post("/api/providers", json=PROVIDER, headers=once())
    second = await api.post("/api/providers", json=PROVIDER, headers=once())
    assert first.status_code == second.status_code == 201
    assert first.json() == second.json()
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.headers["Location"] == first.headers["Location"] == "/api/providers/own"
    assert "Idempotent-Replayed" not in first.headers
    assert await in_database(Provider.objects.count) == 1


async def test_without_a_key_it_is_carried_out_again(api):
    assert (await api.post("/api/providers", json=PROVIDER)).status_code == 201
    assert (await api.post("/api/providers", json=PROVIDER)).status_code == 409


async def test_another_body_needs_another_key(api):
    await api.post("/api/providers", json=PROVIDER, headers=once())
    other = await api.post("/api/providers", json={**PROVIDER, "name": "Other"}, headers=once())
    assert other.status_code == 422
    assert "another request" in other.json()["detail"]


async def test_two_callers_may_use_the_same_key(api, issue_key):
    await api.post("/api/providers", json=PROVIDER, headers=once())
    stranger = bearer(await in_database(issue_key))
    answer = await api.post("/api/providers", json=PROVIDER, headers={**once(), **stranger})
    assert answer.status_code == 409
    assert "Idempotent-Replayed" not in answer.headers


async def test_while_the_first_runs_the_second_is_told_to_wait(api):
    await api.post("/api/providers", json=PROVIDER, headers=once())
    await rows(status=None, body=None)
    second = await api.post("/api/providers", json=PROVIDER, headers=once())
    assert second.status_code == 409
    assert "still running" in second.json()["detail"]
    assert second.headers["Retry-After"] == "1"


async def test_what_a_crash_cut_off_may_be_sent_again(api):
    await api.post("/api/providers", json=PROVIDER, headers=once())
    await in_database(lambda: Provider.objects.all().delete())
    await rows(status=None, body=None, created_at=timezone.now() - timedelta(minutes=6))
    assert (await api.post("/api/providers", json=PROVIDER, headers=once())).status_code == 201


async def test_an_answer_that_takes_long_keeps_its_key(api, monkeypatch):
    monkeypatch.setattr(idempotency, "BEAT_SECONDS", 0.05)
    goes_on = threading.Event()
    monkeypatch.setattr(api_providers, "_create", after(goes_on, api_providers._create))
    first = asyncio.create_task(api.post("/api/providers", json=PROVIDER, headers=once()))
    await until(IdempotentRequest.objects.exists)
    long_ago = timezone.now() - timedelta(minutes=6)
    await rows(created_at=long_ago)
    await until(IdempotentRequest.objects.exclude(created_at=long_ago).exists)

    second = await api.post("/api/providers", json=PROVIDER, headers=once())

    goes_on.set()
    assert second.status_code == 409
    assert (await first).status_code == 201


async def until(condition):
    async with asyncio.timeout(60):
        while not await in_database(condition):  # noqa: ASYNC110 - the database sends no signal
            await asyncio.sleep(0.01)


def after(signal: threading.Event, work):
    def waiting(*arguments):
        assert signal.wait(60)
        return work(*arguments)

    return waiting


async def test_after_a_day_the_key_is_free(api):
    await api.post("/api/providers", json=PROVIDER, headers=once())
    await rows(created_at=timezone.now() - timedelta(hours=25))
    again = await api.post("/api/providers", json=PROVIDER, headers=once())
    assert "Idempotent-Replayed" not in again.headers


async def test_a_failure_of_ours_may_be_tried_again_with_the_same_key(api, monkeypatch):
    def broken(slug):
        raise RuntimeError("A bug.")

    with monkeypatch.context() as patch:
        patch.setattr(api_providers, "_create", broken)
        assert (await api.post("/api/providers", json=PROVIDER, headers=once())).status_code == 500
    assert (await api.post("/api/providers", json=PROVIDER, headers=once())).status_code == 201


async def test_many_at_once_are_carried_out_once(api):
    answers = await asyncio.gather(
        *(api.post("/api/providers", json={"name": "Own", "kind": "local"}, headers=once()) for _ in range(8))
    )
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert [answer.status_code for answer in answers].count(201) >= 1
    assert await in_database(Provider.objects.count) == 1


async def test_a_secret_in_a_kept_answer_is_not_stored_in_clear(api):
    body = {"name": "Shop", "scopes": ["models:read"]}
    made = await api.post("/api/api-keys", json=body, headers=once())
    again = await api.post("/api/api-keys", json=body, headers=once())
    assert again.json()["key"] == made.json()["key"]
    stored = await in_database(lambda: bytes(IdempotentRequest.objects.get().body))
    assert made.json()["key"].encode() not in stored


async def test_a_key_that_is_none_is_refused(api):
    assert (await api.post("/api/providers", json=PROVIDER, headers=once("x" * 256))).status_code == 422
