import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0029_shops'),
        ('orders', '0028_data_imports'),
    ]

    operations = [
        migrations.AddField(
            model_name='notificationlog',
            name='store',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='orders.store', verbose_name='store'),
        ),
    ]
