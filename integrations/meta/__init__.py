"""WhatsApp's own API for businesses, which Meta runs itself (Cloud API): no phone that can lose its connection, or be
banned for being automatic, but rules: a text only within 24 hours of the customer's last one, else approved templates.
"""
