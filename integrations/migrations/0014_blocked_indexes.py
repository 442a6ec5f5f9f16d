from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # Built while the table stays in use.
    atomic = False

    dependencies = [
        ('integrations', '0013_blocked_triggers'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='notificationlog',
            index=models.Index(condition=models.Q(('blocked', False), ('status', 'pending')), fields=['instance', 'next_attempt_at', 'id'], name='notification_next_up'),
        ),
        AddIndexConcurrently(
            model_name='notificationlog',
            index=models.Index(condition=models.Q(('blocked', True), ('status', 'pending')), fields=['id'], name='notification_blocked'),
        ),
        AddIndexConcurrently(
            model_name='notificationlog',
            index=models.Index(condition=models.Q(('status', 'pending'), models.Q(('error_code', 'daily_cap'), _negated=True)), fields=['instance', 'next_attempt_at', 'id'], name='notification_to_put_off'),
        ),
    ]
