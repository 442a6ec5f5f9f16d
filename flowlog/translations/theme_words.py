"""Words of the admin's theme and of the task list, which bring no Portuguese of their own, or not the best.

Listed here, so that they are found when the catalog is brought up to date; nothing imports this.
"""

from django.utils.translation import gettext_noop as _
from django.utils.translation import ngettext

THEME = (
    _("Select record"), _("Select action"), _("Select action to run"), _("Run the selected action"), _("Value"),
    _("From"), _("To"), _("Date from"), _("Date to"), _("Select value"), _("Welcome back to"), _("Welcome"),
    _("Choose file to upload"),
    _("Type to search"), _("You have been successfully logged out from the administration"), _("No data"),
    _("All applications"), _("True"), _("False"), _("Apply Filters"), _("Filters"), _("Select"), _("Recent searches"),
    _("Nothing matched your search"), _("Cancel"), _("Submit"), _("This item will be deleted."), _("Click to cancel"),
    _("Go back"), _("Previous"),
    _("Next"), _("Search apps and models..."), _("Available shortcuts"), _("Global shortcuts"), _("Open command tool"),
    _("Open shortcuts list"), _("Toggle sidebar"), _("Toggle dark/light mode"), _("Changelist shortcuts"),
    _("Toggle filter"), _("Create new record"), _("Command tool shortcuts"), _("Navigate"), _("Open selection"),
    _("Open selection in new tab"), _("General"), _("Light"), _("Dark"), _("System"), _("Return to site"),
    _("Select all %(total_count)s %(module_name)s"),
    ngettext("%(total_count)s selected", "All %(total_count)s selected", 1),
    _("%(full_result_count)s total"), _("Toggle password visibility"), _("Date"), _("Add row"),
    _("Forgotten your password or username?"), _("Add another %(verbose_name)s"), _("Save and add another"),
    _("After you've created a user, you’ll be able to edit more user options."),
    _(
        "Deleting the %(object_name)s '%(escaped_object)s' would result in deleting related objects, "
        "but your account doesn't have permission to delete the following types of objects:"
    ),
    _(
        "Deleting the %(object_name)s '%(escaped_object)s' would require deleting the following "
        "protected related objects:"
    ),
    _(
        'Are you sure you want to delete the %(object_name)s "%(escaped_object)s"? '
        "All of the following related items will be deleted:"
    ),
)  # fmt: skip


# Django's own Portuguese says them in the masculine, whatever was saved.
SAVED = (
    _("The {name} “{obj}” was added successfully."),
    _("You may edit it again below."),
    _("The {name} “{obj}” was added successfully. You may add another {name} below."),
    _("The {name} “{obj}” was changed successfully. You may edit it again below."),
    _("The {name} “{obj}” was changed successfully. You may add another {name} below."),
    _("The {name} “{obj}” was changed successfully."),
    _("The %(name)s “%(obj)s” was deleted successfully."),
)  # fmt: skip


# Django's own speaks of objects and of this site of administration.
HISTORY = (_("This object doesn’t have a change history. It probably wasn’t added via this admin site."),)

# Django's own Portuguese writes them with capitals, as English does.
CALENDAR = (
    _("January"), _("February"), _("March"), _("April"), _("May"), _("June"), _("July"), _("August"), _("September"),
    _("October"), _("November"), _("December"), _("Monday"), _("Tuesday"), _("Wednesday"), _("Thursday"), _("Friday"),
    _("Saturday"), _("Sunday"),
)  # fmt: skip


def found(counter: int) -> str:
    """The theme's own line breaks are part of the text."""
    return ngettext(
        '\n            Found <span class="font-medium text-important">%(counter)s</span> result'
        " in %(time)s seconds\n        ",
        '\n            Found <span class="font-medium text-important">%(counter)s</span> results'
        " in %(time)s seconds\n        ",
        counter,
    )


def correct(number: int) -> str:
    """Django's own Portuguese speaks of an error, whatever was forgotten."""
    return ngettext("Please correct the error below.", "Please correct the errors below.", number)


TASKS = (
    _("task result"), _("task results"), _("Celery Results"), _("Task ID"), _("Task Name"), _("Task State"),
    _("Task Positional Arguments"), _("Task Named Arguments"), _("Worker"), _("Result Data"), _("Traceback"),
    _("Created DateTime"), _("Started DateTime"), _("Completed DateTime"),
    _("Celery ID for the Task that was run"), _("Name of the Task which was run"),
    _("JSON representation of the positional arguments used with the task"),
    _("JSON representation of the named arguments used with the task"), _("Current state of the task being run"),
    _("Worker that executes the task"),
    _("The data returned by the task.  Use content_encoding and content_type fields to read."),
    _("Datetime field when the task result was created in UTC"),
    _("Datetime field when the task was started in UTC"), _("Datetime field when the task was completed in UTC"),
    _("Text of the traceback if the task generated one"),
)  # fmt: skip
