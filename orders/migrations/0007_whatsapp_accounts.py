from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('orders', '0006_consent_changes'),
    ]

    operations = [
        migrations.AddField(
            model_name='customer',
            name='account',
            field=models.GeneratedField(db_persist=True, expression=models.Func(models.Func(models.Func(models.F('phone'), models.Value('^(\\+55[1-9][0-9])([6-9][0-9]{7})$'), models.Value('\\19\\2'), function='regexp_replace', output_field=models.CharField()), models.Value('^(\\+54)([1-8][0-9]{9})$'), models.Value('\\19\\2'), function='regexp_replace', output_field=models.CharField()), models.Value('^(\\+52)1([2-9][0-9]{9})$'), models.Value('\\1\\2'), function='regexp_replace', output_field=models.CharField()), output_field=models.CharField(blank=True, max_length=16)),
        ),
        migrations.AddField(
            model_name='order',
            name='ordered_as',
            field=models.CharField(blank=True, db_default='', help_text='Who the messages of this order greet, if it is not the customer whose phone it is.', max_length=120, verbose_name='in the name of'),
        ),
    ]
