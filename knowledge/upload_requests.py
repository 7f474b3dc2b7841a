"""Reads documents out of a request: files of a form, or texts in JSON."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest
from pydantic import BaseModel, ValidationError

from knowledge.schemas import MAX_DOCUMENTS, GivenDocument, GivenDocuments
from knowledge.uploads import PushedDocument
from magnet.errors import InvalidInput, MalformedRequest, UnsupportedMediaType
from magnet.shape_faults import sentence

G = TypeVar("G", bound=BaseModel)
WHAT = "Some documents do not fit"
# Both are what people try first.
FILE_FIELDS = ("files", "file")

REQUEST_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["documents"],
                    "additionalProperties": False,
                    "properties": {
                        "documents": {
                            "type": "array",
                            "items": GivenDocument.model_json_schema(),
                            "minItems": 1,
                            "maxItems": MAX_DOCUMENTS,
                        }
                    },
                }
            },
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {
                        "files": {"type": "array", "items": {"type": "string", "format": "binary"}, "minItems": 1},
                        "remote_id": {
                            "type": "array",
                            "items": {"type": "string"},
                            "description": "One for each file; by default the names of the files.",
                        },
                        "metadata": {"type": "string", "description": "A JSON object, for every file."},
                        "groups": {"type": "string", "description": "A JSON array of who may see them."},
                    },
                }
            },
        },
    }
}


def documents_in(request: HttpRequest) -> list[PushedDocument]:
    """The documents that a request uploads. Raises InvalidInput, MalformedRequest and UnsupportedMediaType."""
    if request.content_type == "multipart/form-data":
        return _files(request)
    if request.content_type == "application/json":
        return [_pushed(document) for document in given(request.body, GivenDocuments, what=WHAT).documents]
    raise UnsupportedMediaType("Send files as multipart/form-data, or documents as application/json.")


def given(body: bytes, shape: type[G], *, what: str) -> G:
    """The JSON of a request in its shape; `what` begins the sentence about what does not fit."""
    try:
        return shape.model_validate(json.loads(body))
    except ValidationError as error:
        errors: dict[str, list[str]] = {}
        for fault in error.errors(include_input=False, include_url=False):
            errors.setdefault(".".join(map(str, fault["loc"])), []).append(sentence(fault))
        raise InvalidInput.in_fields(errors, what=what) from error
    except (ValueError, RecursionError) as error:
        raise MalformedRequest(f"The body is not valid JSON: {error}") from error


def _pushed(given: GivenDocument) -> PushedDocument:
    return PushedDocument(
        remote_id=given.remote_id,
        title=given.title,
        url=given.url,
        text=given.text,
        media_type=given.media_type,
        metadata=given.metadata,
        groups=None if given.groups is None else tuple(given.groups),
    )


def _files(request: HttpRequest) -> list[PushedDocument]:
    files = [file for field in FILE_FIELDS for file in request.FILES.getlist(field)]
    if not files:
        raise InvalidInput("No file was sent.", errors={"files": ["Send one or more files in the field `files`."]})
    names = request.POST.getlist("remote_id") or [str(file.name) for file in files]
    if len(names) != len(files):
        said = f"{len(files)} files and {len(names)} ids: send one remote_id for each file, in the same order, or none."
        raise InvalidInput(said, errors={"remote_id": [said]})
    metadata = form_json(request, "metadata", dict, "a JSON object") or {}
    groups = form_json(request, "groups", list, "a JSON array of strings")
    return [
        _from_file(file, remote_id=name, metadata=metadata, groups=groups)
        for file, name in zip(files, names, strict=True)
    ]


def form_json(request: HttpRequest, field: str, kind: type[Any], wanted: str) -> Any:
    """JSON in a field of a form; None where nothing was sent. `wanted` says in words what it holds."""
    text = request.POST.get(field)
    if not text:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, kind) or (kind is list and not all(isinstance(item, str) for item in value)):
        said = f"The field {field} holds {wanted}."
        raise InvalidInput(said, errors={field: [said]})
    return value


def _from_file(file: UploadedFile[Any], *, remote_id: str, metadata: dict[str, Any], groups: Any) -> PushedDocument:
    return PushedDocument(
        remote_id=remote_id,
        body=file.read(),
        filename=str(file.name),
        media_type=file.content_type or "",
        metadata=metadata,
        groups=None if groups is None else tuple(groups),
    )
