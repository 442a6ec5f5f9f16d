from django.db import migrations

# As in 0019, but the head is locked by its key alone, and only then looked at. With its status in the question, and
# statistics of a time at which nothing waited, PostgreSQL took the index of what waits and went through all of it: a
# second change of 10,000 orders, whose first messages still waited, took minutes to commit.
_TRIGGER = """
CREATE OR REPLACE FUNCTION notification_stay_blocked() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    head bigint;
    {declared}
BEGIN
    SELECT id INTO head FROM integrations_notificationlog
        WHERE order_id = NEW.order_id AND order_event_id <= NEW.order_event_id
            AND (order_event_id < NEW.order_event_id OR id < NEW.id)
            AND status IN ('pending', 'sending', 'unknown')
        ORDER BY order_event_id, id LIMIT 1;
    {locked}
        UPDATE integrations_notificationlog SET blocked = false WHERE id = NEW.id;
    END IF;
    RETURN NULL;
END
$$;
"""
MAKE = _TRIGGER.format(
    declared="its_status text;",
    locked="""SELECT status INTO its_status FROM integrations_notificationlog WHERE id = head FOR SHARE SKIP LOCKED;
    IF its_status IS NULL OR its_status NOT IN ('pending', 'sending', 'unknown') THEN""",
)
UNDO = _TRIGGER.format(
    declared="",
    locked="""PERFORM FROM integrations_notificationlog
        WHERE id = head AND status IN ('pending', 'sending', 'unknown') FOR SHARE SKIP LOCKED;
    IF NOT FOUND THEN""",
)


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0038_webhook_oldest_first'),
    ]

    operations = [
        migrations.RunSQL(MAKE, UNDO),
    ]
