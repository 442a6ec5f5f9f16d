"""A store's quiet hours and its time zone. Without them it writes at any hour, as before."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('orders', '0024_staff_keep_their_stores'),
    ]

    operations = [
        migrations.AddField(
            model_name='store',
            name='quiet_from',
            field=models.TimeField(blank=True, null=True, verbose_name='quiet from'),
        ),
        migrations.AddField(
            model_name='store',
            name='quiet_until',
            field=models.TimeField(blank=True, help_text='Between the two customers are not written to: what may wait goes when the quiet hours end. That the order is out for delivery, or that nobody was at home, is told at once. Leave both empty to write at any hour.', null=True, verbose_name='quiet until'),
        ),
        migrations.AddField(
            model_name='store',
            name='time_zone',
            field=models.CharField(blank=True, db_default='', default='', max_length=40, verbose_name='time zone'),
        ),
    ]
