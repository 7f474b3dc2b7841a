"""A generation is built beside the live one, in steps of its own, and knows the languages of its chunks itself."""

from django.db import migrations, models


LANGUAGES = """
update knowledge_indexeddocument e set language = d.language
from knowledge_document d where d.id = e.document_id and e.chunk_count > 0
"""


class Migration(migrations.Migration):

    dependencies = [
        ('knowledge', '0003_vectors_stay_in_their_rows'),
        ('magnet', '0002_published_versions_stay_and_configuration_notifies'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='document',
            name='document_by_language',
        ),
        migrations.AddField(
            model_name='indexeddocument',
            name='language',
            field=models.CharField(blank=True, max_length=10, verbose_name='language'),
        ),
        migrations.RunSQL(LANGUAGES, migrations.RunSQL.noop),
        migrations.AddField(
            model_name='knowledgeindex',
            name='actor_label',
            field=models.CharField(blank=True, max_length=300, verbose_name='who'),
        ),
        migrations.AddField(
            model_name='knowledgeindex',
            name='chunks_embedded',
            field=models.PositiveIntegerField(default=0, verbose_name='chunks embedded'),
        ),
        migrations.AddField(
            model_name='knowledgeindex',
            name='chunks_reused',
            field=models.PositiveIntegerField(default=0, verbose_name='chunks reused'),
        ),
        migrations.AddField(
            model_name='knowledgeindex',
            name='cost',
            field=models.DecimalField(decimal_places=10, default=0, max_digits=20, verbose_name='cost (USD)'),
        ),
        migrations.AddField(
            model_name='knowledgeindex',
            name='done',
            field=models.PositiveIntegerField(default=0, verbose_name='done'),
        ),
        migrations.AddField(
            model_name='knowledgeindex',
            name='error',
            field=models.TextField(blank=True, verbose_name='error'),
        ),
        migrations.AddField(
            model_name='knowledgeindex',
            name='forecast',
            field=models.JSONField(blank=True, default=dict),
        ),
        migrations.AddField(
            model_name='knowledgeindex',
            name='heartbeat_at',
            field=models.DateTimeField(blank=True, null=True, verbose_name='last sign of life'),
        ),
        migrations.AddField(
            model_name='knowledgeindex',
            name='is_paused',
            field=models.BooleanField(default=False, verbose_name='paused'),
        ),
        migrations.AddField(
            model_name='knowledgeindex',
            name='lease_token',
            field=models.UUIDField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='knowledgeindex',
            name='ready_at',
            field=models.DateTimeField(blank=True, null=True, verbose_name='ready'),
        ),
        migrations.AddField(
            model_name='knowledgeindex',
            name='switches_when_ready',
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name='knowledgeindex',
            name='to_do',
            field=models.PositiveIntegerField(default=0, verbose_name='to do'),
        ),
        migrations.AddField(
            model_name='knowledgeindex',
            name='tokens',
            field=models.PositiveBigIntegerField(default=0, verbose_name='tokens'),
        ),
        migrations.AddField(
            model_name='knowledgeindex',
            name='work_seconds',
            field=models.FloatField(default=0),
        ),
        migrations.AddIndex(
            model_name='indexeddocument',
            index=models.Index(condition=models.Q(('chunk_count__gt', 0)), fields=['index', 'language'], name='ledger_by_language'),
        ),
        migrations.AddConstraint(
            model_name='knowledgeindex',
            constraint=models.UniqueConstraint(condition=models.Q(('status', 'building')), fields=('source',), name='one_building_index_for_each_source'),
        ),
    ]
