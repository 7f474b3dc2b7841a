"""Logs: one event a line, for people or as JSON, with the request and the caller on every line."""

from __future__ import annotations

import logging.config
import re
import sys
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

# Libraries that tell what only their authors want to know.
QUIET = {
    "uvicorn.access": "CRITICAL",
    "uvicorn.error": "WARNING",
    "httpx": "WARNING",
    "httpcore": "WARNING",
    # They name whole addresses, and the key of some APIs stands in theirs.
    "httpx2": "WARNING",
    "httpcore2": "WARNING",
    "django-q": "WARNING",
    # Every call to the vector store.
    "opensearch": "WARNING",
    "pymilvus": "WARNING",
}


# What would make one value look like two, or one line.
IN_NEED_OF_QUOTES = re.compile(r"[\s='\"]")


class StandardError(logging.StreamHandler[TextIO]):
    """Writes to whatever standard error is at that moment: commands, servers and tests exchange it."""

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, value: TextIO) -> None:
        """Set by the parent class alone, to what standard error is already."""


def configure(config: dict[str, Any]) -> None:
    """settings.LOGGING_CONFIG: `format` is "console" or "json", `level` the name of a level."""
    shared = shared_processors()
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(standard_library(config, shared=shared))


def shared_processors() -> list[Processor]:
    """What every line gets, whether it was written with structlog or with the standard library."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]


def standard_library(config: dict[str, Any], *, shared: list[Processor]) -> dict[str, Any]:
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": [*shared, structlog.stdlib.ExtraAdder()],
        "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers(config["format"])],
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"events": formatter},
        "handlers": {"stderr": {"()": StandardError, "formatter": "events"}},
        "root": {"handlers": ["stderr"], "level": config["level"]},
        "loggers": {name: {"level": level} for name, level in QUIET.items()},
    }


def renderers(style: str) -> list[Processor]:
    if style == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
    # Not the tracebacks with variables that it draws by default: those hold texts and keys, and drawing a large value
    # keeps a process busy for minutes.
    return [structlog.dev.ConsoleRenderer(columns=columns(), exception_formatter=structlog.dev.plain_traceback)]


def columns() -> list[structlog.dev.Column]:
    """The renderer's own line, at a third of its price: each request writes one."""
    return [
        structlog.dev.Column("", lambda key, value: f"{key}={readable(value)}"),
        structlog.dev.Column("timestamp", lambda _, value: str(value)),
        structlog.dev.Column("level", lambda _, value: f"[{value:<9}]"),
        structlog.dev.Column("event", lambda _, value: f"{value!s:<30}"),
        structlog.dev.Column("logger", lambda _, value: f"[{value}]"),
    ]


def readable(value: object) -> str:
    return value if isinstance(value, str) and IN_NEED_OF_QUOTES.search(value) is None else repr(value)
