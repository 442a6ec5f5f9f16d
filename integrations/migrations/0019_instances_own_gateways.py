from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models import Q

import flowlog.secrets_at_rest
import integrations.gateways.registry


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0019_order_within_one_event'),
    ]

    operations = [
        migrations.AddField(
            'evolutioninstance',
            'gateway',
            models.CharField(choices=integrations.gateways.registry.choices, db_default='evolution', default='evolution', max_length=20, verbose_name='gateway'),
        ),
        migrations.AddField(
            'evolutioninstance',
            'api_url',
            models.CharField(blank=True, db_default='', default='', help_text='Where its gateway is, such as https://evolution2.example.com. Empty: the server of EVOLUTION_API_URL.', max_length=200, verbose_name='own address of its server'),
        ),
        migrations.AddField(
            'evolutioninstance',
            'api_key',
            flowlog.secrets_at_rest.EncryptedTextField(blank=True, db_default='', default='', help_text="The key of its server, or the instance's own token. It is stored encrypted and never shown again; left empty it stays as it is. Without one, EVOLUTION_API_KEY.", verbose_name='own key'),
        ),
        AddConstraintNotValid(
            'evolutioninstance',
            models.CheckConstraint(condition=Q(api_url='') | ~Q(api_key=''), name='instance_own_server_own_key'),
        ),
    ]
