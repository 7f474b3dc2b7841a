"""Changes of servers and of their tools are announced to every process, so that none calls what was switched off."""

from django.db import migrations

TABLES = ("tools_app_apiserver", "tools_app_apitool", "tools_app_mcpserver", "tools_app_mcptool")


def announce(table):
    return migrations.RunSQL(
        f"create trigger configuration_changed after insert or update or delete on {table} "
        f"for each statement execute function magnet_notify_configuration()",
        f"drop trigger configuration_changed on {table}",
    )


class Migration(migrations.Migration):
    dependencies = [("tools_app", "0009_answers_are_checked_and_analysed")]

    operations = [announce(table) for table in TABLES]
