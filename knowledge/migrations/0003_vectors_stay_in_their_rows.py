"""Vectors are kept in the row itself: fetched from beside it, 1,536 numbers take four times as long to compare."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("knowledge", "0002_sources_and_generations_announce_changes")]

    operations = [
        migrations.RunSQL(
            "alter table knowledge_chunk alter column embedding set storage main",
            "alter table knowledge_chunk alter column embedding set storage external",
        )
    ]
