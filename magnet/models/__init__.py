"""The tables of the ground floor."""

from magnet.models.access import ApiKey, AuditEntry
from magnet.models.feedback import Analysis, Feedback
from magnet.models.prompts import PromptTemplate, PromptTemplateVersion, PromptTestInput
from magnet.models.providers import AIModel, Provider
from magnet.models.requests import IdempotentRequest
from magnet.models.traces import Span, SpanPayload, Trace
from magnet.models.users import User
from magnet.models.versions import Publication
from magnet.models.webhooks import Delivery, Webhook
from magnet.models.work import LimitLease, WorkerHeartbeat

__all__ = [
    "AIModel",
    "Analysis",
    "ApiKey",
    "AuditEntry",
    "Delivery",
    "Feedback",
    "IdempotentRequest",
    "LimitLease",
    "PromptTemplate",
    "PromptTemplateVersion",
    "PromptTestInput",
    "Provider",
    "Publication",
    "Span",
    "SpanPayload",
    "Trace",
    "User",
    "Webhook",
    "WorkerHeartbeat",
]
