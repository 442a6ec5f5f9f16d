"""Tracking codes that were stored as they had been pasted become what carriers call their parcels."""

from django.db import migrations

from orders.codes import compact_tracking

_GOOD = r"^[A-Z]{2}[0-9]{9}[A-Z]{2}$"


def tidy(apps, schema_editor):
    orders = apps.get_model("orders", "Order").objects.using(schema_editor.connection.alias)
    untidy = orders.exclude(tracking_code="").exclude(tracking_code__regex=_GOOD)
    for pk, stored in untidy.values_list("pk", "tracking_code").iterator():
        code = compact_tracking(stored)
        if code and code != stored:
            # What somebody has edited meanwhile is theirs.
            orders.filter(pk=pk, tracking_code=stored).update(tracking_code=code)


class Migration(migrations.Migration):
    dependencies = [("orders", "0009_documents_and_parcels")]

    operations = [migrations.RunPython(tidy, migrations.RunPython.noop, elidable=True)]
