"""A token that was made elsewhere and goes with each request (RFC 6750)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from tools_app.api_auth.base import Auth, Shape, Signature


class BearerAuth(Auth):
    label: ClassVar[str] = "Bearer token"
    description: ClassVar[str] = "A token that you made in the other system."

    class Secrets(Shape):
        token: str = Field(min_length=1, max_length=10_000, title="Token")

    def sign(self, *, token: str, variables: Mapping[str, Any]) -> Signature:
        return Signature(headers={"Authorization": f"Bearer {self.secrets.token}"})
