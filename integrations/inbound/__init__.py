"""What the gateway and the customers tell us: webhooks taken in raw, and worked off afterwards."""
