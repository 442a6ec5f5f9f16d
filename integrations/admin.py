"""Django looks for admin pages here."""

import integrations.carriers.admin
import integrations.inbound.admin
import integrations.inbound.reply_admin
import integrations.instances.admin
import integrations.messages.admin
import integrations.meta.admin
import integrations.shops.admin  # noqa: F401
