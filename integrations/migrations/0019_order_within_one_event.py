from django.db import migrations

# As in 0013, but two messages of one event are in the order in which they were written. To the release before that only
# means that a row may be called blocked for longer than it has to be, which its sweep mends.
MAKE = """
CREATE OR REPLACE FUNCTION notification_block() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.blocked := EXISTS (
        SELECT FROM integrations_notificationlog
            WHERE order_id = NEW.order_id AND order_event_id <= NEW.order_event_id
                AND (order_event_id < NEW.order_event_id OR id < NEW.id)
                AND status IN ('pending', 'sending', 'unknown')
    );
    RETURN NEW;
END
$$;

CREATE OR REPLACE FUNCTION notification_stay_blocked() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    head bigint;
BEGIN
    SELECT id INTO head FROM integrations_notificationlog
        WHERE order_id = NEW.order_id AND order_event_id <= NEW.order_event_id
            AND (order_event_id < NEW.order_event_id OR id < NEW.id)
            AND status IN ('pending', 'sending', 'unknown')
        ORDER BY order_event_id, id LIMIT 1;
    PERFORM FROM integrations_notificationlog
        WHERE id = head AND status IN ('pending', 'sending', 'unknown') FOR SHARE SKIP LOCKED;
    IF NOT FOUND THEN
        UPDATE integrations_notificationlog SET blocked = false WHERE id = NEW.id;
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION notification_free() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE integrations_notificationlog SET blocked = false WHERE id IN (
        SELECT id FROM integrations_notificationlog waiting
            WHERE order_id = OLD.order_id AND status IN ('pending', 'sending', 'unknown') AND blocked AND NOT EXISTS (
                SELECT FROM integrations_notificationlog earlier
                    WHERE earlier.order_id = waiting.order_id AND earlier.order_event_id <= waiting.order_event_id
                        AND (earlier.order_event_id < waiting.order_event_id OR earlier.id < waiting.id)
                        AND earlier.status IN ('pending', 'sending', 'unknown')
            )
            FOR NO KEY UPDATE SKIP LOCKED
    );
    RETURN NULL;
END
$$;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0018_notification_recipient_end'),
    ]

    operations = [
        # Without it, these functions serve as well.
        migrations.RunSQL(MAKE, migrations.RunSQL.noop),
    ]
