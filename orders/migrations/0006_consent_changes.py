import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

# Who wants no messages now has said so once: that stays, even if they change their mind.
FILL = """
INSERT INTO orders_consentchange (customer_id, opted_out, how, at)
SELECT id, true, opted_out_how, opted_out_at FROM orders_customer WHERE opted_out_at IS NOT NULL
"""


class Migration(migrations.Migration):

    dependencies = [
        ('orders', '0005_tracking_code_index'),
    ]

    operations = [
        migrations.AlterField(
            model_name='store',
            name='tells_customers',
            field=models.BooleanField(db_default=True, default=True, help_text='Without it no customer of this store is told anything of their orders. Only who answers SAIR or VOLTAR still gets the confirmation.', verbose_name='tells customers on WhatsApp'),
        ),
        migrations.CreateModel(
            name='ConsentChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('opted_out', models.BooleanField(verbose_name='wants no messages')),
                ('how', models.CharField(max_length=200, verbose_name='how')),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='when')),
                ('written_at', models.DateTimeField(null=True, verbose_name='written')),
                ('customer', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='consent_changes', to='orders.customer', verbose_name='customer')),
            ],
            options={
                'verbose_name': 'change of consent',
                'verbose_name_plural': 'changes of consent',
                'ordering': ('-pk',),
            },
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
    ]
