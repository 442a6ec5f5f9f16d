from django.db import migrations

# Whoever finishes a message frees what it blocks, unless that is locked or was not yet to be seen. So a row that is born
# blocked locks its order's head at the commit, for no longer than that takes: who finishes the head waits, and sees the
# row. A head that is locked already is perhaps being finished: then the row is not blocked. That costs a look at it.
MAKE = """
CREATE OR REPLACE FUNCTION notification_block() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.blocked := EXISTS (
        SELECT FROM integrations_notificationlog
            WHERE order_id = NEW.order_id AND order_event_id < NEW.order_event_id
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
        WHERE order_id = NEW.order_id AND order_event_id < NEW.order_event_id
            AND status IN ('pending', 'sending', 'unknown')
        ORDER BY order_event_id LIMIT 1;
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
                    WHERE earlier.order_id = waiting.order_id AND earlier.order_event_id < waiting.order_event_id
                        AND earlier.status IN ('pending', 'sending', 'unknown')
            )
            FOR NO KEY UPDATE SKIP LOCKED
    );
    RETURN NULL;
END
$$;

DROP TRIGGER IF EXISTS notification_written ON integrations_notificationlog;
CREATE TRIGGER notification_written BEFORE INSERT ON integrations_notificationlog FOR EACH ROW
    WHEN (NEW.order_event_id IS NOT NULL)
    EXECUTE FUNCTION notification_block();

DROP TRIGGER IF EXISTS notification_committed ON integrations_notificationlog;
CREATE CONSTRAINT TRIGGER notification_committed AFTER INSERT ON integrations_notificationlog
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.blocked)
    EXECUTE FUNCTION notification_stay_blocked();

DROP TRIGGER IF EXISTS notification_finished ON integrations_notificationlog;
CREATE TRIGGER notification_finished AFTER UPDATE OF status ON integrations_notificationlog FOR EACH ROW
    WHEN (
        OLD.order_event_id IS NOT NULL AND OLD.status IN ('pending', 'sending', 'unknown')
        AND NEW.status NOT IN ('pending', 'sending', 'unknown')
    )
    EXECUTE FUNCTION notification_free();

DROP TRIGGER IF EXISTS notification_deleted ON integrations_notificationlog;
CREATE TRIGGER notification_deleted AFTER DELETE ON integrations_notificationlog FOR EACH ROW
    WHEN (OLD.order_event_id IS NOT NULL AND OLD.status IN ('pending', 'sending', 'unknown'))
    EXECUTE FUNCTION notification_free();
"""
UNDO = """
DROP TRIGGER IF EXISTS notification_written ON integrations_notificationlog;
DROP TRIGGER IF EXISTS notification_committed ON integrations_notificationlog;
DROP TRIGGER IF EXISTS notification_finished ON integrations_notificationlog;
DROP TRIGGER IF EXISTS notification_deleted ON integrations_notificationlog;
DROP FUNCTION IF EXISTS notification_block();
DROP FUNCTION IF EXISTS notification_stay_blocked();
DROP FUNCTION IF EXISTS notification_free();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0012_blocked'),
    ]

    operations = [
        migrations.RunSQL(MAKE, UNDO),
    ]
