"""Published articles of Salesforce Knowledge, each put together by the template of its article type."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import islice
from typing import Any, ClassVar

from pydantic import BaseModel, Field, SecretStr, field_validator

from knowledge.connectors.article_templates import article_html, fields_of, is_field, template_of
from knowledge.connectors.base import Content, ListingItem, RemoteDocument
from knowledge.connectors.readable import is_readable, media_type_of
from knowledge.connectors.rest import RestClient, Token, TokenSignIn, address_of_api, needed, quoted
from knowledge.connectors.rest_connector import (
    RestConnector,
    Shape,
    attachment_id,
    file_content,
    html_content,
    parent_and_attachment,
)
from magnet.errors import FetchFailed

API = "/services/data/v62.0"
# Salesforce says nothing of how long a token lasts; a session lasts two hours by default.
TOKEN_SECONDS = 3600.0
ARTICLES_AT_ONCE = 100
LOCALE = re.compile(r"[A-Za-z]{2,3}(_[A-Za-z]{2,4})?")
RECORD_ID = re.compile(r"[A-Za-z0-9]{15,18}")
FILE_FIELDS = ("Title", "FileExtension", "LatestPublishedVersionId")
ALWAYS = ("Id", "KnowledgeArticleId", "Title", "Language", "LastModifiedDate")
Record = dict[str, Any]


class SalesforceConfig(Shape):
    address: str = Field(
        title="Address", description="Of your organisation (My Domain), such as https://example.my.salesforce.com."
    )
    client_id: str = Field(
        title="Consumer key", min_length=1, description="Of the connected app with the client-credentials flow."
    )
    languages: list[str] = Field(
        default=["en_US"],
        title="Languages",
        min_length=1,
        description="As Salesforce writes them, such as en_US or de.",
    )
    article_object: str = Field(
        default="Knowledge__kav", title="Object of the articles", description="In most organisations Knowledge__kav."
    )
    type_field: str = Field(
        default="RecordType.DeveloperName",
        title="Field of the article type",
        description="Decides which template an article takes; empty where there are no types.",
    )
    template: str = Field(
        default="# {Title}\n\n{Summary}",
        title="Template",
        max_length=10_000,
        description="What an article says: text, # for headings, and fields in braces, such as {Answer__c}.",
    )
    type_templates: list[str] = Field(
        default=[],
        title="Templates of article types",
        description=r"Such as FAQ: # {Title}\n{Question__c}\n{Answer__c}, where \n begins a new line.",
    )
    include_attachments: bool = Field(default=True, title="Attachments too", description="Files of the articles.")

    @field_validator("address")
    @classmethod
    def is_an_address(cls, value: str) -> str:
        return address_of_api(value)

    @field_validator("languages")
    @classmethod
    def are_languages(cls, values: list[str]) -> list[str]:
        for value in values:
            if not LOCALE.fullmatch(value):
                raise ValueError(f"“{value}” is no language as Salesforce writes it, such as en_US.")
        return values

    @field_validator("article_object", "type_field")
    @classmethod
    def is_a_name(cls, value: str) -> str:
        if value and not is_field(value):
            raise ValueError(f"“{value}” is no name of Salesforce: letters, digits and underscores.")
        return value

    @field_validator("template")
    @classmethod
    def names_fields(cls, value: str) -> str:
        fields_of(value)
        return value

    @field_validator("type_templates")
    @classmethod
    def name_types(cls, values: list[str]) -> list[str]:
        for value in values:
            fields_of(template_of(value)[1])
        return values

    def templates(self) -> dict[str, str]:
        return dict(template_of(line) for line in self.type_templates)


class SalesforceSecrets(Shape):
    client_secret: SecretStr = Field(
        default=SecretStr(""),
        title="Consumer secret",
        description="Of the connected app. Its user needs to view Salesforce Knowledge.",
    )


class SalesforceConnector(RestConnector):
    """Lists completely each time, by the moment of the last change; the fields of an article are read only when it
    has changed. What a data category hides from the app's user is not seen; nothing else is taken over of it."""

    label: ClassVar[str] = "Salesforce Knowledge"
    description: ClassVar[str] = "Published articles of Salesforce Knowledge."
    Config: ClassVar[type[BaseModel]] = SalesforceConfig
    Secrets: ClassVar[type[BaseModel]] = SalesforceSecrets
    config: SalesforceConfig
    secrets: SalesforceSecrets

    def found(self) -> str:
        # With all fields of all templates, so that a wrong name shows now.
        counts = []
        for language in self.config.languages:
            next(self._query(f"{self._select(self._fields)} WHERE {self._published(language)} LIMIT 1"), None)
            asked = f"{self._select(('COUNT()',))} WHERE {self._published(language)}"
            counts.append(f"{int(self.api.get(f'{API}/query', {'q': asked})['totalSize']):,} in {language}")
        return f"Salesforce Knowledge has published articles: {', '.join(counts)}."

    def documents(self, known: Mapping[str, str]) -> Iterator[ListingItem]:
        for language in self.config.languages:
            articles = self._query(f"{self._select(self._listed)} WHERE {self._published(language)}")
            while batch := list(islice(articles, ARTICLES_AT_ONCE)):
                yield from (self._document(article) for article in batch)
                if self.config.include_attachments:
                    yield from self._attachments(batch)

    def content_of(self, document: RemoteDocument) -> Content:
        parent, attachment = parent_and_attachment(document.remote_id)
        language, _, article_id = parent.partition("/")
        if not LOCALE.fullmatch(language) or not RECORD_ID.fullmatch(article_id):
            raise FetchFailed(f"{document.remote_id} is no article of Salesforce. Sync again.")
        if attachment:
            return self._file(attachment, document)
        question = f"{self._select(self._fields)} WHERE {self._published(language)}"
        article = next(self._query(f"{question} AND KnowledgeArticleId = '{article_id}'"), None)
        if article is None:
            raise FetchFailed(f"“{document.title}” is no longer published in Salesforce. Sync again.")
        return html_content("", article_html(self._template(article), lambda name: value_of(article, name)))

    @cached_property
    def api(self) -> RestClient:
        sign_in = TokenSignIn(self._token)
        return RestClient(self.config.address, name="Salesforce", client=self.outbound, sign_in=sign_in)

    def _token(self) -> Token:
        login = RestClient(self.config.address, name="Salesforce", client=self.outbound)
        secret = needed(self.secrets.client_secret, title="Consumer secret")
        fields = {"grant_type": "client_credentials", "client_id": self.config.client_id, "client_secret": secret}
        return Token(str(login.post_form("/services/oauth2/token", fields)["access_token"]), TOKEN_SECONDS)

    # -- Questions (SOQL) ----------------------------------------------------------------------------------------------

    def _query(self, question: str) -> Iterator[Record]:
        pages = self.api.linked_pages(f"{API}/query", {"q": question}, next_of=next_records)
        for page in pages:
            yield from page["records"]

    def _select(self, fields: tuple[str, ...]) -> str:
        # Names and languages fit patterns that hold neither blanks nor quotes.
        return f"SELECT {', '.join(fields)} FROM {self.config.article_object}"  # noqa: S608

    def _published(self, language: str) -> str:
        return f"PublishStatus = 'Online' AND Language = '{language}'"

    @property
    def _listed(self) -> tuple[str, ...]:
        return (*ALWAYS, self.config.type_field) if self.config.type_field else ALWAYS

    @property
    def _fields(self) -> tuple[str, ...]:
        """Every field that some template names; Salesforce refuses a field that is named twice."""
        templates = [self.config.template, *self.config.templates().values()]
        named = [name for template in templates for name in fields_of(template)]
        unique = {name.lower(): name for name in (*named, *self._listed)}
        return tuple(unique.values())

    # -- Articles ------------------------------------------------------------------------------------------------------

    def _template(self, article: Record) -> str:
        kind = value_of(article, self.config.type_field) if self.config.type_field else ""
        return self.config.templates().get(kind, self.config.template)

    def _document(self, article: Record) -> RemoteDocument:
        kind = value_of(article, self.config.type_field) if self.config.type_field else ""
        # Another template makes another text of the same article.
        template = hashlib.sha256(self._template(article).encode()).hexdigest()[:12]
        return RemoteDocument(
            remote_id=document_id(article),
            title=value_of(article, "Title"),
            url=f"{self.config.address}/lightning/articles/Knowledge/{quoted(str(article['KnowledgeArticleId']))}",
            media_type="text/html",
            version=f"{article['LastModifiedDate']} {template}",
            metadata={"language": str(article["Language"]), **({"type": kind} if kind else {})},
        )

    # -- Files ---------------------------------------------------------------------------------------------------------

    def _attachments(self, articles: list[Record]) -> Iterator[RemoteDocument]:
        owners = {str(article["Id"]): document_id(article) for article in articles}
        ids = ", ".join(f"'{id}'" for id in owners if RECORD_ID.fullmatch(id))
        fields = ("LinkedEntityId", *(f"ContentDocument.{name}" for name in FILE_FIELDS))
        question = f"SELECT {', '.join(fields)} FROM ContentDocumentLink WHERE LinkedEntityId IN ({ids})"  # noqa: S608
        for link in self._query(question):
            file, owner = link["ContentDocument"], owners[str(link["LinkedEntityId"])]
            name = f"{file['Title']}.{file['FileExtension']}" if file.get("FileExtension") else str(file["Title"])
            if is_readable(media_type_of(name), name=name):
                version = str(file["LatestPublishedVersionId"])
                yield RemoteDocument(
                    remote_id=attachment_id(owner, version),
                    title=name,
                    url=f"{self.config.address}/lightning/r/ContentVersion/{version}/view",
                    media_type=media_type_of(name),
                    version=version,
                    metadata={"attached_to": owner},
                )

    def _file(self, version: str, document: RemoteDocument) -> Content:
        path = f"{API}/sobjects/ContentVersion/{quoted(version)}/VersionData"
        return file_content(self.api, path, filename=document.title, media_type=document.media_type)


def next_records(page: dict[str, Any]) -> str:
    return "" if page["done"] else str(page["nextRecordsUrl"])


def document_id(article: Record) -> str:
    return f"{article['Language']}/{article['KnowledgeArticleId']}"


def value_of(record: Record, name: str) -> str:
    """The value of a field, also of a related record (RecordType.DeveloperName); upper and lower case are the same."""
    value: Any = record
    for step in name.split("."):
        value = next((v for key, v in (value or {}).items() if key.lower() == step.lower()), None)
    return "" if value is None else str(value)
