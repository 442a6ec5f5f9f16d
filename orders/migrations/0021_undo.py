import django.core.serializers.json
from django.contrib.postgres.operations import AddConstraintNotValid, ValidateConstraint
from django.db import migrations, models
from django.db.models import F, Q


class Migration(migrations.Migration):
    # Checked while the table stays in use.
    atomic = False

    dependencies = [
        ('orders', "0020_store_signature_and_hours"),
    ]

    operations = [
        migrations.AddField(
            model_name='orderevent',
            name='replaced',
            field=models.JSONField(editable=False, encoder=django.core.serializers.json.DjangoJSONEncoder, null=True),
        ),
        AddConstraintNotValid(
            model_name='orderevent',
            constraint=models.CheckConstraint(
                condition=Q(transition='create', from_status='')
                | ~Q(transition='create')
                & ~Q(from_status='')
                & ~Q(
                    status=F('from_status'),
                    payment_status=F('from_payment_status'),
                    delivery_status=F('from_delivery_status'),
                )
                | Q(transition='correct_tracking') & ~Q(from_status='')
                | Q(transition__in=('move_deadline', 'change_address', 'undo')) & ~Q(from_status=''),
                name='event_changes_or_corrects',
            ),
        ),
        ValidateConstraint(model_name='orderevent', name='event_changes_or_corrects'),
        migrations.RemoveConstraint(model_name='orderevent', name='event_changes_status_or_tracking'),
    ]
