from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [('integrations', '0016_webhook_tallies')]

    operations = [
        migrations.AddField("evolutioninstance", "ask_at", models.DateTimeField(null=True, editable=False)),
        migrations.AddField("evolutioninstance", "troubled_since", models.DateTimeField(null=True, editable=False)),
    ]
