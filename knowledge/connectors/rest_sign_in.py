"""How a connector signs in to a JSON API: with a fixed header, or with a token that it asks for and renews."""

from __future__ import annotations

import base64
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic import SecretStr

from magnet.errors import SourceError

# A token is renewed this long before it ends, so that none ends on its way.
RENEW_BEFORE_SECONDS = 120.0


class SignIn(ABC):
    @abstractmethod
    def headers(self) -> Mapping[str, str]:
        """What proves who asks; sent to the API's own origin only."""

    def renew(self) -> bool:
        """After a refusal: whether another try may succeed."""
        return False


class HeaderSignIn(SignIn):
    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = dict(headers)

    def headers(self) -> Mapping[str, str]:
        return self._headers


def bearer(token: str) -> SignIn:
    return HeaderSignIn({"Authorization": f"Bearer {token}"})


def basic(user: str, password: str) -> SignIn:
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    return HeaderSignIn({"Authorization": f"Basic {pair}"})


@dataclass(frozen=True)
class Token:
    value: str
    lasts_seconds: float

    def __repr__(self) -> str:
        return f"Token(lasts_seconds={self.lasts_seconds})"


class TokenSignIn(SignIn):
    """Asks for a token when one is needed, keeps it while it lasts, and asks once more when it is refused early."""

    def __init__(self, ask: Callable[[], Token]) -> None:
        self._ask = ask
        self._token: Token | None = None
        self._asked_at = 0.0
        self._uses = 0

    def headers(self) -> Mapping[str, str]:
        if self._token is None or self._age() > self._token.lasts_seconds - RENEW_BEFORE_SECONDS:
            self._token, self._asked_at, self._uses = self._ask(), time.monotonic(), 0
        self._uses += 1
        return {"Authorization": f"Bearer {self._token.value}"}

    def renew(self) -> bool:
        # A token that was refused at its first use will be refused again.
        has_worked = self._uses > 1
        self._token = None
        return has_worked

    def _age(self) -> float:
        return time.monotonic() - self._asked_at


def needed(secret: SecretStr, *, title: str) -> str:
    """The secret in clear; SourceError where nobody has entered it, or where it cannot stand in a header."""
    value = secret.get_secret_value().strip()
    if not value:
        raise SourceError(f"Enter “{title}” under “Sign-in”: without it nothing can be read.")
    if not value.isascii() or not value.isprintable():
        raise SourceError(f"“{title}” holds a line break or a letter that no token has. Copy it once more.")
    return value
