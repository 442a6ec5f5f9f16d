from decimal import Decimal

import django.core.validators
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models import Q

AMOUNT = {
    'db_default': Decimal(0),
    'decimal_places': 2,
    'default': Decimal(0),
    'max_digits': 10,
    'validators': [django.core.validators.MinValueValidator(Decimal(0))],
}


class Migration(migrations.Migration):

    dependencies = [
        ('orders', '0012_used_forms'),
    ]

    operations = [
        migrations.AddField('order', 'freight', models.DecimalField(verbose_name='freight', **AMOUNT)),
        migrations.AddField('order', 'discount', models.DecimalField(verbose_name='discount', **AMOUNT)),
        migrations.AddField(
            'orderitem',
            'exact_quantity',
            models.DecimalField(decimal_places=3, editable=False, max_digits=9, null=True, verbose_name='quantity'),
        ),
        # The column keeps its name, which the release before reads and writes.
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveConstraint('orderitem', 'item_quantity_positive'),
                migrations.RemoveField('orderitem', 'quantity'),
                migrations.AddField(
                    'orderitem',
                    'whole_quantity',
                    models.PositiveIntegerField(
                        db_column='quantity',
                        default=1,
                        editable=False,
                        validators=[django.core.validators.MinValueValidator(1)],
                        verbose_name='quantity',
                    ),
                ),
                migrations.AddConstraint(
                    'orderitem',
                    models.CheckConstraint(condition=Q(whole_quantity__gte=1), name='item_quantity_positive'),
                ),
            ],
        ),
        AddConstraintNotValid(
            'order',
            models.CheckConstraint(condition=Q(freight__gte=0, discount__gte=0), name='order_charges_not_negative'),
        ),
        AddConstraintNotValid(
            'orderitem',
            models.CheckConstraint(condition=Q(exact_quantity__gt=0), name='item_exact_quantity_positive'),
        ),
    ]
