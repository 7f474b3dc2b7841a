"""What can be moved: one class for each kind, which says what a row of it is in plain words and makes one of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar, Literal

from django.core.exceptions import ValidationError
from django.db import models

from magnet import configuration
from magnet.errors import InvalidInput

# In place of a secret: where it is taken from, or that a person enters it on the other side.
SET_BY_HAND = "set-by-hand"
Described = dict[str, Any]


@dataclass(frozen=True, order=True)
class Reference:
    """An object as files and callers name it: rag-tools/handbook."""

    kind: str
    slug: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.slug}"


@dataclass
class Order:
    """How one object is to be taken in; what is left to do by hand is noted in it."""

    publishes: bool
    find: Callable[[Reference], Any]
    notes: list[str] = field(default_factory=list)


class Kind(ABC):
    """A kind of object. Its name is that of the API, and so are its scopes."""

    name: ClassVar[str]
    model: ClassVar[type[models.Model]]
    # In the order in which they are written.
    columns: ClassVar[tuple[str, ...]]
    # Fields that name objects, and of which kind.
    references: ClassVar[dict[str, str]] = {}
    # Chosen once: nothing changes them afterwards.
    fixed: ClassVar[tuple[str, ...]] = ()
    # Set when everything else is there, because they may go round in a circle.
    later: ClassVar[tuple[str, ...]] = ()
    # Beside the columns, in no column of their own.
    further: ClassVar[tuple[str, ...]] = ()

    @property
    def label(self) -> str:
        return str(self.model._meta.verbose_name)

    def rows(self) -> models.QuerySet[Any]:
        return self.model._default_manager.all()

    def find(self, slug: str) -> Any:
        """The row of this slug, or None."""
        return self.rows().filter(slug=slug).first()

    def may(self, verb: str) -> str:
        """The scope that a caller needs for `verb`."""
        return f"{self.name}:{verb}"

    @abstractmethod
    def describe(self, row: Any) -> Described:
        """The row without its slug: plain values in the order of a file, no secrets."""

    @abstractmethod
    def take(self, row: Any, slug: str, given: Described, order: Order) -> Any:
        """Make or change a row so that it is as `given`; what is not given stays. Nothing is written when it is so."""

    def to_do(self, row: Any, given: Described) -> Iterator[str]:
        """Sentences about what a person still has to do, such as entering a secret."""
        return iter(())

    def blocks(self, given: Described) -> Iterator[Described]:
        """The parts of a description that may name other objects."""
        yield given

    def named_in(self, given: Described) -> Iterator[Reference]:
        for block in self.blocks(given):
            for name, kind in self.references.items():
                value = block.get(name)
                for slug in value if isinstance(value, list) else [value]:
                    if isinstance(slug, str) and slug:
                        yield Reference(kind, slug)

    def rests_on(self, given: Described) -> Iterator[str]:
        """Slugs of default templates that it uses though no field names them."""
        return iter(())

    def known_fields(self) -> tuple[str, ...]:
        return (*self.columns, *self.further)

    def refuse_unknown(self, given: Described, known: tuple[str, ...], *, within: str = "") -> None:
        unknown = [f"{within}{name}" for name in given if name not in known]
        if unknown:
            raise InvalidInput.in_fields(
                {name: [f"There is no such field. Known are: {', '.join(known)}."] for name in unknown}
            )

    def values(self, model: type[models.Model], given: Described, order: Order) -> dict[str, Any]:
        """Columns as Python has them, of what a file says; rows in place of slugs."""
        return {name: self._value(model, name, value, order) for name, value in given.items()}

    def _value(self, model: type[models.Model], name: str, value: Any, order: Order) -> Any:
        if (kind := self.references.get(name)) is None:
            return column_value(model._meta.get_field(name), value)
        if isinstance(value, list):
            return [order.find(Reference(kind, str(slug))) for slug in value]
        if value is not None and not isinstance(value, str):
            raise InvalidInput(f"{name} is the slug of another object.", errors={name: ["Write a slug."]})
        return order.find(Reference(kind, value)) if value else None


# -- Plain values --------------------------------------------------------------------------------------------------


def plain(value: Any) -> Any:
    """As a file has it: slugs for rows, prices as text, the keys of JSON in one order."""
    if isinstance(value, models.Model):
        return value.slug  # type: ignore[attr-defined]  # all that can be referred to have one
    if isinstance(value, Decimal):
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, dict):
        return {key: plain(value[key]) for key in sorted(value)}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    # A choice is a text of a class of its own.
    return str(value) if isinstance(value, str) else value


def plain_columns(row: models.Model, names: tuple[str, ...]) -> Described:
    return {name: plain(getattr(row, name)) for name in names}


def column_value(column: Any, value: Any) -> Any:
    """Raises InvalidInput for a value of another type than the column has."""
    if value is None:
        if column.null:
            return None
        raise misfit(column.name, "This cannot be empty.")
    if isinstance(column, models.JSONField):
        wanted: Any = list if column.default is list else dict
    elif isinstance(column, models.BooleanField):
        wanted = bool
    elif isinstance(column, models.DecimalField):
        wanted, value = str, str(value)
    elif isinstance(column, models.IntegerField):
        wanted = int
    elif isinstance(column, models.FloatField):
        wanted = (int, float)
    else:
        wanted = str
    if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
        raise misfit(column.name, f"This has to be {IN_WORDS[wanted]}.")
    try:
        return column.to_python(value)
    except ValidationError as error:
        raise misfit(column.name, str(error.messages[0])) from error


IN_WORDS: dict[Any, str] = {
    list: "a list",
    dict: "a mapping",
    bool: "true or false",
    str: "a text",
    int: "a whole number",
    (int, float): "a number",
}


def misfit(name: str, said: str) -> InvalidInput:
    return InvalidInput.in_fields({name: [said]})


def tags_of(row: Any) -> list[str]:
    return sorted(tag.name for tag in row.tags.all())


def tags_in(given: Described) -> list[str] | None:
    tags = given.get("tags")
    if tags is None:
        return None
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise misfit("tags", "This has to be a list of texts.")
    return sorted({tag.strip() for tag in tags if tag.strip()})


def prove(row: models.Model, *, exclude: tuple[str, ...] = ()) -> None:
    """Raises InvalidInput naming each field that does not fit."""
    try:
        row.full_clean(exclude=exclude)
    except ValidationError as error:
        raise InvalidInput.in_fields(configuration.messages_by_field(error)) from error


# -- The register --------------------------------------------------------------------------------------------------

Verb = Literal["read", "write", "publish"]
# In the order in which they are written and taken in: what others refer to comes first. Upper floors add theirs.
KINDS: dict[str, Kind] = {}


def register(*kinds: Kind) -> None:
    """Let these kinds be moved, after all that were registered before."""
    for kind in kinds:
        unknown = set(kind.references.values()) - set(KINDS) - {kind.name}
        assert not unknown, f"{kind.name} refers to {unknown}, which has to be registered first."
        KINDS[kind.name] = kind


def kind_of(name: str) -> Kind:
    """Raises InvalidInput naming the kinds that there are."""
    if name not in KINDS:
        raise InvalidInput(f"There is no kind “{name[:100]}”. Known are: {', '.join(KINDS)}.")
    return KINDS[name]


def kind_of_model(model: type[models.Model]) -> Kind | None:
    return next((kind for kind in KINDS.values() if kind.model is model), None)
