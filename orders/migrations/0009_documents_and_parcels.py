import orders.contacts
from django.contrib.postgres.operations import AddConstraintNotValid, AddIndexConcurrently, ValidateConstraint
from django.db import migrations, models


class Migration(migrations.Migration):
    # Built and checked while the tables stay in use.
    atomic = False

    dependencies = [
        ('orders', '0008_whatsapp_accounts_index'),
    ]

    operations = [
        migrations.AlterField(
            model_name='customer',
            name='cpf',
            field=models.CharField(blank=True, max_length=14, validators=[orders.contacts.validate_document], verbose_name='CPF or CNPJ'),
        ),
        AddIndexConcurrently(
            model_name='order',
            index=models.Index(condition=models.Q(('tracking_code__contains', ', ')), fields=['id'], name='order_several_parcels'),
        ),
        AddConstraintNotValid(
            model_name='orderevent',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('from_status', ''), ('transition', 'create')), models.Q(models.Q(('transition', 'create'), _negated=True), models.Q(('from_status', ''), _negated=True), models.Q(('delivery_status', models.F('from_delivery_status')), ('payment_status', models.F('from_payment_status')), ('status', models.F('from_status')), _negated=True)), models.Q(('transition', 'correct_tracking'), models.Q(('from_status', ''), _negated=True)), _connector='OR'), name='event_changes_status_or_tracking'),
        ),
        ValidateConstraint(model_name='orderevent', name='event_changes_status_or_tracking'),
        migrations.RemoveConstraint(
            model_name='orderevent',
            name='event_changes_something',
        ),
    ]
