"""Our events in OpenAI's words: as one chat completion, or as the chunks of a stream."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Any

from conversations.openai_targets import Events
from magnet.errors import MagnetError
from magnet.ids import uuid7
from magnet.web.openai_problems import in_openai_words
from magnet.web.problems import plain_json
from magnet.web.streaming import Event

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=plain_json).encode

DONE = b"data: [DONE]\n\n"


async def whole(events: Events, *, model: str) -> dict[str, Any]:
    """The chat completion. Errors are raised as by the events."""
    async with aclosing(events):
        async for event in events:
            if event.name == "completed":
                return _completion(event.data, model=model)
    raise MagnetError("The answer ended before it was complete. Ask again.")


class Chunks:
    """One streamed answer: `frame` writes each event as what OpenAI's clients wait for, usage only when asked."""

    def __init__(self, *, model: str, includes_usage: bool) -> None:
        self.includes_usage = includes_usage
        self.head = {**_head(model), "object": "chat.completion.chunk"}

    def frame(self, event: Event, _number: int | None) -> bytes:
        if event.name == "started":
            return self._chunk({"role": "assistant", "content": ""})
        if event.name == "text":
            return self._chunk({"content": event.data["text"]})
        if event.name == "error":
            return _data(in_openai_words(event.data))
        return self._end(event.data) if event.name == "completed" else b""

    def _end(self, data: Mapping[str, Any]) -> bytes:
        calls = [{"index": index, **call} for index, call in enumerate(_tool_calls(data))]
        frames = [self._chunk({"tool_calls": calls})] if calls else []
        frames.append(self._chunk({}, finish_reason=_finish_reason(data), **_extras(data)))
        if self.includes_usage:
            frames.append(_data({**self.head, "choices": [], "usage": usage_of(data["usage"])}))
        return b"".join([*frames, DONE])

    def _chunk(self, delta: Mapping[str, Any], *, finish_reason: str | None = None, **extras: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        usage = {"usage": None} if self.includes_usage else {}
        return _data({**self.head, "choices": [choice], **usage, **extras})


def usage_of(usage: Mapping[str, int]) -> dict[str, Any]:
    return {
        "prompt_tokens": usage["input_tokens"],
        "completion_tokens": usage["output_tokens"],
        "total_tokens": usage["input_tokens"] + usage["output_tokens"],
        "prompt_tokens_details": {"cached_tokens": usage.get("cached_tokens", 0)},
        "completion_tokens_details": {"reasoning_tokens": usage.get("reasoning_tokens", 0)},
    }


def _completion(data: Mapping[str, Any], *, model: str) -> dict[str, Any]:
    calls = _tool_calls(data)
    message = {"role": "assistant", "content": data["text"] if data["text"] or not calls else None, "refusal": None}
    if calls:
        message["tool_calls"] = calls
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish_reason(data)}
    return {
        **_head(model),
        "object": "chat.completion",
        "choices": [choice],
        "usage": usage_of(data["usage"]),
        **_extras(data),
    }


def _head(model: str) -> dict[str, Any]:
    """`model` is what was asked for: clients compare it."""
    return {"id": f"chatcmpl-{uuid7().hex}", "created": int(time.time()), "model": model}


def _finish_reason(data: Mapping[str, Any]) -> str:
    """A limit that ended the answer early is told as OpenAI tells its own."""
    is_cut_off = data.get("is_cut_off") or data.get("stopped_by")
    return str(data.get("finish_reason") or ("length" if is_cut_off else "stop"))


def _tool_calls(data: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
    return [
        {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": call["arguments"]}}
        for call in data.get("tool_calls", ())
    ]


def _extras(data: Mapping[str, Any]) -> dict[str, Any]:
    """What OpenAI has no word for, and its clients pass over: the passages that the answer cites, trace and cost."""
    extras = {"trace_id": data["trace_id"], "cost": data["cost"]}
    if "passages" in data:
        extras["citations"] = [passage for passage in data["passages"] if passage["is_cited"]]
    return extras


def _data(value: Mapping[str, Any]) -> bytes:
    return f"data: {_encode(value)}\n\n".encode("utf-8", "replace")
