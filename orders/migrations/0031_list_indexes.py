from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # Built while the table stays in use.
    atomic = False

    dependencies = [
        ('orders', '0030_order_updated_at'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='customer',
            index=models.Index(fields=['name', 'id'], name='customer_by_name'),
        ),
        AddIndexConcurrently(
            model_name='order',
            index=models.Index(condition=models.Q(('status__in', ['completed']), _negated=True), fields=['status', '-created_at', '-id'], name='order_few_by_status'),
        ),
        AddIndexConcurrently(
            model_name='order',
            index=models.Index(condition=models.Q(('payment_status__in', ['paid']), _negated=True), fields=['payment_status', '-created_at', '-id'], name='order_few_by_payment'),
        ),
        AddIndexConcurrently(
            model_name='order',
            index=models.Index(condition=models.Q(('delivery_status__in', ['delivered', 'picked_up']), _negated=True), fields=['delivery_status', '-created_at', '-id'], name='order_few_by_delivery'),
        ),
    ]
