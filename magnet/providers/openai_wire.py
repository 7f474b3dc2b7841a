"""How our values look on OpenAI's wire, and back: plain functions over bytes and dictionaries."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from magnet.errors import ProviderAnswerInvalid, ProviderError
from magnet.providers.base import ChatDelta, ChatMessage, ChatReply, ChatRequest, Embeddings, ToolCall, Usage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# No event of an honest stream is longer.
MAX_LINE_BYTES = 16 * 1024 * 1024


# -- Requests ------------------------------------------------------------------------------------------------


def chat_body(request: ChatRequest, *, output_limit: str) -> dict[str, Any]:
    body: dict[str, Any] = {"model": request.model, "messages": [message_body(m) for m in request.messages]}
    if request.max_output_tokens:
        body[output_limit] = request.max_output_tokens
    if request.response_format:
        body["response_format"] = dict(request.response_format)
    if request.tools:
        body["tools"] = [dict(tool) for tool in request.tools]
    return {**body, **request.options}


def message_body(message: ChatMessage) -> dict[str, Any]:
    body: dict[str, Any] = {"role": message.role, "content": message.text}
    if message.images:
        pictures = [{"type": "image_url", "image_url": {"url": url}} for url in message.images]
        body["content"] = [{"type": "text", "text": message.text}, *pictures]
    if message.tool_calls:
        body["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
        body["content"] = message.text or None
    if message.tool_call_id:
        body["tool_call_id"] = message.tool_call_id
    return body


# -- Whole replies -------------------------------------------------------------------------------------------


def parsed(content: bytes, *, who: str) -> dict[str, Any]:
    if not content.strip():
        raise ProviderAnswerInvalid(f"{who} sent an empty answer. Try again.")
    try:
        value = from_json(content)
    except ValueError as error:
        raise ProviderAnswerInvalid(
            f"{who} sent something that is not JSON. Check its base URL; it usually ends in /v1."
        ) from error
    if not isinstance(value, dict):
        raise ProviderAnswerInvalid(f"{who} sent JSON of an unknown shape. Check its base URL.")
    raise_if_error(value, who=who)
    return value


def raise_if_error(value: Mapping[str, Any], *, who: str) -> None:
    """Some servers send errors with status 200, and every server may send one within a stream."""
    error = value.get("error")
    if error:
        message = error.get("message") if isinstance(error, Mapping) else error
        raise ProviderError(f"{who} failed: {str(message or 'it did not say why')[:300]}")


def model_names(content: bytes, *, who: str) -> list[str]:
    listed = parsed(content, who=who).get("data")
    if not isinstance(listed, list):
        raise ProviderAnswerInvalid(f"{who} sent no list of models. Check its base URL.")
    return sorted(str(model["id"]) for model in listed if isinstance(model, dict) and "id" in model)


def reply(content: bytes, *, who: str) -> ChatReply:
    value = parsed(content, who=who)
    try:
        choice = value["choices"][0]
        message = choice["message"]
        text = text_of(message.get("content")) or message.get("refusal") or ""
        calls = tuple(
            ToolCall(call["id"], call["function"]["name"], call["function"]["arguments"])
            for call in message.get("tool_calls") or ()
        )
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ProviderAnswerInvalid(f"{who} sent an answer without a message. Try again.") from error
    finish_reason = choice.get("finish_reason") or "stop"
    raise_if_empty(text, calls, finish_reason, who=who)
    return ChatReply(text, calls, usage_of(value.get("usage")) or Usage(), finish_reason)


def text_of(content: Any) -> str:
    """The text of a message; some servers send it in parts."""
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return content or ""


def raise_if_empty(text: str, calls: Iterable[ToolCall], finish_reason: str, *, who: str) -> None:
    if text or calls:
        return
    if finish_reason == "length":
        raise ProviderError(
            f"{who} used up the longest answer allowed before writing a word. Raise the limit of output tokens.",
            upstream_status=200,
        )
    if finish_reason == "stop":
        raise ProviderAnswerInvalid(f"{who} sent an empty answer. Try again.")


def usage_of(value: Any) -> Usage | None:
    """Tokens as counted by the provider; None where it did not count."""
    if not isinstance(value, Mapping):
        return None
    inputs, outputs = value.get("prompt_tokens_details") or {}, value.get("completion_tokens_details") or {}
    return Usage(
        input_tokens=value.get("prompt_tokens") or 0,
        output_tokens=value.get("completion_tokens") or 0,
        cached_tokens=inputs.get("cached_tokens") or 0,
        reasoning_tokens=outputs.get("reasoning_tokens") or 0,
    )


def embeddings(content: bytes, *, count: int, who: str) -> Embeddings:
    import numpy as np

    value = parsed(content, who=who)
    try:
        rows = sorted(value["data"], key=lambda row: row["index"])
        matrix = np.stack([vector(row["embedding"]) for row in rows]) if rows else np.empty((0, 0), np.float32)
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise ProviderAnswerInvalid(f"{who} sent vectors that cannot be read. Try again.") from error
    if len(matrix) != count:
        raise ProviderAnswerInvalid(f"{who} sent {len(matrix)} vectors for {count} texts. Try again.")
    norms = np.linalg.norm(matrix, axis=1, keepdims=True)
    if not np.isfinite(norms).all() or not norms.all():
        raise ProviderAnswerInvalid(f"{who} sent a vector of zeros or of no numbers. Try again.")
    return Embeddings(matrix / norms, usage_of(value.get("usage")) or Usage())


def vector(value: Any) -> NDArray[np.float32]:
    """Base64 of little-endian floats where the server knows it, else a list of numbers."""
    import numpy as np

    if isinstance(value, str):
        return np.frombuffer(base64.b64decode(value), dtype="<f4")
    return np.asarray(value, dtype=np.float32)


# -- Streams -------------------------------------------------------------------------------------------------


@dataclass
class _CallInParts:
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)


class StreamParts:
    """Puts a stream together: bytes in, text out at once; tool calls, usage and the end are kept for the last delta."""

    def __init__(self, who: str) -> None:
        self.who = who
        self._buffer = b""
        self._calls: dict[int, _CallInParts] = {}
        self._usage: Usage | None = None
        self._finish_reason = ""
        self._has_text = self._has_events = False

    def take(self, data: bytes) -> str:
        """The text of all events that became complete with `data`."""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        if len(self._buffer) > MAX_LINE_BYTES:
            raise ProviderAnswerInvalid(f"{self.who} sent an event without an end.")
        text = "".join([self._take_line(line) for line in lines if line.startswith(b"data:")])
        self._has_text = self._has_text or bool(text)
        return text

    def _take_line(self, line: bytes) -> str:
        data = line[5:].strip()
        if not data or data == b"[DONE]":
            return ""
        event = parsed(data, who=self.who)
        self._has_events = True
        if event.get("usage"):
            self._usage = usage_of(event["usage"])
        choices = event.get("choices")
        return self._take_choice(choices[0]) if choices else ""

    def _take_choice(self, choice: dict[str, Any]) -> str:
        self._finish_reason = choice.get("finish_reason") or self._finish_reason
        delta = choice.get("delta") or {}
        for number, piece in enumerate(delta.get("tool_calls") or ()):
            self._take_call(piece, number)
        return text_of(delta.get("content")) or delta.get("refusal") or ""

    def _take_call(self, piece: dict[str, Any], number: int) -> None:
        call = self._calls.setdefault(piece.get("index", number), _CallInParts())
        function = piece.get("function") or {}
        call.id = piece.get("id") or call.id
        call.name = function.get("name") or call.name
        call.arguments.append(function.get("arguments") or "")

    def last_delta(self) -> ChatDelta:
        if not self._has_events:
            raise ProviderAnswerInvalid(f"{self.who} sent no stream. Check its base URL and that the model streams.")
        if not self._finish_reason:
            raise ProviderError(f"{self.who} stopped in mid-stream. Try again.")
        calls = tuple(ToolCall(call.id, call.name, "".join(call.arguments)) for _, call in sorted(self._calls.items()))
        if not self._has_text:
            raise_if_empty("", calls, self._finish_reason, who=self.who)
        return ChatDelta(tool_calls=calls, usage=self._usage, finish_reason=self._finish_reason)
