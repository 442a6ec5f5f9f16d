import django.contrib.postgres.indexes
import orders.words
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

ONCE = 'order_once_per_origin'


class Migration(migrations.Migration):
    # Built while the table stays in use.
    atomic = False

    dependencies = [
        ('orders', '0018_order_origin'),
    ]

    operations = [
        # What Django makes of the constraint, but for its lock. One that broke off is begun anew.
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(f'DROP INDEX CONCURRENTLY IF EXISTS {ONCE}', migrations.RunSQL.noop),
                migrations.RunSQL(
                    f'CREATE UNIQUE INDEX CONCURRENTLY {ONCE} ON orders_order (store_id, source, external_id)'
                    " WHERE NOT (external_id = '')",
                    f'DROP INDEX CONCURRENTLY IF EXISTS {ONCE}',
                ),
            ],
            state_operations=[
                migrations.AddConstraint(
                    model_name='order',
                    constraint=models.UniqueConstraint(condition=models.Q(('external_id', ''), _negated=True), fields=('store', 'source', 'external_id'), name=ONCE),
                ),
            ],
        ),
        AddIndexConcurrently(
            model_name='order',
            index=django.contrib.postgres.indexes.GinIndex(orders.words.Words('external_number', orders.words.Joined('external_number'), 'external_id'), condition=models.Q(('source', ''), _negated=True), fastupdate=False, name='order_origin_words'),
        ),
    ]
