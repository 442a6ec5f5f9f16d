"""Orders: the core domain. Knows nothing of the gateway nor of notifications."""
