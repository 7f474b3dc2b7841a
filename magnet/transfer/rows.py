"""Kinds without versions: a change is live at once, and secrets stay where they are."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from magnet import configuration
from magnet.transfer.kinds import (
    SET_BY_HAND,
    Described,
    Kind,
    Order,
    misfit,
    plain,
    plain_columns,
    prove,
    tags_in,
    tags_of,
)


class RowKind(Kind):
    """A subclass names columns; `secret_of`, `settle` and `prepare` are for what is more than a column."""

    further: ClassVar[tuple[str, ...]] = ("tags",)
    is_tagged = True

    def describe(self, row: Any) -> Described:
        described = plain_columns(row, self.columns)
        if secret := self.secret_of(row):
            described["secret"] = secret
        if self.is_tagged:
            described["tags"] = tags_of(row)
        return {**described, **self.described_further(row)}

    def described_further(self, row: Any) -> Described:
        """What stands in the file beside the columns."""
        return {}

    def take(self, row: Any, slug: str, given: Described, order: Order) -> Any:
        self.refuse_unknown(given, (*self.known_fields(), "secret"))
        secret, tags = secret_in(given), tags_in(given)
        values = self.values(self.model, {name: given[name] for name in self.columns if name in given}, order)
        is_new = row is None
        row = row or self.model(slug=slug)
        if not is_new:
            self.refuse_moved(row, values)
        values |= self.settle(row, values, given, secret)
        wanted = copy.copy(row)
        for name, value in values.items():
            setattr(wanted, name, value)
        self.prove_settings(wanted)
        if is_new:
            return configuration.create(wanted, tags=tags or (), prepare=self.prepare(values))
        prove(wanted)
        if self.is_same(row, wanted, values, tags=tags):
            return row
        return configuration.change(row, values, tags=tags, prepare=self.prepare(values))

    def is_same(self, row: Any, wanted: Any, values: dict[str, Any], *, tags: list[str] | None) -> bool:
        same_tags = tags is None or not self.is_tagged or tags == tags_of(row)
        columns = [column.attname for column in row._meta.concrete_fields if column.editable or column.name in values]
        return same_tags and all(plain(getattr(row, name)) == plain(getattr(wanted, name)) for name in columns)

    def refuse_moved(self, row: Any, values: dict[str, Any]) -> None:
        for name in self.fixed:
            if name in values and plain(values[name]) != plain(getattr(row, name)):
                said = f"It is “{plain(getattr(row, name))}” here, and is chosen only once. Give it another slug."
                raise misfit(name, said)

    # -- For subclasses --------------------------------------------------------------------------------------------

    def secret_of(self, row: Any) -> Any:
        """What stands in the place of the row's secret; empty when it has none."""
        return SET_BY_HAND if getattr(row, "encrypted_secrets", "") else None

    def settle(self, row: Any, values: dict[str, Any], given: Described, secret: Any) -> dict[str, Any]:
        """Columns that follow from the others: a secret is forgotten when it would go to another place."""
        if isinstance(secret, dict):
            raise misfit("secret", f"Only the key of a provider is read from the environment. Write {SET_BY_HAND}.")
        return {}

    def prove_settings(self, wanted: Any) -> None:
        """Raises InvalidInput for JSON that its kind cannot use."""

    def prepare(self, values: dict[str, Any]) -> Callable[[Any], None] | None:
        """What is done to the row before it is stored."""
        return None

    def to_do(self, row: Any, given: Described) -> Iterator[str]:
        if given.get("secret") == SET_BY_HAND and not self.secret_of(row):
            yield f"Enter the secret of the {self.label} “{row}” ({self.name}/{row.slug})."


def secret_in(given: Described) -> Any:
    """None, “set-by-hand”, or {"from_env": NAME}. Raises InvalidInput for a secret that somebody wrote out."""
    secret = given.get("secret")
    is_variable = isinstance(secret, dict) and list(secret) == ["from_env"] and isinstance(secret["from_env"], str)
    if secret in (None, SET_BY_HAND) or is_variable:
        return secret
    raise misfit("secret", f"Secrets do not stand in files. Write {SET_BY_HAND}, or {{from_env: NAME}}.")


def changed_or_same(row: Any, values: dict[str, Any], name: str) -> Any:
    return values.get(name, getattr(row, name))
