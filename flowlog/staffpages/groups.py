"""The groups of the staff, as `manage.py bootstrap` makes them."""

SERVICE_GROUP = "Atendimento"
MANAGEMENT_GROUP = "Gerência"
OPERATION_GROUP = "Operação"
