"""The outside world: the Evolution API (WhatsApp), and the log of what was sent through it."""
