"""A change of what serves is announced; the counts that each batch moves are not."""

from django.db import migrations

TRIGGERS = """
create trigger configuration_changed
    after insert or delete or update of slug, name, embedding_model_id, config, connector
    on knowledge_knowledgesource for each statement execute function magnet_notify_configuration();
create trigger configuration_changed after insert or delete or update of status
    on knowledge_knowledgeindex for each statement execute function magnet_notify_configuration();
"""
DROP = """
drop trigger configuration_changed on knowledge_knowledgesource;
drop trigger configuration_changed on knowledge_knowledgeindex;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("knowledge", "0001_sources_documents_and_the_ledger"),
        ("magnet", "0002_published_versions_stay_and_configuration_notifies"),
    ]

    operations = [migrations.RunSQL(TRIGGERS, DROP)]
