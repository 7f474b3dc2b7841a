"""A key that goes with each request, in a header or in the address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from tools_app.api_auth.base import Auth, HeaderName, Shape, Signature


class KeyInHeader(Auth):
    label: ClassVar[str] = "API key in a header"

    class Config(Shape):
        header: HeaderName = Field("X-API-Key", title="Header")

    class Secrets(Shape):
        key: str = Field(min_length=1, max_length=10_000, title="Key")

    def sign(self, *, token: str, variables: Mapping[str, Any]) -> Signature:
        return Signature(headers={self.config.header: self.secrets.key})


class KeyInQuery(Auth):
    label: ClassVar[str] = "API key in the address"
    description: ClassVar[str] = "Addresses end up in the logs of servers: choose a header where the API takes one."

    class Config(Shape):
        parameter: str = Field("api_key", min_length=1, max_length=100, title="Parameter")

    class Secrets(Shape):
        key: str = Field(min_length=1, max_length=10_000, title="Key")

    def sign(self, *, token: str, variables: Mapping[str, Any]) -> Signature:
        return Signature(query={self.config.parameter: self.secrets.key})
