"""Conversations over HTTP, as an integrator holds them."""

from __future__ import annotations

import json
from typing import Any

import httpx

STREAM = {"Accept": "text/event-stream"}
Events = list[tuple[int | None, str, dict[str, Any]]]


async def begin(chat: httpx.AsyncClient, **body: Any) -> str:
    answer = await chat.post("/api/conversations", json={"agent": "desk", **body})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def say(chat: httpx.AsyncClient, conversation: str, text: str, **more: Any) -> httpx.Response:
    return await chat.post(f"/api/conversations/{conversation}/messages", json={"text": text, **more})


async def stream(chat: httpx.AsyncClient, conversation: str, text: str) -> Events:
    url = f"/api/conversations/{conversation}/messages"
    answer = await chat.post(url, json={"text": text}, headers=STREAM)
    assert answer.status_code == 200, answer.text
    return parsed(answer.text)


def parsed(body: str) -> Events:
    """(id, name, data) of each event."""
    found: Events = []
    for block in body.strip().split("\n\n"):
        if not block or block.startswith(":"):
            continue
        lines = dict(line.split(": ", 1) for line in block.split("\n"))
        found.append((int(lines["id"]) if "id" in lines else None, lines["event"], json.loads(lines["data"])))
    return found


def text_of(events: Events) -> str:
    return "".join(data["text"] for _, name, data in events if name == "text")
