"""Plug-ins: packages and modules of others that add kinds (connectors, readers, …) and can never take the product down.

A plug-in is a subclass of `Plugin`, named by an entry point of the group `magnet.plugins` or, as "module" or
"module:Class", in MAGNET_PLUGINS. It is taken whole or refused whole; the reason stands in the admin.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from importlib import import_module
from importlib.metadata import PackageNotFoundError, entry_points, version
from typing import Any, ClassVar

import structlog
from django.conf import settings
from django.utils.module_loading import import_string
from packaging.requirements import InvalidRequirement, Requirement
from pydantic import BaseModel, ConfigDict, ValidationError

from magnet.shape_faults import sentence

log = structlog.get_logger(__name__)

ENTRY_POINTS = "magnet.plugins"
KIND = re.compile(r"[a-z][a-z0-9_]{1,49}")

# Kinds by their name, of one extension point.
Kinds = Mapping[str, type]


class NoSettings(BaseModel):
    """For a plug-in with nothing to set."""

    model_config = ConfigDict(extra="forbid")


class Plugin:
    """What a plug-in says of itself. Only `name` and `version` are required."""

    # Unique, such as "acme_wiki"; also its key in MAGNET_PLUGIN_SETTINGS.
    name: ClassVar[str]
    version: ClassVar[str]
    label: ClassVar[str] = ""
    description: ClassVar[str] = ""
    # Packages that must be installed, as requirements (PEP 508): "magnet>=0.1,<1", "boto3>=1.34".
    needs: ClassVar[tuple[str, ...]] = ()
    Settings: ClassVar[type[BaseModel]] = NoSettings

    def __init__(self, given: Any) -> None:
        self.settings = given

    def kinds(self) -> Mapping[str, Kinds]:
        """What it adds, by extension point: {"connectors": {"acme_wiki": AcmeWikiConnector}}."""
        return {}

    def check(self) -> str:
        """What is missing before it can work, as a sentence; "" when nothing is."""
        return ""

    def ready(self) -> None:
        """Called once in each process that serves or works, before its first request or task."""

    def shutdown(self) -> None:
        """Called once when such a process ends in good order."""


class Status(Enum):
    LOADED = "loaded"
    REFUSED = "refused"


@dataclass
class Installed:
    """A plug-in as this process found it. `origin` says who named it."""

    name: str
    origin: str
    status: Status = Status.REFUSED
    reason: str = ""
    version: str = ""
    label: str = ""
    description: str = ""
    kinds: tuple[tuple[str, str], ...] = ()
    plugin: Plugin | None = None
    is_ready: bool = False

    def refuse(self, reason: str) -> None:
        self.status, self.reason = Status.REFUSED, reason


class Refused(Exception):
    """Why a plug-in is not used, as a sentence for the operator."""


_installed: list[Installed] = []


def installed() -> tuple[Installed, ...]:
    return tuple(_installed)


# -- Loading -----------------------------------------------------------------------------------------------------


def load() -> tuple[Installed, ...]:
    """Find every plug-in and add its kinds to the registries of settings.EXTENSION_POINTS. Never raises."""
    for found in _installed:
        _withdraw(found)
    _installed[:] = []
    for origin, name, get in _found():
        _installed.append(_load(Installed(name=name, origin=origin), get))
    return installed()


def _found() -> Iterator[tuple[str, str, Callable[[], Any]]]:
    """Who named it, what it is called there, and how to get it."""
    for entry in sorted(entry_points(group=ENTRY_POINTS), key=lambda entry: (entry.name, entry.value)):
        package = entry.dist.name if entry.dist else entry.value
        yield f"package {package}", entry.name, entry.load
    for place in settings.PLUGINS:
        yield "MAGNET_PLUGINS", place, lambda place=place: _in_module(place)  # type: ignore[misc]  # bound at once


def _in_module(place: str) -> Any:
    """The class that "module:Class" names, or the only plug-in that "module" defines."""
    module_name, _, name = place.partition(":")
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        # A name that was mistyped is told in a sentence; what a plug-in of that name lacks, with its traceback.
        if f"{module_name}.".startswith(f"{error.name}."):
            told = f"There is no module “{module_name}”. Check the name, and that it is on PYTHONPATH."
            raise Refused(told) from error
        raise
    if name:
        return getattr(module, name)
    defined = [value for value in vars(module).values() if _is_plugin(value) and value.__module__ == module.__name__]
    if len(defined) != 1:
        raise Refused(f"The module defines {len(defined)} plug-ins. Name one as “{module_name}:ClassName”.")
    return defined[0]


def _is_plugin(value: Any) -> bool:
    return inspect.isclass(value) and issubclass(value, Plugin) and value is not Plugin


def _load(found: Installed, get: Callable[[], Any]) -> Installed:
    try:
        _take(found, get())
    except Refused as refusal:
        found.refuse(str(refusal))
    except Exception as error:
        found.refuse(f"It stopped with an error while it was loaded: {_told(error)}")
        log.error("plugin_failed", plugin=found.name, exc_info=error)
    if found.status is Status.REFUSED:
        log.warning("plugin_refused", plugin=found.name, reason=found.reason)
    return found


def _take(found: Installed, kind: Any) -> None:
    if not _is_plugin(kind):
        raise Refused("What is named there is no plug-in: it must be a subclass of magnet.plugins.Plugin.")
    _describe(found, kind)
    if any(other.name == found.name for other in _installed):
        raise Refused(f"Another plug-in is called “{found.name}” already. Remove one of the two.")
    _prove_needs(kind.needs)
    plugin = kind(_settings_of(kind))
    if missing := plugin.check():
        raise Refused(missing)
    added = _prove_kinds(plugin.kinds())
    for point, name, value in added:
        _registry(point)[name] = value
    found.plugin, found.kinds = plugin, tuple((point, name) for point, name, _ in added)
    found.status = Status.LOADED


def _describe(found: Installed, kind: type[Plugin]) -> None:
    for attribute in ("name", "version"):
        if not isinstance(getattr(kind, attribute, None), str) or not getattr(kind, attribute).strip():
            raise Refused(f"The class {kind.__qualname__} has no {attribute}.")
    found.name, found.version = kind.name, kind.version
    found.label, found.description = kind.label or kind.name, kind.description


def _prove_needs(needs: tuple[str, ...]) -> None:
    for need in needs:
        try:
            requirement = Requirement(need)
        except InvalidRequirement as error:
            raise Refused(f"“{need}” is no requirement. An example: boto3>=1.34.") from error
        have = _version_of(requirement.name)
        if have is None:
            raise Refused(f"It needs {need}, which is not installed. Install it and start again.")
        if not requirement.specifier.contains(have, prereleases=True):
            raise Refused(f"It needs {need}, but {requirement.name} {have} is installed.")


def _version_of(package: str) -> str | None:
    if package == "magnet":
        return str(settings.VERSION)
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _settings_of(kind: type[Plugin]) -> BaseModel:
    try:
        return kind.Settings.model_validate(settings.PLUGIN_SETTINGS.get(kind.name, {}))
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc'])) or 'settings'}: {sentence(fault)}" for fault in error.errors()]
        raise Refused(f"Its settings in MAGNET_PLUGIN_SETTINGS do not fit. {' '.join(faults)}") from error


def _prove_kinds(kinds: Mapping[str, Kinds]) -> list[tuple[str, str, type]]:
    return [_proved(point, name, value) for point, added in kinds.items() for name, value in added.items()]


def _proved(point: str, name: str, value: Any) -> tuple[str, str, type]:
    if point not in settings.EXTENSION_POINTS:
        raise Refused(f"There is no extension point “{point}”. There are: {', '.join(settings.EXTENSION_POINTS)}.")
    if not KIND.fullmatch(name):
        raise Refused(f"“{name}” cannot name a kind. Use small letters, digits and underscores.")
    if name in _registry(point):
        raise Refused(f"There is a kind “{name}” among the {point} already. Remove or rename one of the two.")
    base = import_string(settings.EXTENSION_POINTS[point][1])
    if not (inspect.isclass(value) and issubclass(value, base)):
        raise Refused(f"“{name}” is no subclass of {base.__module__}.{base.__name__}.")
    if left_out := sorted(getattr(value, "__abstractmethods__", ())):
        raise Refused(f"“{name}” does not define {', '.join(left_out)}.")
    if not getattr(value, "label", ""):
        raise Refused(f"“{name}” has no label, by which people would know it.")
    return point, name, value


def _registry(point: str) -> dict[str, type]:
    registry: dict[str, type] = import_string(settings.EXTENSION_POINTS[point][0])
    return registry


def _withdraw(found: Installed) -> None:
    for point, name in found.kinds:
        _registry(point).pop(name, None)
    found.kinds = ()


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


# -- Life ----------------------------------------------------------------------------------------------------------


def start() -> None:
    """Tell each plug-in, once in this process, that work begins; one that cannot is taken out of this process."""
    for found in _installed:
        if found.plugin is None or found.is_ready or found.status is Status.REFUSED:
            continue
        try:
            found.plugin.ready()
            found.is_ready = True
        except Exception as error:
            _withdraw(found)
            found.refuse(f"It stopped with an error while it started: {_told(error)}")
            log.error("plugin_failed", plugin=found.name, exc_info=error)


def stop() -> None:
    """Tell each plug-in that was ready that this process ends."""
    for found in reversed(_installed):
        if found.plugin is None or not found.is_ready:
            continue
        found.is_ready = False
        try:
            found.plugin.shutdown()
        except Exception as error:
            log.error("plugin_failed_to_stop", plugin=found.name, exc_info=error)
