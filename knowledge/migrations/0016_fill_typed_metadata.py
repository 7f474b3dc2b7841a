"""The ledger learns what filters have found in the documents until now: all metadata, as the source gives it."""

from django.db import migrations

BATCH = 5_000

# Generations made before have no mapping, so nothing has to be read as another type.
FILL = """
update knowledge_indexeddocument e set fields = d.metadata
from knowledge_document d
where d.id = e.document_id and e.id > %s and e.id <= %s and e.fields = '{}' and d.metadata <> '{}'
"""


def fill(apps, schema_editor):
    """Batch by batch, each committed, so that no row is locked for long; what is filled already is passed over."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("select coalesce(min(id), 1) - 1, coalesce(max(id), 0) from knowledge_indexeddocument")
        start, last = cursor.fetchone()
        for at in range(start, last, BATCH):
            cursor.execute(FILL, [at, at + BATCH])


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("knowledge", "0015_typed_metadata_in_the_ledger")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
