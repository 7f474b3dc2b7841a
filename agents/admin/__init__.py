"""The admin of agents: one screen to build them on, a map, and a chat to try them."""

from agents.admin import agents, trace_names

__all__ = ["agents", "trace_names"]
