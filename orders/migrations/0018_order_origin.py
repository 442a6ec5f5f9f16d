from django.db import migrations, models

TEXT = {'blank': True, 'db_default': '', 'default': '', 'editable': False}


class Migration(migrations.Migration):

    dependencies = [
        ('orders', '0017_item_words'),
    ]

    operations = [
        migrations.AddField('order', 'source', models.CharField(max_length=30, verbose_name='source', **TEXT)),
        migrations.AddField('order', 'external_id', models.CharField(max_length=100, **TEXT)),
        migrations.AddField('order', 'external_number', models.CharField(max_length=60, **TEXT)),
    ]
