"""Published versions refuse changes, and a change of configuration is announced to every process."""

from django.db import migrations

FUNCTIONS = """
create function magnet_refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'A published version cannot be changed; start a new draft (% %).', tg_table_name, old.id
        using errcode = 'check_violation';
end $$;

create function magnet_notify_configuration() returns trigger language plpgsql as $$
begin
    perform pg_notify('magnet_configuration', tg_table_name);
    return null;
end $$;
"""
DROP_FUNCTIONS = "drop function magnet_refuse_change(); drop function magnet_notify_configuration();"

PUBLISHED_STAYS = """
create trigger published_version_stays before update on magnet_prompttemplateversion
    for each row when (old.published_at is not null) execute function magnet_refuse_change();
"""

CONFIGURATION = (
    "magnet_provider",
    "magnet_aimodel",
    "magnet_prompttemplate",
    "magnet_prompttemplateversion",
    "magnet_user",
)


def announce(table, events="insert or update or delete"):
    return migrations.RunSQL(
        f"create trigger configuration_changed after {events} on {table} "
        f"for each statement execute function magnet_notify_configuration()",
        f"drop trigger configuration_changed on {table}",
    )


class Migration(migrations.Migration):
    dependencies = [("magnet", "0001_the_ground_floor")]

    operations = [
        migrations.RunSQL(FUNCTIONS, DROP_FUNCTIONS),
        migrations.RunSQL(PUBLISHED_STAYS, "drop trigger published_version_stays on magnet_prompttemplateversion"),
        *[announce(table) for table in CONFIGURATION],
        # Not for `last_used_at`, which moves with the traffic.
        announce("magnet_apikey", "insert or delete or update of scopes, expires_at, revoked_at, requests_per_minute"),
    ]
