"""The admin of the ground floor: home, providers, models, prompts, traces, usage, people."""

from magnet.admin import access, audit, feedback, models, people, prompts, providers, traces, webhooks

__all__ = ["access", "audit", "feedback", "models", "people", "prompts", "providers", "traces", "webhooks"]
