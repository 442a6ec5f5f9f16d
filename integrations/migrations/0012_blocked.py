from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0011_reply_to_decide_index'),
    ]

    operations = [
        migrations.AddField(
            model_name='notificationlog',
            name='blocked',
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
    ]
