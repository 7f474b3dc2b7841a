"""The admin of the ground floor: home, providers, models, prompts, traces, usage, people."""

from magnet.admin import access, audit, models, people, prompts, providers, traces, webhooks

__all__ = ["access", "audit", "models", "people", "prompts", "providers", "traces", "webhooks"]
