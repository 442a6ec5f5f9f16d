from datetime import timedelta

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import F, Q
from django.db.models.functions import Now

# Before there was an inbox nobody could say that an answer was handled: what is older was.
RECENT = timedelta(days=7)
BATCH = 2000


def handled_long_ago(apps, schema_editor):
    replies = apps.get_model("integrations", "CustomerReply").objects.using(schema_editor.connection.alias)
    old = replies.filter(Q(received_at__lt=Now() - RECENT) | Q(decided_at__isnull=False, customer__isnull=True))
    waiting = old.filter(handled_at__isnull=True).order_by("pk").values_list("pk", flat=True)
    while pks := list(waiting[:BATCH]):
        replies.filter(pk__in=pks).update(handled_at=F("received_at"))


class Migration(migrations.Migration):
    # In short transactions, and the index built while the table stays in use.
    atomic = False

    dependencies = [
        ('integrations', '0027_replies_handled'),
    ]

    operations = [
        migrations.RunPython(handled_long_ago, migrations.RunPython.noop, elidable=True),
        AddIndexConcurrently(
            model_name='customerreply',
            index=models.Index(condition=models.Q(('deleted_at__isnull', True), ('handled_at__isnull', True), models.Q(('customer__isnull', True), models.Q(('wish__in', ('out', 'in')), _negated=True), _connector='OR')), fields=['received_at', 'id'], name='reply_open'),
        ),
    ]
