from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # Built while the table stays in use.
    atomic = False

    dependencies = [
        ('integrations', '0035_connection_refusals'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='notificationlog',
            index=models.Index(condition=models.Q(('status__in', ('skipped', 'cancelled'))), fields=['status', '-created_at', '-id'], name='notification_not_sent'),
        ),
    ]
