"""`make bench`: what things cost beside what they must cost at least, measured in the same run.

Each script below measures one thing; the code of its floor stands next to it. A figure says nothing by itself on a
machine that others use too: its ratio does. Not part of the suite, and nothing here asserts a time.
"""

# In the order in which they run.
SCRIPTS = ("status", "idle", "drain", "waiting", "bulk", "pages", "web", "incoming")
