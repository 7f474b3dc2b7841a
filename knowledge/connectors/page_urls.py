"""One spelling for each page of a website, so that a page is one document whichever link led there."""

from __future__ import annotations

import posixpath
import re
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

from magnet.outbound.addresses import DEFAULT_PORTS

# They say where a visitor came from, not what is shown.
TRACKING = re.compile(r"utm_\w+|gclid|fbclid|msclkid|mc_cid|mc_eid", re.IGNORECASE)
KEPT_IN_PATHS = "/:@!$&'()*+,;=~-._%"
KEPT_IN_QUERIES = "/?:@!$&'()*+,;=~-._%"
ESCAPE = re.compile("%[0-9a-fA-F]{2}")
UNRESERVED = re.compile("[A-Za-z0-9._~-]")
MAX_LENGTH = 1_000


def canonical_url(link: str, *, base: str = "") -> str:
    """The absolute address without fragment, default port and tracking; nothing for what is no web page."""
    try:
        parts = urlsplit(urljoin(base, re.sub(r"[\t\r\n]", "", link.strip())))
        host, port = (parts.hostname or "").rstrip("."), parts.port
        host = host if host.isascii() else host.encode("idna").decode()
    except ValueError:  # an address such as http://[, or a host name that no rule allows
        return ""
    if parts.scheme not in DEFAULT_PORTS or not host or "@" in parts.netloc:
        return ""
    shown = f"[{host}]" if ":" in host else host
    netloc = shown if port in (None, DEFAULT_PORTS[parts.scheme]) else f"{shown}:{port}"
    url = urlunsplit((parts.scheme, netloc, clean_path(parts.path), clean_query(parts.query), ""))
    return url if len(url) <= MAX_LENGTH else ""


def clean_path(path: str) -> str:
    """Percent-encoded the same way everywhere, without dots; the final slash stays, because it may matter."""
    kept: list[str] = []
    *parts, last = one_escape(quote(path, safe=KEPT_IN_PATHS)).removeprefix("/").split("/")
    for part in [*parts, last]:
        if part == "..":
            del kept[-1:]
        elif part != ".":
            kept.append(part)
    if last in {".", ".."}:
        kept.append("")
    return "/" + "/".join(kept)


def clean_query(query: str) -> str:
    """The order stays, because it may matter; only tracking goes."""
    kept = [part for part in query.split("&") if part and not TRACKING.fullmatch(unquote(part.partition("=")[0]))]
    return one_escape(quote("&".join(kept), safe=KEPT_IN_QUERIES))


def one_escape(text: str) -> str:
    """`%7e` is `~`, and `%c3` is `%C3` (RFC 3986, 6.2.2)."""

    def spelled(match: re.Match[str]) -> str:
        character = chr(int(match[0][1:], 16))
        return character if UNRESERVED.fullmatch(character) else match[0].upper()

    return ESCAPE.sub(spelled, text)


def path_of(url: str) -> str:
    """The path for people and their patterns: `/hilfe/übersicht`."""
    return unquote(urlsplit(url).path) or "/"


def name_of(url: str) -> str:
    """The last part of the path, as a file name."""
    return posixpath.basename(path_of(url).rstrip("/"))
