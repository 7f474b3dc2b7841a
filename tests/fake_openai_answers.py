"""What the fake OpenAI server says when no test scripts it: cited sentences, vectors in which likeness makes sense."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

NUMBERED = re.compile(r"\[(\d+)\][^\S\n]*(?:\([^)]*\))?[^\S\n]*(\S[^\n]*(?:\n(?!\s*\[\d+\])[^\n]+)*)")
WORD = re.compile(r"\w+")


def reply_text(body: dict[str, Any], scripted: str | None, *, deltas: int = 0) -> str:
    """The scripted text, or one that cites the first two numbered passages of the prompt; at least `deltas` words."""
    if scripted is not None:
        return scripted
    prompt = "\n".join(text_of(message) for message in body.get("messages", ()))
    passages = {number: passage.strip() for number, passage in NUMBERED.findall(prompt)}
    cited = [f"{passage.split('. ')[0][:120].rstrip('.')} [{n}]." for n, passage in list(passages.items())[:2]]
    words = (" ".join(cited) or "This is the answer of the fake model.").split(" ")
    return " ".join(words[:-1] + ["and"] * (deltas - len(words)) + words[-1:])


def text_of(message: dict[str, Any]) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else " ".join(part.get("text", "") for part in content)


def usage_of(body: dict[str, Any], text: str) -> dict[str, Any]:
    prompt = sum(len(WORD.findall(text_of(message))) for message in body.get("messages", ()))
    answer = len(WORD.findall(text))
    return {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}


def chat_answer(
    body: dict[str, Any], text: str, *, tool_calls: tuple[dict[str, Any], ...], usage: Any
) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if tool_calls:
        message = {"role": "assistant", "content": text or None, "tool_calls": list(tool_calls)}
    return {
        "id": "chatcmpl-fake",
        "object": "chat.completion",
        "created": 0,
        "model": body.get("model"),
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if tool_calls else "stop"}],
        "usage": usage or usage_of(body, text),
    }


def chunks_of(
    body: dict[str, Any],
    text: str,
    *,
    tool_calls: tuple[dict[str, Any], ...],
    usage: Any,
    has_usage: bool,
    finish_reason: str = "",
) -> list[dict[str, Any]]:
    """The chunks of a streamed answer: a word each, then tool calls in pieces, then the end, then the usage."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": part} for part in re.findall(r"\s*\S+", text)]
    deltas += pieces_of(tool_calls)
    choices: list[list[dict[str, Any]]] = [[{"index": 0, "delta": delta, "finish_reason": None}] for delta in deltas]
    ending = finish_reason or ("tool_calls" if tool_calls else "stop")
    choices.append([{"index": 0, "delta": {}, "finish_reason": ending}])
    base = {"id": "chatcmpl-fake", "object": "chat.completion.chunk", "created": 0, "model": body.get("model")}
    chunks = [{**base, "choices": choice} for choice in choices]
    if has_usage and (body.get("stream_options") or {}).get("include_usage"):
        chunks.append({**base, "choices": [], "usage": usage or usage_of(body, text)})
    return chunks


def pieces_of(tool_calls: tuple[dict[str, Any], ...]) -> list[dict[str, Any]]:
    pieces: list[dict[str, Any]] = []
    for index, call in enumerate(tool_calls):
        function = call["function"]
        head = {"index": index, "id": call["id"], "type": "function"}
        pieces.append({"tool_calls": [{**head, "function": {"name": function["name"], "arguments": ""}}]})
        for part in re.findall(r".{1,4}", function["arguments"], re.S):
            pieces.append({"tool_calls": [{"index": index, "function": {"arguments": part}}]})
    return pieces


def embedding_answer(body: dict[str, Any], *, dimensions: int) -> dict[str, Any]:
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    count = body.get("dimensions") or dimensions
    tokens = sum(len(WORD.findall(text)) for text in texts)
    as_base64 = body.get("encoding_format") == "base64"
    data = []
    for index, text in enumerate(texts):
        vector = vector_of(text, dimensions=count)
        value: Any = base64.b64encode(vector.tobytes()).decode() if as_base64 else vector.tolist()
        data.append({"object": "embedding", "index": index, "embedding": value})
    return {
        "object": "list",
        "data": data,
        "model": body.get("model"),
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def vector_of(text: str, *, dimensions: int) -> NDArray[np.float32]:
    """The sum of one fixed random direction a word: texts with common words point the same way."""
    words = WORD.findall(text.lower()) or [""]
    total = np.sum([direction(word, dimensions) for word in words], axis=0, dtype=np.float32)
    return np.asarray(total / (np.linalg.norm(total) or 1.0), dtype=np.float32)


@functools.lru_cache(maxsize=100_000)
def direction(word: str, dimensions: int) -> NDArray[np.float32]:
    seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "big")
    drawn: NDArray[np.float32] = np.random.default_rng(seed).standard_normal(dimensions, dtype=np.float32)
    return drawn


def rerank_answer(body: dict[str, Any]) -> Any:
    """By the words that a text shares with the query, in the shape that the request has."""
    asked = set(WORD.findall(body["query"].lower()))
    texts = body.get("documents") or body.get("texts") or []
    shares = [len(asked & set(WORD.findall(text.lower()))) / max(1, len(asked)) for text in texts]
    order = sorted(range(len(texts)), key=lambda index: -shares[index])
    if "texts" in body:
        return [{"index": index, "score": shares[index]} for index in order]
    results = [{"index": index, "relevance_score": shares[index]} for index in order[: body.get("top_n", len(texts))]]
    tokens = sum(len(WORD.findall(text)) for text in texts)
    return {"model": body.get("model"), "results": results, "usage": {"total_tokens": tokens}}
