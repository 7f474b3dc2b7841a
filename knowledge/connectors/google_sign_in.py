"""Signs in to Google as a service account: a signed claim for a token, without any library of Google.

As https://developers.google.com/identity/protocols/oauth2/service-account describes it (HTTP/REST).
"""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from knowledge.connectors.rest import RestClient, Token, address_of_api
from magnet.errors import SourceError
from magnet.outbound.http import OutboundClient

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LASTS_SECONDS = 3600
TITLE = "Key of the service account"


@dataclass(frozen=True)
class ServiceAccount:
    email: str
    token_address: str
    scope: str
    private_key: str = field(repr=False)

    @classmethod
    def from_key(cls, key: SecretStr, *, scope: str) -> ServiceAccount:
        """The account of a JSON key file; SourceError where it is none."""
        text = key.get_secret_value().strip()
        if not text:
            raise SourceError(f"Enter “{TITLE}” under “Sign-in”: without it nothing can be read.")
        try:
            found = json.loads(text)
            address = address_of_api(found.get("token_uri", "https://oauth2.googleapis.com/token"))
            return cls(str(found["client_email"]), address, scope, str(found["private_key"]))
        except (ValueError, KeyError, AttributeError, TypeError):
            # Without the cause: it would quote the key.
            raise SourceError(f"“{TITLE}” is not the JSON file of a service account. Paste the whole file.") from None

    def token(self, client: OutboundClient) -> Token:
        api = RestClient(self.token_address, name="Google", client=client)
        answer = api.post_form("", {"grant_type": GRANT, "assertion": self._assertion()})
        return Token(str(answer["access_token"]), float(answer.get("expires_in", LASTS_SECONDS)))

    def _assertion(self) -> str:
        now = int(time.time())
        claim = {"iss": self.email, "scope": self.scope, "aud": self.token_address}
        head = encoded({"alg": "RS256", "typ": "JWT"})
        body = encoded({**claim, "iat": now, "exp": now + LASTS_SECONDS})
        return f"{head}.{body}.{self._signature(f'{head}.{body}')}"

    def _signature(self, text: str) -> str:
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import padding, rsa

        try:
            key = serialization.load_pem_private_key(self.private_key.encode(), password=None)
        except (ValueError, TypeError):
            raise SourceError(f"The private key in “{TITLE}” cannot be read. Paste the whole file.") from None
        if not isinstance(key, rsa.RSAPrivateKey):
            raise SourceError(f"The private key in “{TITLE}” is no RSA key, which Google asks for.")
        return in_base64(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))


def encoded(value: dict[str, Any]) -> str:
    return in_base64(json.dumps(value).encode())


def in_base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
