"""What a listing has named stands in a table, so that it holds no connection; and files are found by their name."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("knowledge", "0017_filters_ask_the_ledger")]

    operations = [
        migrations.CreateModel(
            name="ListedName",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "source_id", "remote_key", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "source",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="knowledge.knowledgesource",
                    ),
                ),
                ("remote_key", models.CharField(db_collation="C", max_length=64)),
            ],
            options={"verbose_name": "listed name", "verbose_name_plural": "listed names"},
        ),
        # Written and deleted with every listing, and worth nothing to the next one.
        migrations.RunSQL("alter table knowledge_listedname set unlogged", migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name="document",
            index=models.Index(fields=["file"], name="document_by_file"),
        ),
    ]
