"""One website as its settings describe it: which pages belong to it, and how they are asked for."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterable
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from knowledge.connectors.globs import is_below, matches_any
from knowledge.connectors.page_memory import PageRecord
from knowledge.connectors.page_urls import canonical_url, name_of, path_of
from knowledge.connectors.readable import is_hopeless, is_readable
from knowledge.connectors.robots import MAX_BYTES as MAX_ROBOTS_BYTES
from knowledge.connectors.robots import Robots
from magnet.errors import AddressRefused
from magnet.outbound.http import OutboundClient, Response, origin_of

MAX_PAGE_BYTES = 25 * 1024 * 1024
GONE = {404, 410}


class WebsiteConfig(BaseModel):
    model_config = ConfigDict(extra="forbid")

    start_url: str = Field(title="Start address", description="The first page, or the address of a sitemap.")
    mode: Literal["links", "sitemap"] = Field(
        default="links",
        title="Find pages",
        description="Some sites list all their pages in a file for search engines; others are found link by link.",
        json_schema_extra={
            "labels": {"links": "By following the links of each page", "sitemap": "From the site’s own list (sitemap)"}
        },
    )
    max_depth: int = Field(default=5, ge=0, le=50, title="Depth", description="Links to follow from the start page.")
    max_pages: int = Field(default=500, ge=1, le=20_000, title="Most pages")
    include_paths: list[str] = Field(
        default=[], title="Only below", description="Such as /help or /help/*.html; empty means all paths."
    )
    exclude_paths: list[str] = Field(default=[], title="Leave out", description="Such as /help/archive or **/print.")
    hosts: list[str] = Field(
        default=[], title="Further hosts", description="Such as docs.example.com, where links may lead to."
    )
    delay_seconds: float = Field(default=0.1, ge=0, le=60, title="Pause between two pages, in seconds")

    @field_validator("start_url")
    @classmethod
    def is_a_web_address(cls, value: str) -> str:
        url = canonical_url(value)
        if not url:
            raise ValueError("Enter the whole address, such as https://www.example.com/help, without a user name.")
        return url


class WebsiteSecrets(BaseModel):
    """Sent to the host of the start address only."""

    model_config = ConfigDict(extra="forbid")

    username: str = Field(default="", title="User name", repr=False)
    password: str = Field(default="", title="Password", repr=False)
    header_name: str = Field(default="", title="Header", description="Such as X-Api-Key.", repr=False)
    header_value: str = Field(default="", title="Value of the header", repr=False)

    @field_validator("header_name", "header_value")
    @classmethod
    def fits_into_a_header(cls, value: str) -> str:
        if not value.isascii() or not value.isprintable():
            raise ValueError("A header is one line of plain letters, digits and signs, without accents.")
        return value.strip()

    def headers(self) -> dict[str, str]:
        found = {self.header_name: self.header_value} if self.header_name and self.header_value else {}
        if self.username:
            pair = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
            found["Authorization"] = f"Basic {pair}"
        return found


class Site:
    """Knows the borders of a website and asks it politely."""

    def __init__(self, config: WebsiteConfig, secrets: WebsiteSecrets | None, *, client: OutboundClient) -> None:
        self.config = config
        self.client = client
        self.robots = Robots(self._robots_txt)
        self.starts = {config.start_url}
        self.origins = {origin_of(config.start_url)}
        self._secret_headers = secrets.headers() if secrets else {}
        self._secret_origin = origin_of(config.start_url)
        self._next_request_at = 0.0

    def has(self, url: str) -> bool:
        """Whether a page belongs to the site, by host, path, and what robots.txt says."""
        return self.is_in_scope(url) and self.robots.allow(url, origin=origin_of(url))

    def is_in_scope(self, url: str) -> bool:
        try:
            origin = origin_of(url)
        except AddressRefused:  # a host in disguise, which only an attacker or a typing error would link to
            return False
        host = origin.partition("://")[2]
        if origin not in self.origins and host.lower() not in {name.strip().lower() for name in self.config.hosts}:
            return False
        path = path_of(url)
        # The start page shows the way even where it is not among the wanted paths.
        is_wanted = not self.config.include_paths or fits(path, self.config.include_paths) or self.is_start(url)
        return is_wanted and not fits(path, self.config.exclude_paths) and not is_hopeless(name_of(url))

    def is_start(self, url: str) -> bool:
        return url in self.starts

    def is_document(self, url: str) -> bool:
        """Whether the path is among the wanted ones; the start page may only be a way in."""
        return not self.config.include_paths or fits(path_of(url), self.config.include_paths)

    def page(self, url: str, *, record: PageRecord | None = None) -> Response:
        """A page if it has changed; redirects are followed inside the site, and from the start page anywhere."""
        self._wait_politely(url)
        return self.client.get(
            url,
            max_bytes=MAX_PAGE_BYTES,
            headers=record.conditions if record else {},
            secret_headers=self._secrets_for(url),
            accept=GONE | {304} if record and record.conditions else GONE,
            may_follow=self._may_follow_from(url),
            is_wanted=is_readable_answer,
        )

    def file(self, url: str, *, max_bytes: int = MAX_PAGE_BYTES) -> Response:
        """A document or a sitemap, whole and unconditionally."""
        self._wait_politely(url)
        return self.client.get(url, max_bytes=max_bytes, secret_headers=self._secrets_for(url))

    def adopt(self, url: str) -> bool:
        """Take what the start page led to as a start too, if it is the same site: with TLS, or with or without www."""
        if plain_host(url) != plain_host(self.config.start_url):
            return False
        self.starts.add(url)
        self.origins.add(origin_of(url))
        return True

    def _may_follow_from(self, url: str) -> Callable[[str], bool]:
        if self.is_start(url):
            return lambda _: True
        return lambda target: self.has(canonical_url(target))

    def _wait_politely(self, url: str) -> None:
        pause = max(self.config.delay_seconds, self.robots.delay_seconds(origin_of(url)))
        time.sleep(max(0.0, self._next_request_at - time.monotonic()))
        self._next_request_at = time.monotonic() + pause

    def _secrets_for(self, url: str) -> dict[str, str]:
        return self._secret_headers if origin_of(url) == self._secret_origin else {}

    def _robots_txt(self, url: str) -> str:
        answer = self.client.get(url, max_bytes=MAX_ROBOTS_BYTES, secret_headers=self._secrets_for(url))
        return answer.body.decode("utf-8", errors="replace")


def is_readable_answer(response: Response) -> bool:
    return is_readable(response.media_type, name=name_of(response.url))


def fits(path: str, patterns: Iterable[str]) -> bool:
    """A pattern without wildcards covers the path and everything below it."""
    return any(
        matches_any(path, [pattern]) if set(pattern) & set("*?[") else is_below(path, "/" + pattern.strip().lstrip("/"))
        for pattern in patterns
    )


def plain_host(url: str) -> str:
    return (urlsplit(url).hostname or "").removeprefix("www.")
