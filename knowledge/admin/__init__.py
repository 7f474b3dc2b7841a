"""The admin of knowledge: sources, documents, sync runs, and what they bring to the home page and to traces."""

from knowledge.admin import calibrating, chunks, documents, home, runs, sources, trace_names

__all__ = ["calibrating", "chunks", "documents", "home", "runs", "sources", "trace_names"]
