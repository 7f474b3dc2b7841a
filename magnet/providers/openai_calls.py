"""Calls over the `openai` client at half its price: what it makes of the first call of a path is the mould of the rest.

Between a body and its request the client goes through options, copies of them, headers and an address (half of the
CPU time of a call), and what comes out differs by nothing but the body. So it makes, and checks, the first request to
each path and model; those that follow are cast from that one and leave over the same HTTP client and its connections.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json, to_json

if TYPE_CHECKING:
    import httpx2
    from openai import APIStatusError, AsyncOpenAI

# What the client tells of the machine it runs on: half of all headers, each worked on four times, and no provider
# needs them to answer.
TELEMETRY = tuple(
    f"x-stainless-{name}"
    for name in (
        "lang",
        "package-version",
        "os",
        "arch",
        "runtime",
        "runtime-version",
        "async",
        "retry-count",
        "read-timeout",
    )
)


@dataclass(frozen=True)
class Mould:
    """A request without its body."""

    url: httpx2.URL
    headers: list[tuple[bytes, bytes]]
    extensions: dict[str, Any]

    @classmethod
    def of(cls, request: httpx2.Request) -> Mould:
        headers = [(name, value) for name, value in request.headers.raw if name.lower() != b"content-length"]
        return cls(request.url, headers, {"timeout": request.extensions["timeout"]})


class Calls:
    """The calls of one client; `http` is the HTTP client that it was given. All failures are OpenAIErrors."""

    def __init__(self, client: AsyncOpenAI, http: httpx2.AsyncClient) -> None:
        self.client, self.http = client, http
        self._moulds: dict[tuple[str, str], Mould] = {}

    async def get(self, path: str) -> httpx2.Response:
        import httpx2

        return await self.client.get(path, cast_to=httpx2.Response)

    async def post(self, path: str, body: Mapping[str, Any], *, is_streamed: bool = False) -> httpx2.Response:
        """The answer as it came; streamed, its body is still to be read, and it is to be closed."""
        kind = (path, str(body.get("model")))
        mould = self._moulds.get(kind)
        if mould is not None:
            return await self._cast(mould, body, is_streamed=is_streamed)
        response = await self._post_first(path, body, is_streamed=is_streamed)
        self._moulds[kind] = Mould.of(response.request)
        return response

    async def _post_first(self, path: str, body: Mapping[str, Any], *, is_streamed: bool) -> httpx2.Response:
        import httpx2
        from openai import Omit

        options: Any = {"headers": {name: Omit() for name in TELEMETRY}}
        if not is_streamed:
            return await self.client.post(path, body=body, cast_to=httpx2.Response, options=options)
        # The client has no type for an untouched streamed response.
        response: Any = await self.client.post(
            path, body=body, cast_to=httpx2.Response, options=options, stream=True, stream_cls=Any
        )
        return response  # type: ignore[no-any-return]  # see above

    async def _cast(self, mould: Mould, body: Mapping[str, Any], *, is_streamed: bool) -> httpx2.Response:
        import httpx2
        import openai

        request = httpx2.Request(
            "POST", mould.url, headers=mould.headers, content=to_json(body), extensions=mould.extensions
        )
        try:
            response = await self.http.send(request, stream=is_streamed)
            if not response.is_success:
                await response.aread()
        except httpx2.TimeoutException as error:
            raise openai.APITimeoutError(request=request) from error
        except (httpx2.RequestError, ssl.SSLError) as error:
            raise openai.APIConnectionError(request=request) from error
        if not response.is_success:
            raise refusal(response)
        return response


def refusal(response: httpx2.Response) -> APIStatusError:
    """As the client tells it: its `body` is what the provider put under `error`."""
    import openai

    try:
        said = from_json(response.content)
    except ValueError:
        said = response.text
    body = said.get("error", said) if isinstance(said, dict) else said
    return openai.APIStatusError(f"Error code: {response.status_code}", response=response, body=body)
