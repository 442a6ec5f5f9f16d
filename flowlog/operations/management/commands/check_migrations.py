"""`manage.py check_migrations`: what pending migrations would meet, before anything is migrated or rolled back."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as DatabaseError
from django.db import connection
from django.utils.translation import gettext as _

from flowlog.operations.migrationcheck.report import Advice, Finding, commands, findings, orders
from flowlog.operations.migrationcheck.rollback import UnknownRevisionError, unknown_to
from flowlog.translations.argparse_words import DJANGOS_OPTIONS

SAFE, ADVICE, COULD_NOT_CHECK = 0, 1, 2


class Command(BaseCommand):
    help = _(
        "Say what of the pending migrations was already made by hand, and which lock tables or break the running "
        "version. Changes nothing by itself. Exits with 0 if `migrate` may simply run, 1 with advice, 2 if it could "
        "not check."
    )
    suppressed_base_arguments = DJANGOS_OPTIONS
    requires_system_checks: Any = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help=_("For scripts."))
        parser.add_argument(
            "--against", metavar="REVISION",
            help=_("Say which applied migrations this older revision does not know, and what of them it would miss."),
        )  # fmt: skip

        parser.add_argument("--apply", action="store_true", help=_("Migrate afterwards, unless there is advice."))
        parser.add_argument(
            "--accept", action="store_true", help=_("With --apply: migrate whatever the advice. Read it before."),
        )  # fmt: skip
        parser.add_argument(
            "--apply-advice", action="store_true",
            help=_("Carry out the commands that it advises for what was made by hand, and look again."),
        )  # fmt: skip

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            found = [] if options["against"] else self._pending(**options)
            advice = self._against(options["against"]) if options["against"] else any(e.needs_advice for e in found)
        except (DatabaseError, UnknownRevisionError) as error:
            reason = str(error).strip().partition("\n")[0]
            if isinstance(error, UnknownRevisionError):
                self.stderr.write(_("There is no such revision here: %(reason)s") % {"reason": reason})
            else:
                self.stderr.write(_("The database could not be looked at: %(reason)s") % {"reason": reason})
            sys.exit(COULD_NOT_CHECK)
        if advice and not options["accept"]:
            sys.exit(ADVICE)
        if found and options["apply"]:
            call_command("migrate", interactive=False, stdout=self.stdout)

    def _pending(self, **options: Any) -> list[Finding]:
        """What is pending, told; after the advice was carried out, if it is to be."""
        found = findings()
        if options["json"]:
            self.stdout.write(json.dumps(_as_data(found), ensure_ascii=False, indent=2))
        else:
            self._tell(found)
        if options["apply_advice"] and self._carry_out(found):
            found = findings()
            self._tell(found)
        return found

    def _carry_out(self, found: list[Finding]) -> bool:
        """What would be typed, but for the last `migrate`; whether there was anything to do, and it could be done."""
        wanted = orders(found)
        if not wanted or any(each.advice is Advice.UNDO for each in found[: len(wanted)]):
            return False
        for order in wanted:
            try:
                with connection.cursor() as cursor:
                    for statement in order.sql:
                        cursor.execute(statement)
                call_command("migrate", order.app, order.name, fake=order.fake, interactive=False, stdout=self.stdout)
            except DatabaseError as error:
                reason = str(error).strip().partition("\n")[0]
                words = _("It stopped at %(migration)s: %(reason)s. Mend what it says; it goes on from there.")
                raise CommandError(words % {"migration": f"{order.app}.{order.name}", "reason": reason}) from error
        return True

    def _against(self, revision: str) -> bool:
        """Whether the revision would miss something."""
        unknown = unknown_to(revision)
        if not unknown:
            self.stdout.write(_("✔ The database has no migration that this revision does not know."))
            return False
        names = ", ".join(f"{each.app}.{each.name}" for each in unknown)
        self.stdout.write(
            _("The database has migrations that this revision does not know: %(names)s. The schema stays as it is.")
            % {"names": names}
        )
        for each in unknown:
            for words in each.breaks:
                self.stdout.write(f"{_('ATTENTION')}: {each.app}.{each.name} {words}.")
        breaking = any(each.breaks for each in unknown)
        if breaking:
            self.stdout.write(_("If this revision fails on it, mend the new code instead of going back."))
        return breaking

    def _tell(self, found: list[Finding]) -> None:
        if not found:
            self.stdout.write(_("✔ No migration is pending."))
        for each in found:
            self._tell_one(each)
        if typed := commands(found):
            self.stdout.write("\n" + _("Run, in this order:"))
            self.stdout.write("\n".join(typed))

    def _tell_one(self, each: Finding) -> None:
        mark = "⚠" if each.needs_advice else "✔"
        self.stdout.write(f"{mark} {each.app}.{each.name}: {_words(each.advice)}")
        if each.advice is not Advice.APPLY:
            for part in each.schema_objects:
                self.stdout.write(f"    {_part_words(part.done, part.partly_applied)}: {part.name}")
        if each.advice is Advice.COMPLETE:
            self.stdout.write("    " + _("Complete it with SQL, and then fake it, as below."))
        if each.runs_code and each.advice is Advice.APPLY:
            self.stdout.write("    " + _("It also runs code or SQL of its own, which cannot be checked."))
        for problem in each.problems:
            self.stdout.write("    ⚠ " + _("could not be compared with the database: %(reason)s") % {"reason": problem})
        for words in (*each.breaks, *each.locks):
            self.stdout.write(f"    ⚠ {words}")


def _words(advice: Advice) -> str:
    return {
        Advice.APPLY: _("nothing of it was made by hand; migrate applies it."),
        Advice.FAKE: _("all of it was already made by hand, as it should be: fake it."),
        Advice.COMPLETE: _(
            "only a part of it was made by hand, or otherwise than it should be. Faking it now would be wrong."
        ),
        Advice.UNDO: _(
            "something of it was made by hand, and it also does what neither SQL nor faking could. Remove what was "
            "made by hand (save its content first), and let migrate apply it."
        ),
    }[advice]


def _part_words(done: bool, partly_applied: str) -> str:
    if partly_applied:
        return f"✘ {_('exists, but')} {partly_applied}"
    return f"✔ {_('exists already')}" if done else f"· {_('missing')}"


def _as_data(found: list[Finding]) -> dict[str, Any]:
    return {
        "safe": not any(each.needs_advice for each in found),
        "migrations": [asdict(each) | {"verdict": each.advice, "sql": each.sql} for each in found],
        "commands": commands(found),
    }
