"""When an instance was made: nobody knows it of those that there are, so they stay without."""

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0023_dismissed_index'),
    ]

    operations = [
        migrations.AddField(
            model_name='evolutioninstance',
            name='created_at',
            field=models.DateTimeField(editable=False, null=True, verbose_name='created'),
        ),
        migrations.AlterField(
            model_name='evolutioninstance',
            name='created_at',
            field=models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, null=True, verbose_name='created'),
        ),
        migrations.AlterField(
            model_name='evolutioninstance',
            name='daily_cap',
            field=models.PositiveIntegerField(default=0, help_text='The most messages of any 24 hours. What exceeds it waits, in its order, until the limit allows it. A number that is new on WhatsApp should begin with 20 and rise over a month. 0: no limit.', verbose_name='messages in 24 hours'),
        ),
        migrations.AlterField(
            model_name='evolutioninstance',
            name='messages_per_minute',
            field=models.PositiveSmallIntegerField(default=20, help_text='20 is one message every 3 seconds, with random pauses. Fewer are safer; 0: no limit.', verbose_name='messages per minute'),
        ),
        migrations.AlterField(
            model_name='evolutioninstance',
            name='name',
            field=models.CharField(help_text='A short name for the system. A number that is connected already keeps the name that it has there.', max_length=100, unique=True, verbose_name='name'),
        ),
    ]
