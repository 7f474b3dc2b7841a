"""Reads an OpenAPI document, JSON or YAML, without trusting it: size, depth and aliases have limits.

No library that validates the whole document: it takes minutes on the large ones, and refuses documents that real makers
publish. What is used of a document is checked where it is used.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any
from urllib.parse import urljoin

from magnet import safe_yaml
from magnet.cleaning import storable
from magnet.errors import AddressRefused, InvalidInput, TooLarge
from magnet.json_schema import is_beyond
from magnet.outbound.addresses import host_and_port

MAX_DOCUMENT_BYTES = 20 * 1024 * 1024
LONGEST_URL = 500
DEEPEST = safe_yaml.DEEPEST


def read(content: bytes) -> dict[str, Any]:
    """The document as it stands. Raises TooLarge, and InvalidInput for what is no OpenAPI 3.0, 3.1 or Swagger 2."""
    if len(content) > MAX_DOCUMENT_BYTES:
        raise TooLarge(f"The document is larger than {MAX_DOCUMENT_BYTES // 1024 // 1024} MB.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput("The document is not UTF-8 text, so it is no OpenAPI document.") from error
    if not text.strip():
        raise InvalidInput("The document is empty.")
    document = _from_json(text) if text.lstrip()[0] == "{" else safe_yaml.read(text, allows_doubles=True)
    if is_beyond(document, depth=DEEPEST, size=safe_yaml.MOST_PARTS):
        raise InvalidInput(f"The document is nested deeper than {DEEPEST} levels, so it is not read.")
    return checked(document)


def checked(document: Any) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise InvalidInput("The document is not an object, so it is no OpenAPI document.")
    version = str(document.get("openapi") or document.get("swagger") or "")
    if not version:
        raise InvalidInput("The document names no version: an OpenAPI document has `openapi: 3.…` or `swagger: 2.0`.")
    if not (version.startswith(("3.0", "3.1")) if "openapi" in document else version.startswith("2")):
        raise InvalidInput(f"The document is of version {version[:20]}. OpenAPI 3.0 and 3.1 and Swagger 2.0 are read.")
    if not isinstance(document.get("paths"), dict):
        raise InvalidInput("The document has no `paths`, so there is nothing to call.")
    return document


def title_of(document: dict[str, Any]) -> str:
    info = document.get("info")
    return storable(str(info.get("title") or ""))[:200] if isinstance(info, dict) else ""


def base_url_of(document: dict[str, Any], *, found_at: str = "") -> str:
    """Where the document says that the API is, with the defaults of its variables; empty where it does not say."""
    url = _old_url(document) if "swagger" in document else _first_server(document)
    try:
        url = urljoin(found_at, url) if found_at and url else url
        host_and_port(url)
    except (ValueError, AddressRefused):
        return ""
    return url.rstrip("/") if len(url) <= LONGEST_URL and storable(url) == url else ""


def _old_url(document: dict[str, Any]) -> str:
    host, schemes = document.get("host"), document.get("schemes")
    first = schemes[0] if isinstance(schemes, list) and schemes and "https" not in schemes else "https"
    return f"{first}://{host}{document.get('basePath') or ''}" if host else ""


def _first_server(document: dict[str, Any]) -> str:
    servers = document.get("servers")
    server = servers[0] if isinstance(servers, list) and servers and isinstance(servers[0], dict) else {}
    given = server.get("variables")
    variables = given if isinstance(given, dict) else {}

    def default_of(found: re.Match[str]) -> str:
        variable = variables.get(found[1], found[0])
        return str(variable.get("default", ""))[:LONGEST_URL] if isinstance(variable, dict) else str(variable)

    # In one pass: a default that names other variables would make a short address endless.
    return re.sub(r"{([^{}]+)}", default_of, str(server.get("url") or "")[:LONGEST_URL])


def finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else no_number(text)


def no_number(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")


def _from_json(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=no_number, parse_float=finite)
    except json.JSONDecodeError as error:
        raise InvalidInput(f"The document is not valid JSON: {error.msg} in line {error.lineno}.") from error
    except (RecursionError, ValueError) as error:
        raise InvalidInput("The document is nested too deeply, or holds a number that nobody can read.") from error
