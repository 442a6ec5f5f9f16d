from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # Built while the tables stay in use.
    atomic = False

    dependencies = [
        ('integrations', '0036_list_indexes'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='deliveryattempt',
            index=models.Index(fields=['started_at'], name='attempt_oldest_first'),
        ),
        AddIndexConcurrently(
            model_name='customerreply',
            index=models.Index(condition=models.Q(('customer__isnull', False), ('earlier_texts', []), ('file_name', ''), ('text', ''), _negated=True), fields=['received_at'], name='reply_keeps_words'),
        ),
    ]
