"""The settings of a kind whose plug-in is gone: nobody here can read them, so they are kept as they are."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class AnyConfig(BaseModel):
    """Accepts everything, changes nothing."""

    model_config = ConfigDict(extra="allow")
