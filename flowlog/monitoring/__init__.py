"""Is it alive? A system that stands still says so: heartbeats, checks, metrics, alarms."""
