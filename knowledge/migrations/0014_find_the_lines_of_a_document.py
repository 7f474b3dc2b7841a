"""The lines of a run about a document are found when it is deleted."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("knowledge", "0013_say_that_another_embedding_model_means_a_new_index")]

    operations = [
        migrations.AddIndex(
            model_name="syncrunevent",
            index=models.Index(
                condition=models.Q(("document_id__isnull", False)), fields=["document_id"], name="line_of_document"
            ),
        ),
    ]
