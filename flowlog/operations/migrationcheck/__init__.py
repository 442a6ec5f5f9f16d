"""What pending migrations would meet: what was made by hand, what locks tables, what breaks the running version.

Nothing here changes anything.
"""
