from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    # Apart from what adds them, whose lock would last as long as the look at every row.
    dependencies = [
        ('orders', '0013_freight_discount_parts'),
    ]

    operations = [
        ValidateConstraint('order', 'order_charges_not_negative'),
        ValidateConstraint('orderitem', 'item_exact_quantity_positive'),
    ]
