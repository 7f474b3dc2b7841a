"""Two at the same row: who saves one thing does not set back what another has moved meanwhile."""

import pytest
from django.db.models.signals import pre_save
from django.urls import reverse

from knowledge.models import KnowledgeSource
from magnet import configuration
from magnet.api import versioned
from magnet.errors import Conflict, NotFound
from magnet.models import PromptTemplate
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def template():
    return PromptTemplate.objects.create_live(slug="greeting", name="Greeting", settings={"prompt": "Hello"})


def publish_another(template):
    other = PromptTemplate.objects.get(pk=template.pk)
    other.edit({"prompt": "Good morning"})
    other.publish()


def test_a_new_name_over_the_api_does_not_take_a_publication_back(template):
    seen = PromptTemplate.objects.get()
    publish_another(template)

    versioned.change(seen, identity={"name": "Salutation"}, settings={}, revision=None)

    template.refresh_from_db()
    assert (template.name, template.live.prompt) == ("Salutation", "Good morning")


def test_a_new_name_in_the_admin_does_not_take_a_publication_back(owner, template):
    def meanwhile(instance, **_):
        pre_save.disconnect(meanwhile, sender=PromptTemplate)
        publish_another(instance)

    pre_save.connect(meanwhile, sender=PromptTemplate)
    try:
        page = reverse("admin:magnet_prompttemplate_change", args=[template.pk])
        shown = {"prompt": "Hello", "response_format": "text", "recording": "full", "seen_revision": 1}
        owner.post(page, {**shown, "name": "Salutation"})
    finally:
        pre_save.disconnect(meanwhile, sender=PromptTemplate)

    template.refresh_from_db()
    assert (template.name, template.live.prompt) == ("Salutation", "Good morning")


def test_a_change_of_a_source_leaves_what_a_sync_has_learnt_in_between():
    seen = factories.source(connector="website", config={"start_url": "https://example.com/"})
    KnowledgeSource.objects.update(connector_state={"pages": {"https://example.com/": []}})

    configuration.change(seen, {"name": "Help"})

    stored = KnowledgeSource.objects.get()
    assert (stored.name, list(stored.connector_state)) == ("Help", ["pages"])


def test_what_was_deleted_in_between_does_not_come_back():
    seen = factories.source()
    KnowledgeSource.objects.all().delete()

    with pytest.raises(NotFound):
        configuration.change(seen, {"name": "Help"})
    assert not KnowledgeSource.objects.exists()


def test_a_revision_is_never_used_again():
    template = PromptTemplate.objects.create_live(name="Hi", slug="hi", settings={"prompt": "Hi {name}"})
    template.edit({"prompt": "Hello {name}"}, revision=template.revision)
    seen = template.revision
    template.publish()
    template.edit({"prompt": "Good day {name}"}, revision=seen)
    with pytest.raises(Conflict):
        template.edit({"prompt": "Bye {name}"}, revision=seen)
