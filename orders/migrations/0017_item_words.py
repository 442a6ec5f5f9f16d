import django.contrib.postgres.indexes
import orders.words
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):
    # Built while the table stays in use.
    atomic = False

    dependencies = [
        ('orders', '0016_order_words'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='orderitem',
            index=django.contrib.postgres.indexes.GinIndex(orders.words.Words('description'), fastupdate=False, name='item_words'),
        ),
    ]
