"""The admin of knowledge: sources, documents, sync runs, and what they bring to the home page."""

from knowledge.admin import documents, home, runs, sources

__all__ = ["documents", "home", "runs", "sources"]
