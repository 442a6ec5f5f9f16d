from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # Built while the table stays in use.
    atomic = False

    dependencies = [
        ('integrations', '0022_dismissed'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='notificationlog',
            index=models.Index(condition=models.Q(('anonymised_at__isnull', True), ('dismissed_at__isnull', True), ('status__in', ('failed', 'unknown'))), fields=['-created_at', '-id'], name='notification_unsettled'),
        ),
    ]
