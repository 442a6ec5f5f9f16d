"""The Evolution API, through which messages reach WhatsApp."""
