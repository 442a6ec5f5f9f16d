import django.contrib.postgres.indexes
import django.db.models.functions.text
import orders.words
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):
    # Built while the table stays in use.
    atomic = False

    dependencies = [
        ('orders', '0014_validate_freight_discount_parts'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='customer',
            index=django.contrib.postgres.indexes.GinIndex(orders.words.Words('name', 'cpf', 'phone', django.db.models.functions.text.Substr('phone', 4), django.db.models.functions.text.Substr('phone', 6), django.db.models.functions.text.Right('phone', 4)), fastupdate=False, name='customer_words'),
        ),
    ]
