"""Salesforce's REST API for Knowledge as its public documentation describes it, on the loopback.

Shapes follow, as consulted on 2026-11-22:
- https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/dome_query.htm (nextRecordsUrl)
- https://developer.salesforce.com/docs/atlas.en-us.knowledge_dev.meta/knowledge_dev/sforce_api_objects_knowledge__kav.htm
- https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_client_credentials_flow.htm
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs

from tests.fake_website import Call, Page
from tests.knowledge.connectors.fake_api import FakeApi, as_json, path_of, query_of

AT_ONCE = 2
API = "/services/data/v62.0"
KNOWN_FIELDS = {
    "Id", "KnowledgeArticleId", "Title", "Language", "LastModifiedDate", "RecordType.DeveloperName", "Summary",
    "Question__c", "Answer__c",
}  # fmt: skip


def article_id(number: int) -> str:
    return f"kA0000000000{number:03d}AAA"


class FakeSalesforce(FakeApi):
    kind, second_page = "salesforce", f"{API}/query/01g"

    def __init__(self) -> None:
        super().__init__()
        self.authorization = "Bearer 00Dx!token"
        self.articles: dict[tuple[str, int], dict[str, Any]] = {}
        self.files: dict[str, dict[str, Any]] = {}
        self.cursors: dict[str, list[dict[str, Any]]] = {}

    def settings(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return {"address": self.url, "client_id": "3MVG9"}, {"client_secret": "s3cret"}

    def put(self, number: int, text: str, *, language: str = "en_US", kind: str = "FAQ", **fields: Any) -> None:
        before = self.articles.get((language, number))
        edits = before["edits"] + 1 if before else 1
        self.articles[language, number] = {
            "Id": f"ka0000000000{number:03d}{'AAA' if language == 'en_US' else 'BBB'}",
            "KnowledgeArticleId": article_id(number),
            "Title": f"Article {number}",
            "Summary": text,
            "Language": language,
            "PublishStatus": "Online",
            "LastModifiedDate": f"2026-01-02T03:04:{edits:02d}.000+0000",
            "RecordType": {"attributes": {"type": "RecordType"}, "DeveloperName": kind},
            "edits": edits,
            **fields,
        }

    def remove(self, number: int) -> None:
        self.articles["en_US", number]["PublishStatus"] = "Archived"

    def remote_id(self, number: int) -> str:
        return f"en_US/{article_id(number)}"

    def attach(self, number: int, *, id: str, title: str, extension: str, body: bytes) -> None:
        owner = self.articles["en_US", number]["Id"]
        document = {"Title": title, "FileExtension": extension, "LatestPublishedVersionId": id}
        self.files[id] = {"LinkedEntityId": owner, "ContentDocument": document, "body": body}

    def may_enter(self, call: Call) -> bool:
        return path_of(call) == "/services/oauth2/token" or super().may_enter(call)

    def refuse(self, call: Call) -> Page:
        return as_json([{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}], status=401)

    def respond(self, call: Call) -> Page:
        path = path_of(call)
        if path == "/services/oauth2/token":
            return self.token(call)
        if path == f"{API}/query":
            return self.query(query_of(call)["q"])
        if path.startswith(f"{API}/query/"):
            return self.part(self.cursors[path.rpartition("/")[2]])
        match = re.fullmatch(rf"{API}/sobjects/ContentVersion/(\w+)/VersionData", path)
        if match and match[1] in self.files:
            return Page(self.files[match[1]]["body"], media_type="application/octet-stream")
        return as_json([{"message": "The requested resource does not exist", "errorCode": "NOT_FOUND"}], status=404)

    def token(self, call: Call) -> Page:
        asked = {name: values[0] for name, values in parse_qs(call.body.decode()).items()}
        if asked["client_secret"] != "s3cret" or asked["grant_type"] != "client_credentials":
            return as_json({"error": "invalid_client", "error_description": "invalid client credentials"}, status=401)
        return as_json({"access_token": "00Dx!token", "instance_url": self.url, "token_type": "Bearer"})

    def query(self, question: str) -> Page:
        if "FROM ContentDocumentLink" in question:
            return self.part([{k: v for k, v in f.items() if k != "body"} for f in self.files.values()])
        fields = "".join(re.findall(r"SELECT (.*?) FROM", question)[:1]).split(", ")
        if unknown := [field for field in fields if field not in {*KNOWN_FIELDS, "COUNT()"}]:
            message = f"No such column '{unknown[0]}' on entity 'Knowledge__kav'."
            return as_json([{"message": message, "errorCode": "INVALID_FIELD"}], status=400)
        (language,) = re.findall(r"Language = '(\w+)'", question)
        found = [a for a in self.articles.values() if a["Language"] == language and a["PublishStatus"] == "Online"]
        if match := re.search(r"KnowledgeArticleId = '(\w+)'", question):
            found = [article for article in found if article["KnowledgeArticleId"] == match[1]]
        if "COUNT()" in question:
            return as_json({"totalSize": len(found), "done": True, "records": []})
        names = {field.partition(".")[0] for field in fields}
        return self.part([{name: article.get(name) for name in names} for article in found])

    def part(self, records: list[dict[str, Any]]) -> Page:
        page: dict[str, Any] = {"totalSize": len(records), "done": True, "records": records[:AT_ONCE]}
        if len(records) > AT_ONCE:
            cursor = f"01g{len(self.cursors):012d}-{AT_ONCE}"
            self.cursors[cursor] = records[AT_ONCE:]
            page |= {"done": False, "nextRecordsUrl": f"{API}/query/{cursor}"}
        return as_json(page)
