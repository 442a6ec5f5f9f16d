import django.contrib.postgres.indexes
import orders.words
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # Built while the table stays in use.
    atomic = False

    dependencies = [
        ('orders', '0015_customer_words'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='order',
            index=django.contrib.postgres.indexes.GinIndex(orders.words.Words('code', models.Case(models.When(delivery_method='pickup', then=models.F('pickup_code')), default=models.Value('')), 'tracking_code', orders.words.Joined('tracking_code')), fastupdate=False, name='order_words'),
        ),
    ]
