import django.contrib.auth.models
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('orders', '0021_undo'),
        ('auth', '0012_alter_user_first_name_max_length'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Member',
            fields=[
            ],
            options={
                'verbose_name': 'member of the team',
                'verbose_name_plural': 'people of the team',
                'default_permissions': ('add', 'change', 'view'),
                'proxy': True,
                'indexes': [],
                'constraints': [],
            },
            bases=('auth.user',),
            managers=[
                ('objects', django.contrib.auth.models.UserManager()),
            ],
        ),
        migrations.AlterModelOptions(
            name='store',
            options={'ordering': ('name',), 'permissions': (('work_in_all_stores', 'Can work in all stores'),), 'verbose_name': 'store', 'verbose_name_plural': 'stores'},
        ),
        migrations.CreateModel(
            name='StoreStaff',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('store', models.ForeignKey(on_delete=django.db.models.deletion.DB_CASCADE, related_name='memberships', to='orders.store', verbose_name='store')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.DB_CASCADE, related_name='memberships', to=settings.AUTH_USER_MODEL, verbose_name='person')),
            ],
            options={
                'verbose_name': "member of a store's staff",
                'verbose_name_plural': 'staff of the stores',
                'constraints': [models.UniqueConstraint(fields=('user', 'store'), name='staff_once_per_store')],
            },
        ),
    ]
