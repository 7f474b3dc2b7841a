"""Published versions of agents, their topics and their actions refuse changes; changes are announced."""

from django.db import migrations

TRIGGERS = """
create trigger published_version_stays before update on agents_agentversion
    for each row when (old.published_at is not null) execute function magnet_refuse_change();

create function agents_refuse_topic_change() returns trigger language plpgsql as $$
begin
    if exists (select from agents_agentversion
               where id in (new.version_id, old.version_id) and published_at < now()) then
        raise exception 'The topics of a published version cannot be changed; start a new draft.'
            using errcode = 'check_violation';
    end if;
    return null;
end $$;
create function agents_refuse_action_change() returns trigger language plpgsql as $$
begin
    if exists (select from agents_topic topic join agents_agentversion version on version.id = topic.version_id
               where topic.id in (new.topic_id, old.topic_id) and version.published_at < now()) then
        raise exception 'The actions of a published version cannot be changed; start a new draft.'
            using errcode = 'check_violation';
    end if;
    return null;
end $$;
-- Deferred: when the whole agent is deleted, its versions are gone by the end of the transaction. What is published
-- in the same transaction (now() is its start) was a draft when its topics were set.
create constraint trigger published_topics_stay after insert or update or delete on agents_topic
    deferrable initially deferred for each row execute function agents_refuse_topic_change();
create constraint trigger published_actions_stay after insert or update or delete on agents_action
    deferrable initially deferred for each row execute function agents_refuse_action_change();

create trigger configuration_changed after insert or update or delete on agents_agent
    for each statement execute function magnet_notify_configuration();
create trigger configuration_changed after insert or update or delete on agents_agentversion
    for each statement execute function magnet_notify_configuration();
create trigger configuration_changed after insert or update or delete on agents_topic
    for each statement execute function magnet_notify_configuration();
create trigger configuration_changed after insert or update or delete on agents_action
    for each statement execute function magnet_notify_configuration();
"""
DROP = """
drop trigger configuration_changed on agents_action;
drop trigger configuration_changed on agents_topic;
drop trigger configuration_changed on agents_agentversion;
drop trigger configuration_changed on agents_agent;
drop trigger published_actions_stay on agents_action;
drop trigger published_topics_stay on agents_topic;
drop function agents_refuse_action_change();
drop function agents_refuse_topic_change();
drop trigger published_version_stays on agents_agentversion;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0001_agents"),
        ("magnet", "0002_published_versions_stay_and_configuration_notifies"),
    ]

    operations = [migrations.RunSQL(TRIGGERS, DROP)]
