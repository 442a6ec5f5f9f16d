"""What the operator runs: checklists before and after a deploy, the check of migrations, the commands."""
