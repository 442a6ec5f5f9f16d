from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('flowlog', '0001_heartbeats_alarms'),
    ]

    operations = [
        migrations.AddField(
            model_name='alarm',
            name='over_since',
            field=models.DateTimeField(null=True),
        ),
    ]
