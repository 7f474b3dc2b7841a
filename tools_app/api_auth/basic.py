"""A user name and a password with each request (RFC 7617)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from tools_app.api_auth.base import Auth, Shape, Signature, basic


class BasicAuth(Auth):
    label: ClassVar[str] = "User name and password"
    description: ClassVar[str] = "HTTP basic authentication."

    class Config(Shape):
        user: str = Field(min_length=1, max_length=500, title="User name", pattern="^[^:]*$")

    class Secrets(Shape):
        password: str = Field("", max_length=10_000, title="Password")

    def sign(self, *, token: str, variables: Mapping[str, Any]) -> Signature:
        return Signature(headers={"Authorization": basic(self.config.user, self.secrets.password)})
