"""Analysts read conversations like a chat: found by what was said, with steps, passages, opinions and the trace."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone

from conversations.models import Confirmation, Conversation, ConversationAnalysis, Message
from magnet.ids import uuid7
from magnet.models import Feedback, Trace
from tests.conversations.talking import a_conversation

pytestmark = pytest.mark.django_db

LIST = reverse("admin:conversations_conversation_changelist")
PASSAGE = {"number": 1, "text": "Parcels leave at <b>noon</b>.", "heading": "", "document": {"title": "Post"}}
STEP = {"call_id": "1", "action": "find", "name": "find_parcel", "arguments": {"id": 17}, "result": "sent"}


@pytest.fixture
def talk(db):
    row = a_conversation(title="Where is my parcel?", person="ann@example.com", topic="parcels", cost="0.25")
    trace = Trace.objects.create(feature="agent", slug="desk", started_at=timezone.now())
    Message.objects.create(conversation=row, position=1, role="user", text="Where is <script>my</script> parcel?")
    answer = Message.objects.create(
        conversation=row, position=2, role="assistant", text="On its way [1].", steps=[STEP], passages=[PASSAGE],
        cost="0.25", trace_id=trace.pk, model="gpt-fake",
    )  # fmt: skip
    asked = {"sentence": "“Send again” will be called with id: 17.", "expires_at": timezone.now()}
    Confirmation.objects.create(id=uuid7(), message=answer, call_id="1", action="send", status="approved", **asked)
    Feedback.objects.create(trace=trace, rating="dislike", reason="outdated", comment="Last year!", caller_type="key")
    return row


def page_of(row):
    return reverse("admin:conversations_conversation_change", args=[row.pk])


def test_a_transcript_reads_like_a_chat(owner, talk):
    page = owner.get(page_of(talk)).content.decode()

    for said in ("On its way [1].", "find_parcel", "Post", "gpt-fake", "Last year!", "Send again", "ann@example.com"):
        assert said in page
    assert reverse("admin:magnet_trace_change", args=[talk.messages.get(position=2).trace_id]) in page
    assert "<script>my</script>" not in page
    assert "<b>noon</b>" not in page


def test_conversations_are_found_by_words_feedback_topic_and_cost(owner, talk):
    a_conversation(title="Something else")

    def found(**query):
        return {row.pk for row in owner.get(LIST, query).context["cl"].result_list}

    assert found(q="on its way") == {talk.pk}
    assert found(rating="dislike") == {talk.pk}
    assert found(rating="like") == set()
    assert found(topic="parcels") == {talk.pk}
    assert found(cost="0.1") == {talk.pk}
    assert found(cost="1") == set()
    assert len(found()) == 2


def test_an_analyst_corrects_what_a_model_found_but_closes_nothing(member, talk):
    analyst = member("Analyst")
    ConversationAnalysis.objects.create(conversation=talk, category="Other", ai_model="gpt-fake", state="done")
    body = {"summary": "A parcel.", "category": "Parcels", "language": "en", "resolution": "partly", "sentiment": ""}

    analyst.post(reverse("admin:conversations_conversation_correct", args=[talk.pk]), body)
    refused = analyst.post(reverse("admin:conversations_conversation_close", args=[talk.pk]))

    row = ConversationAnalysis.objects.get()
    assert (row.category, row.resolution, bool(row.edited_by)) == ("Parcels", "partly", True)
    assert refused.status_code == 403
    assert Conversation.objects.get(pk=talk.pk).is_open


def test_a_viewer_reads_no_conversations(member, talk):
    viewer = member("Viewer")

    assert viewer.get(LIST).status_code == 403
    assert viewer.get(page_of(talk)).status_code == 403


def test_a_list_of_many_takes_no_more_queries_than_one_of_few(owner, talk, django_assert_max_num_queries):
    for number in range(20):
        a_conversation(title=f"Talk {number}")
    owner.get(LIST)

    with django_assert_max_num_queries(30):
        owner.get(LIST)
