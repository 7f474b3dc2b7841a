"""Published versions of RAG tools and their sources refuse changes; changes are announced."""

from django.db import migrations

TRIGGERS = """
create trigger published_version_stays before update on tools_app_ragtoolversion
    for each row when (old.published_at is not null) execute function magnet_refuse_change();

create function tools_app_refuse_source_change() returns trigger language plpgsql as $$
begin
    if exists (select from tools_app_ragtoolversion
               where id in (new.version_id, old.version_id) and published_at < now()) then
        raise exception 'The sources of a published version cannot be changed; start a new draft.'
            using errcode = 'check_violation';
    end if;
    return null;
end $$;
-- Deferred: when the whole tool is deleted, its versions are gone by the end of the transaction. What is published
-- in the same transaction (now() is its start) was a draft when its sources were set.
create constraint trigger published_sources_stay after insert or update or delete on tools_app_ragtoolsource
    deferrable initially deferred for each row execute function tools_app_refuse_source_change();

create trigger configuration_changed after insert or update or delete on tools_app_ragtool
    for each statement execute function magnet_notify_configuration();
create trigger configuration_changed after insert or update or delete on tools_app_ragtoolversion
    for each statement execute function magnet_notify_configuration();
create trigger configuration_changed after insert or update or delete on tools_app_ragtoolsource
    for each statement execute function magnet_notify_configuration();
"""
DROP = """
drop trigger configuration_changed on tools_app_ragtoolsource;
drop trigger configuration_changed on tools_app_ragtoolversion;
drop trigger configuration_changed on tools_app_ragtool;
drop trigger published_sources_stay on tools_app_ragtoolsource;
drop function tools_app_refuse_source_change();
drop trigger published_version_stays on tools_app_ragtoolversion;
"""


class Migration(migrations.Migration):
    dependencies = [("tools_app", "0001_rag_tools"), ("knowledge", "0002_sources_and_generations_announce_changes")]

    operations = [migrations.RunSQL(TRIGGERS, DROP)]
