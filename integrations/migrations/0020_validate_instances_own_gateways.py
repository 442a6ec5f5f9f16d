from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    # Apart from what adds it, whose lock would last as long as the look at every row.
    dependencies = [
        ('integrations', '0019_instances_own_gateways'),
    ]

    operations = [
        ValidateConstraint('evolutioninstance', 'instance_own_server_own_key'),
    ]
