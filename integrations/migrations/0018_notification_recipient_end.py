from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Collate, Reverse


class Migration(migrations.Migration):
    # Built while the table stays in use.
    atomic = False

    dependencies = [
        ('integrations', '0017_holds_outlive_releases'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='notificationlog',
            index=models.Index(Collate(Reverse('recipient'), 'C'), condition=models.Q(('recipient', ''), _negated=True), name='notification_recipient_end'),
        ),
    ]
