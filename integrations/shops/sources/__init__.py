"""A file for each system in which shops sell: whether the news is theirs, and what it says."""
