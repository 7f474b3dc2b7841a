"""A token that the person brings along: a variable of the conversation, so that the API sees that very person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from magnet.errors import InvalidInput
from tools_app.api_auth.base import Auth, HeaderName, Shape, Signature


class ConversationVariable(Auth):
    label: ClassVar[str] = "A variable of the conversation"
    description: ClassVar[str] = "Each caller brings a token of their own, so that the API sees who asks."

    class Config(Shape):
        variable: str = Field(min_length=1, max_length=100, title="Variable", description="For example crm_token.")
        header: HeaderName = Field("Authorization", title="Header")
        scheme: str = Field("Bearer", max_length=50, title="Before the value", description="Bearer, or nothing.")

    def sign(self, *, token: str, variables: Mapping[str, Any]) -> Signature:
        name = self.config.variable
        value = variables.get(name)
        if not isinstance(value, str) or not value:
            raise InvalidInput(f"This API is called with the variable “{name}” of the conversation. Send it along.")
        return Signature(headers={self.config.header: f"{self.config.scheme} {value}".strip()})
