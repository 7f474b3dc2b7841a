"""APIs that everybody may call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tools_app.api_auth.base import Auth, Signature


class NoAuth(Auth):
    label: ClassVar[str] = "None"
    description: ClassVar[str] = "Everybody may call it."

    def sign(self, *, token: str, variables: Mapping[str, Any]) -> Signature:
        return Signature()
