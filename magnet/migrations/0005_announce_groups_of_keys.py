"""A change of the groups of a key reaches every process at once, as its scopes do."""

from django.db import migrations

TRIGGER = (
    "drop trigger configuration_changed on magnet_apikey; "
    "create trigger configuration_changed after insert or delete or update of {columns} on magnet_apikey "
    "for each statement execute function magnet_notify_configuration()"
)
BEFORE = "scopes, expires_at, revoked_at, requests_per_minute"


class Migration(migrations.Migration):
    dependencies = [("magnet", "0004_tell_webhooks_and_people_of_events")]

    operations = [
        migrations.RunSQL(
            TRIGGER.format(columns=f"{BEFORE}, document_groups"), TRIGGER.format(columns=BEFORE)
        )
    ]
