from django.db import migrations

# What is about no order and may go to the customer of a store that sends by another's number.
EVENTS = ('opt_out', 'opt_in', 'free_answer')


def fill(apps, schema_editor):
    """From the snapshots, in whose name they are; of all others the number says it."""
    NotificationLog = apps.get_model('integrations', 'NotificationLog')
    Store = apps.get_model('orders', 'Store')
    messages = NotificationLog.objects.filter(order=None, store=None, event__in=EVENTS)
    for store in Store.objects.order_by('pk'):
        messages.filter(snapshot__store__id=store.pk).exclude(instance__store=store).update(store=store)


class Migration(migrations.Migration):

    # Each store's rows by themselves; what was filled before an interruption is passed by when it is begun again.
    atomic = False

    dependencies = [
        ('integrations', '0031_webhook_sources'),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
