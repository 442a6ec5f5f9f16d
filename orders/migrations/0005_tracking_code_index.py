from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Upper


class Migration(migrations.Migration):
    # Built while the table stays in use.
    atomic = False

    dependencies = [
        ('orders', '0004_tracking_page'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='order',
            index=models.Index(Upper('tracking_code'), condition=models.Q(('tracking_code', ''), _negated=True), name='order_tracking_code'),
        ),
    ]
