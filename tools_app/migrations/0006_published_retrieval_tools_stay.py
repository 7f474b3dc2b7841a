"""Published versions of retrieval tools and their sources refuse changes; changes are announced."""

from django.db import migrations

TRIGGERS = """
create trigger published_version_stays before update on tools_app_retrievaltoolversion
    for each row when (old.published_at is not null) execute function magnet_refuse_change();

create function tools_app_refuse_retrieval_source_change() returns trigger language plpgsql as $$
begin
    if exists (select from tools_app_retrievaltoolversion
               where id in (new.version_id, old.version_id) and published_at < now()) then
        raise exception 'The sources of a published version cannot be changed; start a new draft.'
            using errcode = 'check_violation';
    end if;
    return null;
end $$;
-- Deferred: see the trigger of the same name on the sources of RAG tools.
create constraint trigger published_sources_stay after insert or update or delete on tools_app_retrievaltoolsource
    deferrable initially deferred for each row execute function tools_app_refuse_retrieval_source_change();

create trigger configuration_changed after insert or update or delete on tools_app_retrievaltool
    for each statement execute function magnet_notify_configuration();
create trigger configuration_changed after insert or update or delete on tools_app_retrievaltoolversion
    for each statement execute function magnet_notify_configuration();
create trigger configuration_changed after insert or update or delete on tools_app_retrievaltoolsource
    for each statement execute function magnet_notify_configuration();
"""
DROP = """
drop trigger configuration_changed on tools_app_retrievaltoolsource;
drop trigger configuration_changed on tools_app_retrievaltoolversion;
drop trigger configuration_changed on tools_app_retrievaltool;
drop trigger published_sources_stay on tools_app_retrievaltoolsource;
drop function tools_app_refuse_retrieval_source_change();
drop trigger published_version_stays on tools_app_retrievaltoolversion;
"""


class Migration(migrations.Migration):
    dependencies = [("tools_app", "0005_retrieval_tools_and_stages")]

    operations = [migrations.RunSQL(TRIGGERS, DROP)]
