from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0006_carrier_news'),
    ]

    operations = [
        migrations.AddField(
            model_name='notificationlog',
            name='anonymised_at',
            field=models.DateTimeField(editable=False, null=True, verbose_name='anonymised'),
        ),
    ]
