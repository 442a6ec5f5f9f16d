from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0014_blocked_indexes'),
    ]

    operations = [
        migrations.AddField(
            model_name='evolutioninstance',
            name='question_until',
            field=models.DateTimeField(editable=False, null=True),
        ),
    ]
