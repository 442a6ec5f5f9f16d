import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0025_instance_created_at'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='customerreply',
            options={'ordering': ('pk',), 'permissions': (('answer_customerreply', 'Can answer a customer'),), 'verbose_name': "customer's reply", 'verbose_name_plural': "customers' replies"},
        ),
        migrations.AddField(
            model_name='customerreply',
            name='file_name',
            field=models.CharField(blank=True, db_default='', default='', max_length=200, verbose_name='file'),
        ),
        migrations.AddField(
            model_name='customerreply',
            name='handled_at',
            field=models.DateTimeField(editable=False, null=True, verbose_name='handled'),
        ),
        migrations.AddField(
            model_name='customerreply',
            name='handled_by',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='handled by'),
        ),
    ]
