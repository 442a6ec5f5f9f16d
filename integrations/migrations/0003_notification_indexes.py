from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # Built while the table stays in use.
    atomic = False

    dependencies = [
        ('integrations', '0002_holds_look_ups_resends'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='notificationlog',
            index=models.Index(condition=models.Q(('status', 'pending')), fields=['instance', 'next_attempt_at', 'id'], name='notification_due_by_instance'),
        ),
        AddIndexConcurrently(
            model_name='notificationlog',
            index=models.Index(condition=models.Q(('status', 'unknown')), fields=['lookup_at'], name='notification_to_look_up'),
        ),
        AddIndexConcurrently(
            model_name='notificationlog',
            index=models.Index(condition=models.Q(('resend_of__isnull', False)), fields=['resend_of'], name='notification_resends'),
        ),
        RemoveIndexConcurrently(
            model_name='notificationlog',
            name='notification_due',
        ),
    ]
