"""Mail to the staff: the mailers of the settings, and the one of an installation without any."""
