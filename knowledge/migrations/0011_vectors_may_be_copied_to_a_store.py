"""Triggers fill the outbox from which a vector store beside PostgreSQL is kept; they begin disabled."""

import django.db.models.functions.datetime
from django.db import migrations, models


# Disabled until vectors are copied for the first time: who keeps them in PostgreSQL only, does not pay for them.
TRIGGERS = """
create function knowledge_note_vectors() returns trigger language plpgsql as $$
begin
    insert into knowledge_vectorchange (index_id, chunk_id)
    select t.index_id, t.id from touched t join knowledge_vectorcopy v on v.index_id = t.index_id;
    return null;
end $$;
create trigger vectors_added after insert on knowledge_chunk
    referencing new table as touched for each statement execute function knowledge_note_vectors();
create trigger vectors_changed after update on knowledge_chunk
    referencing new table as touched for each statement execute function knowledge_note_vectors();
create trigger vectors_removed after delete on knowledge_chunk
    referencing old table as touched for each statement execute function knowledge_note_vectors();
alter table knowledge_chunk disable trigger vectors_added, disable trigger vectors_changed,
    disable trigger vectors_removed;
"""
DROP = """
drop trigger vectors_added on knowledge_chunk;
drop trigger vectors_changed on knowledge_chunk;
drop trigger vectors_removed on knowledge_chunk;
drop function knowledge_note_vectors();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('knowledge', '0010_ask_before_much_is_embedded'),
    ]

    operations = [
        migrations.CreateModel(
            name='VectorCopy',
            fields=[
                ('index_id', models.BigIntegerField(primary_key=True, serialize=False)),
                ('kind', models.CharField(max_length=50)),
                ('url', models.CharField(blank=True, max_length=1000)),
                ('filled_to', models.BigIntegerField(default=0)),
                ('filled_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='VectorChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('index_id', models.BigIntegerField()),
                ('chunk_id', models.BigIntegerField()),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'indexes': [models.Index(fields=['index_id', 'id'], name='vector_change_by_index')],
            },
        ),
        migrations.RunSQL(TRIGGERS, DROP),
    ]
