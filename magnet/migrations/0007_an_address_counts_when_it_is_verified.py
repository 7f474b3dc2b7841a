"""A verified address is kept beside the one in use; a change of somebody's rights reaches every process at once."""

from django.db import migrations, models

TABLES = ("magnet_user_groups", "magnet_user_user_permissions", "auth_group_permissions")


def announce(table):
    return migrations.RunSQL(
        f"create trigger configuration_changed after insert or update or delete on {table} "
        f"for each statement execute function magnet_notify_configuration()",
        f"drop trigger configuration_changed on {table}",
    )


class Migration(migrations.Migration):
    dependencies = [("magnet", "0006_tell_of_a_vector_store_that_lags")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="verified_email",
            field=models.EmailField(blank=True, editable=False, max_length=254),
        ),
        *[announce(table) for table in TABLES],
    ]
