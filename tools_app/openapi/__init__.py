"""OpenAPI 3.0 and 3.1 and Swagger 2, read into plain values: what an API offers, and how each call is made."""

from tools_app.openapi.documents import MAX_DOCUMENT_BYTES, base_url_of, read, title_of
from tools_app.openapi.operations import Operation, Outline, built, outlines

__all__ = ["MAX_DOCUMENT_BYTES", "Operation", "Outline", "base_url_of", "built", "outlines", "read", "title_of"]
