"""What every vector store can do: keep a copy of a generation's vectors by chunk, and name the nearest ones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import ClassVar

# The id of a chunk, and its vector.
VectorRow = tuple[int, Sequence[float]]
# The id of a chunk, and its cosine to what was asked.
Hit = tuple[int, float]

TIMEOUT_SECONDS = 10
ROWS_AT_ONCE = 1_000


@dataclass(frozen=True)
class StoreAddress:
    """Where the store is: a URL, or (in tests) a path that one process has for itself; and the key to it."""

    url: str = ""
    api_key: str = ""


class VectorStore(ABC):
    """One server with a collection of vectors for each name. Whatever goes wrong raises VectorStoreUnavailable."""

    label: ClassVar[str]
    # Modules that must be importable, with the packages that bring them.
    needs: ClassVar[dict[str, str]] = {}
    # False where the vectors stand in PostgreSQL itself, so that nothing has to be copied.
    is_external: ClassVar[bool] = True
    # One question answers with no more hits than these.
    most_hits: ClassVar[int] = 10_000

    def __init__(self, address: StoreAddress) -> None:
        self.address = address

    @classmethod
    def missing(cls) -> list[str]:
        """The packages that this store needs and that are not installed."""
        return [package for module, package in cls.needs.items() if not _is_there(module)]

    @abstractmethod
    def create(self, name: str, *, dimensions: int) -> None:
        """Make an empty collection; one that is there stays as it is."""

    @abstractmethod
    def drop(self, name: str) -> None:
        """Remove a collection, if it is there."""

    @abstractmethod
    def names(self) -> set[str]:
        """The collections on the server, ours and those of others."""

    @abstractmethod
    def add(self, name: str, rows: Sequence[VectorRow]) -> None:
        """Keep these vectors; those of a chunk that is there are replaced."""

    @abstractmethod
    def remove(self, name: str, chunks: Sequence[int]) -> None:
        """Forget these chunks; one that is not there is no error."""

    @abstractmethod
    def nearest(self, name: str, vector: Sequence[float], *, limit: int) -> list[Hit]:
        """The chunks whose vectors have the greatest cosine, the best first."""

    @abstractmethod
    def count(self, name: str) -> int | None:
        """How many chunks a collection holds; None where there is no such collection."""

    @abstractmethod
    def chunks(self, name: str) -> Iterator[Sequence[int]]:
        """The ids of all chunks in a collection, in batches, in any order."""

    def close(self) -> None:  # noqa: B027 - most have something to give back, PostgreSQL has not
        """Give back connections; the store is not used afterwards."""


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        # A package above it is missing.
        return False
