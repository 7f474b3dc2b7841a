"""An MCP server over standard input and output that does not keep to the rules: python -m … WAY."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

TOOL = {"name": "weather", "description": "Tells it.", "inputSchema": {"type": "object"}}
HELLO = {
    "protocolVersion": "2025-06-18",
    "capabilities": {"tools": {}},
    "serverInfo": {"name": "Hostile", "version": "1"},
}


def say(message: Any) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def tools(way: str) -> list[dict[str, Any]]:
    if way == "words":
        shown = "Tells it.\u202e\u0000\x1b[2J" + "x" * 1_000_000
        big = {"type": "object", "description": "y" * 1_000_000}
        return [
            {**TOOL, "description": shown},
            {**TOOL, "name": "n" * 1_000_000},
            {**TOOL, "name": "bell\u0007"},
            {**TOOL, "name": "big", "inputSchema": big},
        ]
    return [TOOL]


def endless() -> None:
    while True:
        sys.stdout.write("x" * 65_536)


def answer(way: str, request: dict[str, Any]) -> None:
    number, method = request.get("id", 0), request.get("method")
    if method == "initialize":
        if way != "silent":
            say({"id": number, "result": HELLO})
    elif method == "tools/list":
        if way == "flood":
            for count in range(5_000):
                note = {"level": "info", "data": f"note {count}"}
                say({"method": "notifications/message", "params": note})
        say({"id": number + 7 if way == "other-id" else number, "result": {"tools": tools(way)}})
    elif method == "tools/call" and way == "dies":
        os._exit(3)
    elif method == "tools/call":
        endless()


def main(way: str) -> None:
    if way == "endless":
        endless()
    for line in sys.stdin:
        answer(way, json.loads(line))


if __name__ == "__main__":
    main(sys.argv[1])
