"""The file: YAML that people read, in one order, so that a difference in git is a difference in fact."""

from __future__ import annotations

import json
import math
from functools import cache
from typing import Any

from magnet import safe_yaml
from magnet.errors import InvalidInput, TooLarge
from magnet.transfer.kinds import Described, Reference

FORMAT = 1
HEADER = "magnet"
MAX_BYTES = 10 * 1024 * 1024
MOST_PARTS = 500_000
MOST_OBJECTS = 10_000

Objects = dict[Reference, Described]


def write(objects: Objects) -> str:
    """A document of these objects, kinds in the order in which they are given, slugs in that of the alphabet."""
    kinds: dict[str, Any] = {}
    for reference, described in objects.items():
        kinds.setdefault(reference.kind, {})[reference.slug] = described
    for kind, rows in kinds.items():
        kinds[kind] = dict(sorted(rows.items()))
    return _dumped({HEADER: FORMAT, **kinds})


def read(content: str | bytes | dict[str, Any]) -> Objects:
    """What a document holds. Raises TooLarge, and InvalidInput for what is no document of this format."""
    document = content if isinstance(content, dict) else _parsed(content)
    if not isinstance(document, dict) or HEADER not in document:
        raise InvalidInput(f"This is no exported configuration: it does not begin with `{HEADER}: {FORMAT}`.")
    if document[HEADER] != FORMAT or isinstance(document[HEADER], bool):
        raise InvalidInput(f"The file has the format {str(document[HEADER])[:20]}. This Magnet reads {FORMAT}.")
    objects: Objects = {}
    for kind, rows in document.items():
        if kind != HEADER:
            objects |= _objects_of(kind, rows)
    if len(objects) > MOST_OBJECTS:
        raise TooLarge(f"The file holds more than {MOST_OBJECTS:,} objects. Import it in parts.")
    return objects


def _objects_of(kind: str, rows: Any) -> Objects:
    if not isinstance(rows, dict):
        raise InvalidInput(f"Under {kind}, each object stands by its slug.")
    for slug, described in rows.items():
        if not isinstance(described, dict):
            raise InvalidInput(f"{kind}/{str(slug)[:100]} is not a mapping of fields.")
        _refuse_unstorable(described, where=f"{kind}/{str(slug)[:100]}")
    return {Reference(kind, str(slug)): described for slug, described in rows.items()}


def _parsed(content: str | bytes) -> Any:
    raw = content.encode("utf-8", "replace") if isinstance(content, str) else content
    if len(raw) > MAX_BYTES:
        raise TooLarge(f"The file is larger than {MAX_BYTES // 1024 // 1024} MB. Import it in parts.")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput("The file is not UTF-8 text, so it is no exported configuration.") from error
    try:
        if text.lstrip()[:1] == "{":
            return json.loads(text, object_pairs_hook=_without_doubles)
        return safe_yaml.read(text, most_parts=MOST_PARTS)
    except (ValueError, RecursionError) as error:
        raise InvalidInput("The file is not valid JSON, or is nested too deeply.") from error


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        double = next(key for key in made if [name for name, _ in pairs].count(key) > 1)
        raise InvalidInput(f"The document says “{double[:80]}” twice in one place. Keep one of both.")
    return made


def _refuse_unstorable(value: Any, *, where: str) -> None:
    """Raises InvalidInput for what no column can hold."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            waiting += [*part.keys(), *part.values()]
        elif isinstance(part, list):
            waiting += part
        elif isinstance(part, str) and not _is_storable(part):
            raise InvalidInput(f"{where} holds a text with NUL characters or halves of surrogate pairs.")
        elif isinstance(part, float) and not math.isfinite(part):
            raise InvalidInput(f"{where} holds a number that is not finite.")


def _is_storable(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


# -- Writing -------------------------------------------------------------------------------------------------------


def _dumped(document: dict[str, Any]) -> str:
    import yaml  # Only here, and only when a document is written.

    return str(yaml.dump(document, Dumper=_dumper(), sort_keys=False, allow_unicode=True, width=2**31 - 1, indent=2))


@cache
def _dumper() -> Any:
    import yaml

    class Dumper(yaml.SafeDumper):
        """Without aliases, which nobody reads, and with long texts as they are written."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    Dumper.add_representer(str, _text)
    return Dumper


def _text(dumper: Any, text: str) -> Any:
    tag = "tag:yaml.org,2002:str"
    if "\n" in text:
        return dumper.represent_scalar(tag, text, style="|")
    is_read_as_text = isinstance(safe_yaml.scalar(text, tag=None, is_plain=True), str)
    return dumper.represent_scalar(tag, text, style=None if is_read_as_text else "'")
