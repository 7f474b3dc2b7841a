"""Which metadata of a source can be filtered, under which name, and as which type; what does not fit is left out.

A mapping is a list of {"name": "country", "from": "Country code", "type": "text"}. An empty one lets everything
through as the source gives it. `from` may lead into an object: "author.name".
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter

from magnet.cleaning import storable

FieldType = Literal["text", "number", "boolean", "date", "list"]
TYPES: tuple[FieldType, ...] = ("text", "number", "boolean", "date", "list")
MAX_FIELDS = 100
MAX_NAME_CHARACTERS = 200

YES, NO = ("true", "yes", "1"), ("false", "no", "0")
# What lists are written with where the source knows only texts.
BETWEEN_ITEMS = re.compile(r"[,;\n]")
DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
OF_AN_EMAIL = re.compile(r"(\w{3}, )?\d{1,2} \w{3} \d{4} ", re.ASCII)
DAY_FIRST = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})", re.ASCII)
NUMBER = re.compile(r"[+-]?\d{1,30}(\.\d{1,30})?([eE][+-]?\d{1,3})?", re.ASCII)
EXAMPLE_CHARACTERS = 60


def _storable(name: str) -> str:
    if storable(name) != name:
        raise ValueError("A name cannot hold NUL or broken characters.")
    return name


Named = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=MAX_NAME_CHARACTERS), AfterValidator(_storable)
]


class MetadataField(BaseModel):
    """One field that filters may name."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, frozen=True)

    name: Annotated[Named, StringConstraints(min_length=1)]
    # What the source calls it; the same name where it is not said.
    given_as: Named = Field(default="", alias="from")
    type: FieldType

    @property
    def key(self) -> str:
        """Its name at the source."""
        return self.given_as or self.name

    def as_json(self) -> dict[str, str]:
        return {"name": self.name, "from": self.key, "type": self.type}


Mapped = tuple[MetadataField, ...]
SHAPE: TypeAdapter[list[MetadataField]] = TypeAdapter(Annotated[list[MetadataField], Field(max_length=MAX_FIELDS)])


@dataclass(frozen=True)
class Unfit:
    """A value that is not of the type of its field, in words."""

    field: str
    value: str
    type: FieldType

    def __str__(self) -> str:
        return f"{self.field}: {self.value} is no {self.type}"


@dataclass(frozen=True)
class Typed:
    """What filters see of a document, and what they do not see because it does not fit."""

    fields: dict[str, Any]
    unfit: tuple[Unfit, ...] = ()


def mapping_of(given: Any) -> Mapped:
    """The fields of a stored or sent mapping. Raises pydantic's ValidationError, ValueError for a name used twice."""
    fields = tuple(SHAPE.validate_python(given))
    names = [field.name for field in fields]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"The field “{name}” is named twice. Give each field a name of its own.")
    return fields


def place(location: Sequence[int | str]) -> str:
    """Where in a mapping a fault is: (1, "type") is the type of the second field."""
    if not location or not isinstance(location[0], int):
        return "Fields"
    return " ".join([f"Field {location[0] + 1}", *(f"({part})" for part in location[1:])])


def typed(metadata: Mapping[str, Any], mapping: Mapped) -> Typed:
    """The values of a document's metadata under a mapping; without one, all as the source gives it."""
    if not mapping:
        return Typed(dict(metadata))
    fields: dict[str, Any] = {}
    unfit: list[Unfit] = []
    for field in mapping:
        given = _given(metadata, field.key)
        if given is None or given == "":
            continue
        value = READ_AS[field.type](given)
        if value is None:
            unfit.append(Unfit(field.name, example(given), field.type))
        else:
            fields[field.name] = value
    return Typed(fields, tuple(unfit))


def example(value: Any) -> str:
    """A value as people write it, and no longer than a line."""
    text = str(value) if not isinstance(value, bool) else str(value).lower()
    return text if len(text) <= EXAMPLE_CHARACTERS else f"{text[: EXAMPLE_CHARACTERS - 1]}…"


def _given(metadata: Mapping[str, Any], name: str) -> Any:
    """The value under this key, or where its dots lead into objects."""
    if name in metadata:
        return metadata[name]
    value: Any = metadata
    for key in name.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


# -- Values of each type: None where they do not fit -----------------------------------------------------------------


def as_text(value: Any) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else None


def as_number(value: Any) -> int | float | None:
    if isinstance(value, str) and NUMBER.fullmatch(value.strip()):
        text = value.strip()
        value = float(text) if {".", "e", "E"} & set(text) else int(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if isinstance(value, int) or math.isfinite(value) else None


def as_boolean(value: Any) -> bool | None:
    word = str(value).strip().lower() if isinstance(value, str | int) else ""
    return True if word in YES else False if word in NO else None


def as_date(value: Any) -> str | None:
    """RFC 3339: a day as 2024-05-31, a moment in UTC and whole seconds. What names no time zone is taken for UTC."""
    if not isinstance(value, str):
        return None
    text = value.strip()
    moment = _moment(text)
    if moment is None:
        return None
    if DATE.fullmatch(text) or DAY_FIRST.fullmatch(text):
        return moment.date().isoformat()
    return written(moment)


def as_list(value: Any) -> list[Any] | None:
    if isinstance(value, str):
        value = [item.strip() for item in BETWEEN_ITEMS.split(value)]
        return [item for item in value if item]
    items = value if isinstance(value, list) else [value]
    return items if all(isinstance(item, str | int | float | bool) for item in items) else None


READ_AS: dict[FieldType, Callable[[Any], Any]] = {
    "text": as_text,
    "number": as_number,
    "boolean": as_boolean,
    "date": as_date,
    "list": as_list,
}


def written(moment: datetime) -> str:
    return f"{moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat()}Z"


def _moment(text: str) -> datetime | None:
    """A date of ISO 8601, of an e-mail (Fri, 31 May 2024 10:00:00 +0200), or with the day first (31.5.2024)."""
    try:
        if found := DAY_FIRST.fullmatch(text):
            day, month, year = map(int, found.groups())
            return datetime(year, month, day, tzinfo=UTC)
        if OF_AN_EMAIL.match(text):
            return _zoned(parsedate_to_datetime(text))
        if DATE.fullmatch(text):
            return datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
        return _zoned(datetime.fromisoformat(text))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _zoned(moment: datetime) -> datetime:
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return zoned.astimezone(UTC)


# -- Periods that filters name ---------------------------------------------------------------------------------------

YEAR, MONTH = re.compile(r"\d{4}", re.ASCII), re.compile(r"(\d{4})-(\d{2})", re.ASCII)
END_OF_TIME = "99999"


def period(text: str) -> tuple[str, str] | None:
    """Where a year, a month, a day or a moment begins and where it has ended, so written that dates compare as texts.

    2024-05 → 2024-05-01 and 2024-06-01. None for what is no date.
    """
    text = text.strip()
    try:
        if YEAR.fullmatch(text):
            return _bound(datetime(int(text), 1, 1)), _year_on(int(text))
        if found := MONTH.fullmatch(text):
            year, month = map(int, found.groups())
            after = _year_on(year) if month == 12 else _bound(datetime(year, month + 1, 1))
            return _bound(datetime(year, month, 1)), after
    except ValueError:
        return None
    moment = _moment(text)
    if moment is None:
        return None
    is_day = DATE.fullmatch(text) or DAY_FIRST.fullmatch(text)
    begins = moment.replace(microsecond=0, tzinfo=None)
    try:
        return _bound(begins), _bound(begins + (timedelta(days=1) if is_day else timedelta(seconds=1)))
    except OverflowError:
        return _bound(begins), END_OF_TIME


def _year_on(year: int) -> str:
    return _bound(datetime(year + 1, 1, 1)) if year < datetime.max.year else END_OF_TIME


def _bound(moment: datetime) -> str:
    """The beginning of all that is written of this moment, or later: 2024-05-31 also of 2024-05-31T00:00:00Z."""
    is_midnight = (moment.hour, moment.minute, moment.second) == (0, 0, 0)
    return moment.date().isoformat() if is_midnight else moment.isoformat()
