"""Who may move what: whoever exports a kind may see it, and whoever imports one may change it by hand as well."""

from __future__ import annotations

from magnet.callers import current_caller
from magnet.errors import NotAllowed
from magnet.transfer.kinds import Kind, Verb


def demand(kind: Kind, verb: Verb) -> None:
    """Raises NotAllowed naming the scope that the caller lacks."""
    scope = kind.may(verb)
    if not current_caller().may(scope):
        raise NotAllowed(
            f"This needs the scope {scope}. Use an API key that has it, or ask an administrator for it.", scope=scope
        )
