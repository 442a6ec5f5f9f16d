from django.contrib.postgres.operations import AddIndexConcurrently, ValidateConstraint
from django.db import migrations, models


class Migration(migrations.Migration):
    # Built, and looked at, while the table stays in use.
    atomic = False

    dependencies = [
        ('integrations', '0033_carrier_connections'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='carriernews',
            index=models.Index(condition=models.Q(('due_at__isnull', False)), fields=['connection', 'due_at', 'id'], name='carrier_news_due'),
        ),
        AddIndexConcurrently(
            model_name='carriernews',
            index=models.Index(condition=models.Q(('external_id', ''), _negated=True), fields=['connection', 'external_id'], name='carrier_news_of_parcel'),
        ),
        AddIndexConcurrently(
            model_name='carriernews',
            index=models.Index(condition=models.Q(('connection__isnull', False)), fields=['connection', 'received_at'], name='carrier_news_by_time'),
        ),
        AddIndexConcurrently(
            model_name='carriernews',
            index=models.Index(condition=models.Q(('connection__isnull', False), ('result__in', ('no_meaning', 'staff', 'error', 'refused', 'ambiguous')), ('seen_at__isnull', True)), fields=['result'], name='carrier_news_for_staff'),
        ),
        ValidateConstraint('carriernews', 'carrier_news_order_or_why'),
    ]
