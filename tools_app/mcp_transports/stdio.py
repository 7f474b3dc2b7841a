"""The way to an MCP server that is a command on this machine; only commands that the operator allows are started."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, ClassVar

from django.conf import settings
from pydantic import AfterValidator, Field, SecretStr

from magnet.errors import NotConfigured
from tools_app.mcp_transports.base import Endpoint, Shape, Streams, Transport

VARIABLE = re.compile(r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")
# With these, a harmless command runs anything.
LOADERS = re.compile(r"^(LD_|DYLD_|PYTHON|NODE_OPTIONS$|BASH_ENV$|ENV$|PATH$|IFS$|PERL5|RUBY)", re.IGNORECASE)


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("Leave out line breaks and control characters.")
    return value


def _variable(value: str) -> str:
    if value and (not VARIABLE.match(value) or LOADERS.match(value)):
        raise ValueError("Write the name of a variable such as API_TOKEN; those that load programs are not set.")
    return value


def _assignment(value: str) -> str:
    name, sign, _text = value.partition("=")
    if not sign:
        raise ValueError("Write each variable as NAME=text.")
    _variable(name or "=")
    return _printable(value)


Word = Annotated[str, Field(max_length=2_000), AfterValidator(_printable)]


class Command(Transport):
    label: ClassVar[str] = "A command on this machine"
    description: ClassVar[str] = "A program that Magnet starts itself. The operator lists those that may be started."
    icon: ClassVar[str] = "terminal"
    has_address: ClassVar[bool] = False

    class Config(Shape):
        command: Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_printable)] = Field(
            title="Command", description="One that the operator allows with MAGNET_MCP_COMMANDS."
        )
        arguments: Annotated[list[Word], Field(max_length=100)] = Field(default=[], title="Arguments")
        environment: Annotated[list[Annotated[Word, AfterValidator(_assignment)]], Field(max_length=50)] = Field(
            default=[], title="Environment", description="Variables such as REGION=eu. Everybody sees them."
        )
        secret_variable: Annotated[str, Field(max_length=100), AfterValidator(_variable)] = Field(
            default="", title="Variable of the secret", description="What the secret below is given as: API_TOKEN."
        )

    class Secrets(Shape):
        secret: SecretStr = Field(default=SecretStr(""), title="Secret")

    @classmethod
    @asynccontextmanager
    async def opened(cls, endpoint: Endpoint) -> AsyncIterator[Streams]:
        from mcp.client.stdio import StdioServerParameters, stdio_client

        config = cls.Config.model_validate(endpoint.config)
        refuse_unless_allowed(config.command, config.arguments)
        environment = dict(entry.split("=", 1) for entry in config.environment)
        if config.secret_variable:
            environment[config.secret_variable] = str(endpoint.secrets.get("secret", ""))
        started = StdioServerParameters(
            command=config.command, args=config.arguments, env=environment, encoding_error_handler="replace"
        )
        # What it tells about itself is not ours to keep, and may hold what it was given.
        with Path(os.devnull).open("w") as nowhere:  # noqa: ASYNC230 - nothing to wait for
            async with stdio_client(started, errlog=nowhere) as streams:
                yield streams


def refuse_unless_allowed(command: str, arguments: Sequence[str]) -> None:
    """Raises NotConfigured. An entry of several words allows only command lines that begin with all of them."""
    line = [command, *arguments]
    for entry in settings.MCP_COMMANDS:
        words = shlex.split(entry)
        if words and line[: len(words)] == words:
            return
    raise NotConfigured(
        f"The command {shlex.join(line)} may not be started here. The operator can allow it in MAGNET_MCP_COMMANDS."
    )
