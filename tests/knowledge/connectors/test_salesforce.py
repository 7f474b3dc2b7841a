"""Salesforce Knowledge: each article type by its template, in each language, with its files."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from knowledge.connectors.article_templates import article_html
from knowledge.connectors.base import RemoteDocument
from knowledge.connectors.salesforce import SalesforceConfig, SalesforceSecrets
from magnet.errors import FetchFailed, ListingFailed
from tests.knowledge.connectors.fake_api import running
from tests.knowledge.connectors.fakes.salesforce import FakeSalesforce, article_id

FAQ = r"FAQ: # {Title}\n{Question__c}\n{Answer__c}"


@pytest.fixture
def salesforce():
    with running(FakeSalesforce) as salesforce:
        rich = {"Question__c": "Why is 1 < 2?", "Answer__c": "<p>Because <b>so</b>.</p>"}
        salesforce.put(1, "Summary 1", kind="FAQ", **rich)
        salesforce.put(2, "Summary 2", kind="HowTo")
        yield salesforce


def listed(connector):
    return {document.remote_id: document for document in connector.list({})}


def test_each_article_type_takes_its_template(salesforce):
    connector = salesforce.connector(type_templates=[FAQ])
    documents = listed(connector)
    faq = connector.fetch(documents[f"en_US/{article_id(1)}"]).body.decode()
    other = connector.fetch(documents[f"en_US/{article_id(2)}"]).body.decode()

    assert "<h1>Article 1</h1><div>Why is 1 &lt; 2?</div><div><p>Because <b>so</b>.</p></div>" in faq
    assert "Summary 1" not in faq
    assert "<h1>Article 2</h1><div>Summary 2</div>" in other
    assert documents[f"en_US/{article_id(1)}"].metadata == {"language": "en_US", "type": "FAQ"}


def test_another_template_reads_only_the_articles_of_its_type_again(salesforce):
    before, after = listed(salesforce.connector()), listed(salesforce.connector(type_templates=[FAQ]))

    assert [key for key in after if after[key].version != before[key].version] == [f"en_US/{article_id(1)}"]


def test_each_language_is_a_document_of_its_own(salesforce):
    salesforce.put(1, "Zusammenfassung", language="de")
    connector = salesforce.connector(languages=["en_US", "de"])
    documents = listed(connector)

    assert set(documents) == {f"en_US/{article_id(1)}", f"en_US/{article_id(2)}", f"de/{article_id(1)}"}
    assert "Zusammenfassung" in connector.fetch(documents[f"de/{article_id(1)}"]).body.decode()


def test_files_of_an_article_are_documents_beside_it(salesforce):
    salesforce.attach(1, id="0680000000001AA", title="manual", extension="txt", body=b"How to")
    salesforce.attach(1, id="0680000000002AA", title="film", extension="mp4", body=b"")
    connector = salesforce.connector()
    documents = listed(connector)
    (key,) = [key for key in documents if "/attachments/" in key]

    assert key == f"en_US/{article_id(1)}/attachments/0680000000001AA"
    content = connector.fetch(documents[key])
    assert (content.body, content.media_type, content.filename) == (b"How to", "text/plain", "manual.txt")


def test_a_field_that_does_not_exist_shows_in_the_test_of_the_connection(salesforce):
    with pytest.raises(ListingFailed, match=r"does not accept.*No such column 'Anser__c'"):
        salesforce.connector(template="{Anser__c}").check()
    assert "2 in en_US" in salesforce.connector(type_templates=[FAQ]).check()


def test_wrong_secrets_and_foreign_ids_are_refused(salesforce):
    connector = salesforce.connector()
    connector.secrets = SalesforceSecrets(client_secret="wrong")

    with pytest.raises(ListingFailed, match=r"token was refused.*invalid client credentials"):
        connector.check()
    with pytest.raises(FetchFailed, match="no article of Salesforce"):
        salesforce.connector().fetch(RemoteDocument("en_US/x' OR Id != '"))


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"template": "no fields"}, "names no field"),
        ({"template": "{Title, Id FROM User}"}, "names no field"),
        ({"type_templates": ["{Title}"]}, "does not begin with an article type"),
        ({"languages": ["en' OR '"]}, "no language"),
        ({"article_object": "Knowledge__kav, User"}, "no name of Salesforce"),
    ],
)
def test_settings_cannot_smuggle_questions(setting, said):
    with pytest.raises(ValidationError, match=said):
        SalesforceConfig(address="https://example.my.salesforce.com", client_id="x", **setting)


def test_lines_without_values_are_left_out_and_plain_text_keeps_its_lines():
    values = {"Title": "<b>A</b> & B", "Steps__c": "1 < 2\r\nthen", "Empty__c": " "}
    html = article_html("# {Title}\n\n## Notes {Empty__c}\nSteps: {Steps__c}", lambda name: values.get(name, ""))

    assert html == "<h1>A &amp; B</h1><div>Steps: 1 &lt; 2<br>then</div>"
