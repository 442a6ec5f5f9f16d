from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # Built while the table stays in use.
    atomic = False

    dependencies = [
        ('integrations', '0010_answers_heard'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='customerreply',
            index=models.Index(condition=models.Q(('decided_at__isnull', True), models.Q(('customer__isnull', True), ('wish', 'unsure'), _connector='OR')), fields=['id'], name='reply_to_decide'),
        ),
    ]
