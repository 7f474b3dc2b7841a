"""The kinds of sign-in to somebody's API; a new one is a file here and a line below."""

from __future__ import annotations

from magnet.errors import NotConfigured
from tools_app.api_auth.api_key import KeyInHeader, KeyInQuery
from tools_app.api_auth.base import Auth, Signature, TokenRequest
from tools_app.api_auth.basic import BasicAuth
from tools_app.api_auth.bearer import BearerAuth
from tools_app.api_auth.conversation import ConversationVariable
from tools_app.api_auth.none import NoAuth
from tools_app.api_auth.oauth import ClientCredentials, Password

__all__ = ["AUTHS", "Auth", "Signature", "TokenRequest", "auth_kind"]

AUTHS: dict[str, type[Auth]] = {
    "none": NoAuth,
    "key_in_header": KeyInHeader,
    "key_in_query": KeyInQuery,
    "basic": BasicAuth,
    "bearer": BearerAuth,
    "oauth_client": ClientCredentials,
    "oauth_password": Password,
    "conversation": ConversationVariable,
}


def auth_kind(kind: str) -> type[Auth]:
    """Raises NotConfigured for a kind that is not there (any more)."""
    if kind not in AUTHS:
        raise NotConfigured(f"There is no sign-in of the kind “{kind}”. Use one of {', '.join(AUTHS)}.")
    return AUTHS[kind]
