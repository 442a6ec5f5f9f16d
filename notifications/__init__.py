"""What to say to customers, when, and making sure that it is said once."""
