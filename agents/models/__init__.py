"""The tables of agents."""

from agents.models.agents import Agent, AgentVersion
from agents.models.topics import Action, Topic

__all__ = ["Action", "Agent", "AgentVersion", "Topic"]
