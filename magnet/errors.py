"""Every error that a person may see, drawn as one tree; each knows its HTTP status and its stable code.

MagnetError
├── MalformedRequest        400  the request itself cannot be read
├── InvalidInput            422  the request, form or file does not fit
│   └── UnreadableDocument  422  a file that no reader can turn into text
│       └── ReaderStopped   422  a file that made its reader loop, eat memory or crash
├── NotSignedIn             401
├── NotAllowed              403
├── NotFound                404
├── MethodNotAllowed        405
├── Conflict                409
│   ├── StillInUse          409  deleting what others refer to
│   ├── TurnAtWork          409  the conversation is busy with another turn, or waits for a confirmation
│   └── ConfirmationExpired 409  nobody answered in time
├── TooLarge                413
├── UnsupportedMediaType    415
├── RateLimited             429  our own limit; says when to come back
├── NotConfigured           503  a setting is missing
├── DatabaseUnavailable     503
├── VectorStoreUnavailable  503  the vector store beside PostgreSQL; searches do without it
├── StorageFull             507  no room for files
├── ServerStopping          503  the server ends before the answer was complete
├── TurnLost                503  the process that carried a turn has died
├── AddressRefused          422  an outbound address that we do not fetch
├── SourceError             502  a knowledge source did not do its part
│   ├── ListingFailed       502  the listing is not complete, so nothing is deleted
│   ├── FetchFailed         502  one document could not be fetched
│   └── ReaderUnavailable   503  the process that reads files did not start; the file is not to blame
├── ToolError               502  the system behind a tool did not do its part
│   └── ToolTimedOut        504
└── ProviderError           502  a model provider did not do its part
    ├── ProviderRefusedKey  502
    ├── ProviderBusy        503  the provider asks us to slow down, or our share of its limit is used up
    ├── ProviderTimedOut    504
    └── ProviderAnswerInvalid 502
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

MOST_FIELDS_NAMED = 3


class MagnetError(Exception):
    """The root. The message is a sentence for the person who must act: what happened, to what, what to do."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Something went wrong"

    def __init__(self, detail: str = "", *, retry_after_seconds: float | None = None, **extra: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.retry_after_seconds = retry_after_seconds
        # Further members of the Problem Details object, such as `errors` or `allowed`.
        self.extra = extra


class MalformedRequest(MagnetError):
    status, code, title = 400, "malformed_request", "The request cannot be read"


class InvalidInput(MagnetError):
    status, code, title = 422, "invalid_input", "The input does not fit"

    @classmethod
    def in_fields(cls, errors: Mapping[str, list[str]], *, what: str = "") -> InvalidInput:
        """For messages by field: the detail tells the first of them, for readers who look no further."""
        named = [f"{field}: {said[0]}" if field else said[0] for field, said in errors.items() if said]
        more = [f"And {len(named) - MOST_FIELDS_NAMED} more."] if len(named) > MOST_FIELDS_NAMED else []
        sentences = [what, *named[:MOST_FIELDS_NAMED], *more]
        detail = " ".join(f"{said.rstrip('.')}." for said in sentences if said)
        return cls(detail, errors=dict(errors))


class UnreadableDocument(InvalidInput):
    code, title = "unreadable_document", "The document cannot be read"


class ReaderStopped(UnreadableDocument):
    code, title = "reader_stopped", "The document made its reader stop"


class NotSignedIn(MagnetError):
    status, code, title = 401, "not_signed_in", "Sign in or send an API key"


class NotAllowed(MagnetError):
    status, code, title = 403, "not_allowed", "You may not do this"


class NotFound(MagnetError):
    status, code, title = 404, "not_found", "There is no such thing"


class MethodNotAllowed(MagnetError):
    status, code, title = 405, "method_not_allowed", "This cannot be done here"


class Conflict(MagnetError):
    status, code, title = 409, "conflict", "This conflicts with the present state"


class StillInUse(Conflict):
    code, title = "still_in_use", "This is still in use"


class TurnAtWork(Conflict):
    code, title = "turn_at_work", "The conversation is busy"


class ConfirmationExpired(Conflict):
    code, title = "confirmation_expired", "Nobody confirmed in time"

    def __init__(self) -> None:
        super().__init__("Nobody has confirmed in time, so nothing was done. Ask again.")


class TooLarge(MagnetError):
    status, code, title = 413, "too_large", "This is too large"


class UnsupportedMediaType(MagnetError):
    status, code, title = 415, "unsupported_media_type", "This kind of content is not supported"


class RateLimited(MagnetError):
    status, code, title = 429, "rate_limited", "Too many requests"


class NotConfigured(MagnetError):
    status, code, title = 503, "not_configured", "A setting is missing"


class DatabaseUnavailable(MagnetError):
    status, code, title = 503, "database_unavailable", "The database does not answer"


class VectorStoreUnavailable(MagnetError):
    status, code, title = 503, "vector_store_unavailable", "The vector store does not answer"


class StorageFull(MagnetError):
    status, code, title = 507, "storage_full", "The disk is full"


class ServerStopping(MagnetError):
    status, code, title = 503, "server_stopping", "Magnet is being restarted"

    def __init__(self) -> None:
        super().__init__(
            "Magnet is being restarted, so this was cut off. Try again in a moment.", retry_after_seconds=5
        )


class TurnLost(MagnetError):
    status, code, title = 503, "turn_lost", "The answer was cut off"

    def __init__(self) -> None:
        super().__init__("The process that worked on this answer has ended in the middle of it. Ask again.")


class AddressRefused(InvalidInput):
    code, title = "address_refused", "This address is not fetched"


class SourceError(MagnetError):
    status, code, title = 502, "source_error", "The knowledge source did not answer as expected"


class ListingFailed(SourceError):
    code, title = "listing_failed", "The listing of the source is not complete"


class FetchFailed(SourceError):
    code, title = "fetch_failed", "A document could not be fetched"


class ReaderUnavailable(SourceError):
    status, code, title = 503, "reader_unavailable", "No file can be read at the moment"


class ToolError(MagnetError):
    status, code, title = 502, "tool_error", "The system behind the tool did not answer as expected"


class ToolTimedOut(ToolError):
    status, code, title = 504, "tool_timed_out", "The system behind the tool did not answer in time"


class ProviderError(MagnetError):
    status, code, title = 502, "provider_error", "The model provider did not answer as expected"


class ProviderRefusedKey(ProviderError):
    code, title = "provider_refused_key", "The model provider refused the key"


class ProviderBusy(ProviderError):
    status, code, title = 503, "provider_busy", "The model provider asks us to slow down"


class ProviderTimedOut(ProviderError):
    status, code, title = 504, "provider_timed_out", "The model provider did not answer in time"


class ProviderAnswerInvalid(ProviderError):
    code, title = "provider_answer_invalid", "The model provider sent something unreadable"
