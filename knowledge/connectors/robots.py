"""What a website's robots.txt lets us read, and how slowly (RFC 9309)."""

from __future__ import annotations

from collections.abc import Callable

from protego import Protego

from magnet.errors import AddressRefused, FetchFailed, ListingFailed

ROBOT = "Magnet"
MAX_BYTES = 512 * 1024
# A site may ask for patience, but not for a listing that never ends.
LONGEST_DELAY_SECONDS = 5.0


class Robots:
    """The rules of each origin, fetched once. `download` returns the file, or "" where there is none."""

    def __init__(self, download: Callable[[str], str]) -> None:
        self._download = download
        self._rules: dict[str, Protego] = {}

    def allow(self, url: str, *, origin: str) -> bool:
        return self.rules_of(origin).can_fetch(url, ROBOT)

    def delay_seconds(self, origin: str) -> float:
        return min(float(self.rules_of(origin).crawl_delay(ROBOT) or 0), LONGEST_DELAY_SECONDS)

    def sitemaps(self, origin: str) -> list[str]:
        return list(self.rules_of(origin).sitemaps)

    def rules_of(self, origin: str) -> Protego:
        if origin not in self._rules:
            self._rules[origin] = Protego.parse(self._text_of(f"{origin}/robots.txt"))
        return self._rules[origin]

    def _text_of(self, url: str) -> str:
        try:
            return self._download(url)
        except FetchFailed as error:
            if 400 <= error.extra.get("remote_status", 0) < 500 and error.extra["remote_status"] != 429:
                return ""  # No rules, everything may be read (RFC 9309, 2.3.1.3).
            if error.extra.get("reason") == "redirects":
                return ""
            # Not knowing what is forbidden is not a permission (2.3.1.4).
            raise ListingFailed(
                f"Nobody can say what may be read there: {error.detail} Nothing was deleted."
            ) from error
        except AddressRefused as error:
            raise ListingFailed(error.detail) from error
