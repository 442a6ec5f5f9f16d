"""Version 1, which only grows: what a client reads may get more fields; what it sends goes on meaning the same."""
