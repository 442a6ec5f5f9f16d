from django.db import migrations

# Whoever writes to a timeline or moves a message on, in whatever way, tells of it in the same transaction. Where no
# endpoint wants it, that is a look at an empty table. A message is not kept from moving on by who has locked its order.
MAKE = """
CREATE OR REPLACE FUNCTION outgoing_write(of_kinds text[], of_order bigint, more jsonb) RETURNS void LANGUAGE sql AS $$
    INSERT INTO outgoing_outgoingevent (endpoint_id, kind, order_id, payload)
    SELECT endpoint.id, told.kind, its.id,
        jsonb_build_object('order', jsonb_build_object(
            'code', its.code, 'store', store.name, 'source', its.source, 'external_id', its.external_id,
            'external_number', its.external_number, 'status', its.status, 'payment_status', its.payment_status,
            'delivery_status', its.delivery_status, 'delivery_method', its.delivery_method, 'total', its.total::text,
            'tracking_code', its.tracking_code, 'tracking_url', its.tracking_url
        )) || CASE WHEN endpoint.with_phone AND customer.phone <> ''
            THEN jsonb_build_object('customer', jsonb_build_object('phone', customer.phone)) ELSE '{}' END || more
    FROM orders_order its
        JOIN outgoing_endpoint endpoint ON endpoint.store_id = its.store_id AND endpoint.is_on
        JOIN orders_store store ON store.id = its.store_id
        JOIN orders_customer customer ON customer.id = its.customer_id
        CROSS JOIN unnest(of_kinds) WITH ORDINALITY told(kind, place)
    WHERE its.id = of_order AND (endpoint.kinds = '[]' OR endpoint.kinds ? told.kind)
    ORDER BY endpoint.id, told.place
$$;

CREATE OR REPLACE FUNCTION outgoing_of_step() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM outgoing_write(ARRAY['order.' || NEW.transition], NEW.order_id, '{}');
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION outgoing_of_message() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    told text[] := '{}';
BEGIN
    IF NEW.status <> OLD.status AND NEW.status IN ('sent', 'failed', 'skipped', 'cancelled') THEN
        told := told || ('message.' || NEW.status)::text;
    END IF;
    IF NEW.receipt <> OLD.receipt AND NEW.receipt IN ('delivery_ack', 'read', 'error') THEN
        told := told || CASE NEW.receipt WHEN 'delivery_ack' THEN 'message.delivered' WHEN 'read' THEN 'message.read'
            ELSE 'message.undelivered' END;
    END IF;
    IF told <> '{}' THEN
        PERFORM outgoing_write(told, NEW.order_id, jsonb_build_object('message', jsonb_build_object(
            'id', NEW.id, 'about', NEW.event, 'status', NEW.status, 'error_code', NEW.error_code
        )));
    END IF;
    RETURN NULL;
END
$$;

DROP TRIGGER IF EXISTS outgoing_of_step ON orders_orderevent;
CREATE TRIGGER outgoing_of_step AFTER INSERT ON orders_orderevent FOR EACH ROW
    EXECUTE FUNCTION outgoing_of_step();

DROP TRIGGER IF EXISTS outgoing_of_message ON integrations_notificationlog;
CREATE TRIGGER outgoing_of_message AFTER UPDATE OF status, receipt ON integrations_notificationlog FOR EACH ROW
    WHEN (NEW.order_id IS NOT NULL AND (NEW.status <> OLD.status OR NEW.receipt <> OLD.receipt))
    EXECUTE FUNCTION outgoing_of_message();
"""
UNDO = """
DROP TRIGGER IF EXISTS outgoing_of_step ON orders_orderevent;
DROP TRIGGER IF EXISTS outgoing_of_message ON integrations_notificationlog;
DROP FUNCTION IF EXISTS outgoing_of_step();
DROP FUNCTION IF EXISTS outgoing_of_message();
DROP FUNCTION IF EXISTS outgoing_write(text[], bigint, jsonb);
"""


class Migration(migrations.Migration):

    dependencies = [
        ('outgoing', '0001_initial'),
        ('orders', '0030_order_updated_at'),
        ('integrations', '0033_carrier_connections'),
    ]

    operations = [
        migrations.RunSQL(MAKE, UNDO),
    ]
