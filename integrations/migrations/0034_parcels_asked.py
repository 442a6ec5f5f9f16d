import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0033_carrier_news_indexes'),
    ]

    operations = [
        migrations.AddField('carrierconnection', 'round_since', models.DateTimeField(editable=False, null=True)),
        migrations.CreateModel(
            name='ParcelAsked',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.CharField(max_length=60)),
                ('asked_at', models.DateTimeField()),
                ('connection', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='integrations.carrierconnection')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=['connection', 'code'], name='parcel_asked_once')],
            },
        ),
    ]
