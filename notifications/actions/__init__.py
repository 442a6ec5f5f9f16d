"""What people do with messages and instances by hand, one file each: permission, change and audit entry in one.

The admin and `manage.py notifications` call the same functions. `actor` is the person who asks, and gets a
`PermissionDenied` before anything happens without the permission, or for a row of a store that they do not work for.
None is the command line, which may do everything and is named as such in the log.
"""
