"""The checklists before and after a deploy: what the guide asks a person to look at, looked at by a command."""
