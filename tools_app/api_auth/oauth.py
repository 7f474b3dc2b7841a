"""OAuth 2.0: a token is asked for, kept until it ends, and sent as a bearer token (RFC 6749, 4.3 and 4.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from tools_app.api_auth.base import Address, Auth, Shape, Signature, TokenRequest, basic


class OAuthConfig(Shape):
    token_url: Address = Field(title="Address of the token")
    client_id: str = Field("", max_length=500, title="Client id")
    scope: str = Field("", max_length=1_000, title="Scope", description="By blanks. Empty: what the server gives.")
    client_sign_in: Literal["header", "form"] = Field(
        "header",
        title="How the client signs in",
        json_schema_extra={"labels": {"header": "In the header (usual)", "form": "In the form"}},
    )


class OAuth(Auth):
    """What both grants share."""

    grant: ClassVar[str]

    def token_request(self) -> TokenRequest:
        config, secret = self.config, self.secrets.client_secret
        form = {"grant_type": self.grant, **self.asked()}
        if config.scope:
            form["scope"] = config.scope
        if config.client_sign_in == "header" and secret:
            return TokenRequest(config.token_url, form, {"Authorization": basic(config.client_id, secret)})
        own = {"client_id": config.client_id, "client_secret": secret}
        return TokenRequest(config.token_url, form | {name: value for name, value in own.items() if value})

    def asked(self) -> dict[str, str]:
        return {}

    def sign(self, *, token: str, variables: Mapping[str, Any]) -> Signature:
        return Signature(headers={"Authorization": f"Bearer {token}"})


class ClientCredentials(OAuth):
    label: ClassVar[str] = "OAuth 2.0, as a client"
    description: ClassVar[str] = "Client credentials: Magnet signs in as itself and asks for a token."
    grant: ClassVar[str] = "client_credentials"

    class Config(OAuthConfig):
        client_id: str = Field(min_length=1, max_length=500, title="Client id")

    class Secrets(Shape):
        client_secret: str = Field(min_length=1, max_length=10_000, title="Client secret")


class Password(OAuth):
    label: ClassVar[str] = "OAuth 2.0, with a user's password"
    description: ClassVar[str] = "For APIs that know no other way: Magnet signs in as this user and asks for a token."
    grant: ClassVar[str] = "password"

    class Config(OAuthConfig):
        username: str = Field(min_length=1, max_length=500, title="User name")

    class Secrets(Shape):
        password: str = Field(min_length=1, max_length=10_000, title="Password")
        client_secret: str = Field(
            "", max_length=10_000, title="Client secret", description="Where the client has one."
        )

    def asked(self) -> dict[str, str]:
        return {"username": self.config.username, "password": self.secrets.password}
