"""News of orders and messages, told to the shop's own systems as signed webhooks (`WEBHOOKS.md`)."""
