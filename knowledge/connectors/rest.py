"""The JSON-over-HTTP client of the connectors: sign-in, pages and plain refusals, over the outbound client."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from knowledge.connectors.rest_failures import EXPLAINED, explanation_of, fetching, listing, refusal, told_by
from knowledge.connectors.rest_sign_in import HeaderSignIn, SignIn, Token, TokenSignIn, basic, bearer, needed
from magnet.errors import FetchFailed
from magnet.outbound.http import OutboundClient, Response, origin_of, retry_after

__all__ = [
    "MAX_FILE_BYTES",
    "HeaderSignIn",
    "RestClient",
    "SignIn",
    "Token",
    "TokenSignIn",
    "address_of_api",
    "basic",
    "bearer",
    "fetching",
    "listing",
    "needed",
    "quoted",
]

MAX_JSON_BYTES = 64 * 1024 * 1024
MAX_FILE_BYTES = 100 * 1024 * 1024
FORM = "application/x-www-form-urlencoded"
SHOWN_PATH = 80

Params = Mapping[str, Any]


class RestClient:
    """One API at one address. Failures are FetchFailed in plain words; `listing()` makes ListingFailed of them.

    The sign-in goes to the origin of `base_url` only. `client` is shared between the clients of one connector, and
    closed by whoever made it.
    """

    def __init__(
        self,
        base_url: str,
        *,
        name: str,
        client: OutboundClient,
        sign_in: SignIn | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.name = name
        self._client = client
        self._sign_in = sign_in or HeaderSignIn({})
        self._headers = {"Accept": "application/json", **(headers or {})}

    # -- Asking ------------------------------------------------------------------------------------------------------

    def get(self, path: str, params: Params | None = None, *, accept: Collection[int] = ()) -> Any:
        """The JSON at a path of the API, or at an address that the API has named."""
        return self.decoded(self.response(path, params, accept=accept))

    def response(self, path: str, params: Params | None = None, *, accept: Collection[int] = ()) -> Response:
        """As `get`, with status and headers; refusals among `accept` are returned instead of raised."""
        url = with_params(self.address(path), params)
        return self._asked(url, lambda secrets: self._get(url, secrets, accept=accept), accept=accept)

    def post(self, path: str, body: Any) -> Any:
        """The answer to a question that is sent as JSON and changes nothing, so that it may be asked again."""
        return self._posted(path, json.dumps(body).encode(), media_type="application/json")

    def post_form(self, path: str, fields: Mapping[str, str]) -> Any:
        """As `post`, for what is asked as a form: a token."""
        return self._posted(path, urlencode(fields).encode(), media_type=FORM)

    def download(self, path: str, params: Params | None = None, *, max_bytes: int = MAX_FILE_BYTES) -> Response:
        """A file, from the API or from wherever it sends us (without the sign-in there)."""
        url = with_params(self.address(path), params)
        headers = {**self._headers, "Accept": "*/*"}
        return self._asked(
            url,
            lambda secrets: self._client.get(
                url, max_bytes=max_bytes, headers=headers, secret_headers=secrets, explained=EXPLAINED
            ),
        )

    # -- Pages -------------------------------------------------------------------------------------------------------

    def linked_pages(self, path: str, params: Params | None = None, *, next_of: Callable[[Any], str]) -> Iterator[Any]:
        """Page after page, each of which names the address of the next one."""
        page = self.get(path, params)
        seen: set[str] = set()
        yield page
        while following := next_of(page):
            address = self.address(following)
            self._refuse_a_circle(address, seen)
            self._refuse_another_host(address)
            page = self.get(address)
            yield page

    def cursor_pages(
        self, path: str, params: Params | None = None, *, parameter: str, cursor_of: Callable[[Any], Any]
    ) -> Iterator[Any]:
        """Page after page, each of which names the cursor of the next one."""
        page = self.get(path, params)
        seen: set[str] = set()
        yield page
        while cursor := cursor_of(page):
            self._refuse_a_circle(str(cursor), seen)
            page = self.get(path, {**(params or {}), parameter: cursor})
            yield page

    def posted_pages(
        self, path: str, body: Mapping[str, Any], *, parameter: str, cursor_of: Callable[[Any], Any]
    ) -> Iterator[Any]:
        """As `cursor_pages`, for a search that is posted."""
        page = self.post(path, body)
        seen: set[str] = set()
        yield page
        while cursor := cursor_of(page):
            self._refuse_a_circle(str(cursor), seen)
            page = self.post(path, {**body, parameter: cursor})
            yield page

    def offset_pages(
        self,
        path: str,
        params: Params | None = None,
        *,
        items_of: Callable[[Any], list[Any]],
        start: str = "start",
        limit: str = "limit",
        size: int = 100,
        first: int = 0,
        step: int | None = None,
        is_last: Callable[[Any], bool] | None = None,
    ) -> Iterator[Any]:
        """Page after page by a number: of the first item, or of the page with `first=1, step=1`. An empty page ends
        it, or the one that `is_last` knows; a short page alone does not, because some servers lower the limit."""
        position = first
        while True:
            page = self.get(path, {**(params or {}), start: position, limit: size})
            items = items_of(page)
            if items:
                yield page
            if not items or (is_last is not None and is_last(page)):
                return
            position += len(items) if step is None else step

    # -- Inside ------------------------------------------------------------------------------------------------------

    def address(self, path: str) -> str:
        """The address of a path; what is a whole address already stays as it is."""
        if "://" in path.partition("?")[0]:
            return path
        if not path or path.startswith("?"):
            return self.base_url + path
        return f"{self.base_url}/{path.lstrip('/')}"

    def decoded(self, response: Response) -> Any:
        try:
            return json.loads(response.body)
        except (ValueError, RecursionError) as error:
            kind = response.media_type or "nothing"
            raise FetchFailed(
                f"{self.name} sent {kind} from {shown(response.url)} where JSON was expected. Check the address: it "
                "may be that of a sign-in page.",
                reason="not_json",
            ) from error

    def _get(self, url: str, secrets: Mapping[str, str], *, accept: Collection[int]) -> Response:
        return self._client.get(
            url,
            max_bytes=MAX_JSON_BYTES,
            headers=self._headers,
            secret_headers=secrets,
            accept=accept,
            explained=EXPLAINED,
        )

    def _posted(self, path: str, content: bytes, *, media_type: str) -> Any:
        url = self.address(path)
        headers = {**self._headers, "Content-Type": media_type}

        def ask(secrets: Mapping[str, str]) -> Response:
            return self._client.send(
                "POST",
                url,
                content=content,
                max_bytes=MAX_JSON_BYTES,
                headers=headers,
                secret_headers=secrets,
                explained=EXPLAINED,
                is_repeatable=True,
            )

        return self.decoded(self._asked(url, ask))

    def _asked(
        self, url: str, ask: Callable[[Mapping[str, str]], Response], *, accept: Collection[int] = ()
    ) -> Response:
        """Ask; once more with a renewed token, where the sign-in can renew it."""
        response = self._told(url, ask)
        if response.status == 401 and self._sign_in.renew():
            response = self._told(url, ask)
        if response.status in EXPLAINED and response.status not in accept:
            raise refusal(
                self.name,
                shown(url),
                status=response.status,
                explanation=explanation_of(response),
                retry_after_seconds=retry_after(response),
            )
        return response

    def _told(self, url: str, ask: Callable[[Mapping[str, str]], Response]) -> Response:
        secrets = self._sign_in.headers() if origin_of(url) == origin_of(self.base_url) else {}
        try:
            return ask(secrets)
        except FetchFailed as error:
            raise told_by(self.name, shown(url), error) from error

    def _refuse_a_circle(self, mark: str, seen: set[str]) -> None:
        if mark in seen:
            raise FetchFailed(
                f"{self.name} named the same next page twice, so its listing would never end.", reason="pages"
            )
        seen.add(mark)

    def _refuse_another_host(self, address: str) -> None:
        if origin_of(address) != origin_of(self.base_url):
            raise FetchFailed(
                f"{self.name} named a next page at {origin_of(address)}, another host than {origin_of(self.base_url)}. "
                "Enter the address that the source itself uses.",
                reason="pages",
            )


def with_params(url: str, params: Params | None) -> str:
    """The address with its parameters; those that are None or empty are left out, lists are repeated."""
    given = {name: value for name, value in (params or {}).items() if value is not None and value != ""}
    if not given:
        return url
    written = {name: str(value).lower() if isinstance(value, bool) else value for name, value in given.items()}
    return f"{url}{'&' if '?' in url else '?'}{urlencode(written, doseq=True, quote_via=quote)}"


def shown(url: str) -> str:
    """The path alone, for messages: queries are long, and some carry what nobody should read."""
    path = urlsplit(url).path
    return path if len(path) <= SHOWN_PATH else f"{path[:SHOWN_PATH]}…"


def quoted(value: str) -> str:
    """A value as one step of a path."""
    return quote(value, safe="")


def address_of_api(value: str) -> str:
    """For the validators of Configs: an address without its slash at the end, or ValueError with advice."""
    url = value.strip().rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or parts.query:
        raise ValueError("Enter the whole address, such as https://wiki.example.com, without a user name.")
    return url
