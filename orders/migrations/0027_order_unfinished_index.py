from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # Built while the table stays in use.
    atomic = False

    dependencies = [
        ('orders', '0026_bulk_jobs_notes'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='order',
            index=models.Index(condition=models.Q(('status__in', ('pending', 'confirmed'))), fields=['status', 'delivery_status', '-created_at'], name='order_unfinished'),
        ),
    ]
