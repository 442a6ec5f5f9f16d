import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('orders', '0025_store_quiet_hours'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='BulkJob',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('transition', models.CharField(max_length=30, verbose_name='what')),
                ('data', models.JSONField(db_default=models.Value({}, models.JSONField()), default=dict)),
                ('each', models.JSONField(db_default=models.Value({}, models.JSONField()), default=dict)),
                ('notify', models.BooleanField(db_default=True, default=True)),
                ('orders', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), size=None)),
                ('position', models.PositiveIntegerField(db_default=0, default=0)),
                ('applied', models.PositiveIntegerField(db_default=0, default=0)),
                ('refusals', models.JSONField(db_default=models.Value([], models.JSONField()), default=list)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='created')),
                ('moved_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('finished_at', models.DateTimeField(null=True, verbose_name='finished')),
                ('actor', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='who')),
            ],
            options={
                'verbose_name': 'bulk change',
                'verbose_name_plural': 'bulk changes',
                'ordering': ('-pk',),
                'indexes': [models.Index(condition=models.Q(('finished_at__isnull', True)), fields=['moved_at'], name='bulk_job_unfinished')],
            },
        ),
        migrations.CreateModel(
            name='OrderNote',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('text', models.CharField(max_length=1000, verbose_name='note')),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='when')),
                ('author', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='who')),
                ('order', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='internal_notes', to='orders.order', verbose_name='order')),
            ],
            options={
                'verbose_name': 'internal note',
                'verbose_name_plural': 'internal notes',
                'ordering': ('-pk',),
            },
        ),
    ]
