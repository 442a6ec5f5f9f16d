from django.db import migrations


class Migration(migrations.Migration):
    # A crash may forget a minute's requests: none of them then waits for the disk.

    dependencies = [
        ('orders', '0031_list_indexes'),
    ]

    operations = [
        migrations.RunSQL(
            'ALTER TABLE orders_requestcounter SET UNLOGGED',
            'ALTER TABLE orders_requestcounter SET LOGGED',
        ),
    ]
