from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Now

MAKE = """
CREATE OR REPLACE FUNCTION order_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END
$$;

DROP TRIGGER IF EXISTS order_updated ON orders_order;
CREATE TRIGGER order_updated BEFORE UPDATE ON orders_order FOR EACH ROW EXECUTE FUNCTION order_updated();
"""
UNMAKE = """
DROP TRIGGER IF EXISTS order_updated ON orders_order;
DROP FUNCTION IF EXISTS order_updated();
"""


class Migration(migrations.Migration):
    # The indexes are built while the table stays in use.
    atomic = False

    dependencies = [
        ('orders', '0029_stopped_jobs_and_exports'),
    ]

    operations = [
        migrations.AddField('order', 'updated_at', models.DateTimeField(db_default=Now(), editable=False)),
        migrations.RunSQL(MAKE, UNMAKE),
        AddIndexConcurrently('order', models.Index(fields=['store', '-created_at', '-id'], name='order_of_store_newest')),
        AddIndexConcurrently('order', models.Index(fields=['store', 'updated_at', 'id'], name='order_of_store_changed')),
    ]
