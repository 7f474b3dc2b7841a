"""Whether the web of this machine answers; `python -m magnet.processes.is_live` is a container's health check."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request

from magnet import settings

TIMEOUT_SECONDS = 4


def is_live() -> bool:
    request = urllib.request.Request(f"http://{address()}/health/live", headers={"Host": allowed_host()})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310 - our own address
            return bool(response.status == 200)
    except OSError:
        return False


def address() -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.HOST, settings.HOST)  # noqa: S104 - read, not bound
    return f"[{host}]:{settings.PORT}" if ":" in host else f"{host}:{settings.PORT}"


def allowed_host() -> str:
    """A name that this installation answers to; in production it refuses others."""
    names = [name.removeprefix(".") for name in settings.ALLOWED_HOSTS if name != "*"]
    return names[0] if names else "localhost"


if __name__ == "__main__":
    sys.exit(0 if is_live() else 1)
