from django.db import migrations


def staff_of_all_stores(apps, schema_editor):
    """Whoever could log in until now saw every store, and goes on doing so."""
    StoreStaff = apps.get_model('orders', 'StoreStaff')
    Store = apps.get_model('orders', 'Store')
    User = apps.get_model('auth', 'User')
    people = User.objects.filter(is_staff=True).values_list('pk', flat=True)
    stores = list(Store.objects.values_list('pk', flat=True))
    StoreStaff.objects.bulk_create(
        (StoreStaff(user_id=person, store_id=store) for person in people for store in stores), ignore_conflicts=True
    )


class Migration(migrations.Migration):

    dependencies = [
        ('orders', '0023_staff_of_stores'),
    ]

    operations = [
        migrations.RunPython(staff_of_all_stores, migrations.RunPython.noop),
    ]
