"""Forms of a connection: what proves that its news is the system's, what its statuses mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.db.models import TextChoices
from django.utils.translation import gettext as _
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

LONGEST = 500


class CredentialsForm(forms.Form):
    """What the source asks for. Secrets are not shown again: one that is left empty stays as it is.

    Those that are sent go with the other values, such as the system's address, that they were entered with: if one of
    these is another, they are asked for again. Else whoever may edit a connection could have them sent to a server of
    their own. What the system has granted nobody can enter: it is forgotten then, and granted anew.

    A key to ask the system with is of use with all else that asking takes, and is not taken without it.
    """

    def __init__(self, source: Any, kept: Mapping[str, str], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._kept = kept
        self._secrets = [each.name for each in source.CREDENTIALS if each.secret]
        self._sent = [each.name for each in source.CREDENTIALS if each.secret and not each.signs]
        self._granted = {each.name for each in source.CREDENTIALS if each.granted}
        self._forgotten: set[str] = set()
        self._needed_to_ask: tuple[str, ...] = getattr(source, "NEEDED_TO_ASK", ())
        for each in source.CREDENTIALS:
            has = bool(kept.get(each.name))
            stays = _("It is stored; leave this empty to keep it.") if each.secret and has else ""
            self.fields[each.name] = forms.CharField(
                label=each.label,
                help_text=f"{each.help} {stays}".strip(),
                required=each.required and not (each.granted or (each.secret and has)),
                max_length=LONGEST,
                initial="" if each.secret else kept.get(each.name, ""),
                widget=UnfoldAdminPasswordWidget({"autocomplete": "new-password"})
                if each.secret
                else UnfoldAdminTextInputWidget({"autocomplete": "off"}),
            )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        elsewhere = any(
            self._kept.get(name, "") != cleaned.get(name, "") for name in self.fields.keys() - {*self._secrets}
        )
        for name in self._sent:
            if not (elsewhere and self._kept.get(name) and not cleaned.get(name)) or name in self.errors:
                continue
            if name in self._granted:
                self._forgotten.add(name)
            else:
                self.add_error(name, _("Enter it again: a stored secret is used with no other system."))
        self._want_all_to_ask(cleaned)
        return cleaned

    def _want_all_to_ask(self, cleaned: Mapping[str, Any]) -> None:
        has = {name: cleaned.get(name) or (name in self._secrets and self._kept.get(name)) for name in self.fields}
        if not any(has[name] for name in self._needed_to_ask if name in self._sent):
            return
        for name in self._needed_to_ask:
            if not has[name] and name not in self.errors:
                self.add_error(name, _("Without this the system cannot be asked: enter it, too."))

    def credentials(self) -> dict[str, str]:
        """All of them, as they are to be kept from now on."""
        entered = {name: self.cleaned_data.get(name, "") for name in self.fields}
        stays = {*self._secrets} - self._forgotten
        return {name: text or (self._kept.get(name, "") if name in stays else "") for name, text in entered.items()}


class MappingForm(forms.Form):
    """A choice among the meanings for each of the system's statuses; empty is what it usually means."""

    def __init__(
        self,
        meanings: type[TextChoices],
        statuses: Iterable[str],
        usual: Mapping[str, str],
        own: Mapping[str, str],
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._names: dict[str, str] = {}
        for number, status in enumerate(statuses):
            self._names[f"status_{number}"] = status
            usually = meanings(usual[status]).label if status in usual else _("nobody has said yet")
            choices = [("", _("as usual: %(meaning)s") % {"meaning": usually}), *meanings.choices]
            self.fields[f"status_{number}"] = forms.ChoiceField(
                label=status,
                choices=choices if status in usual else [("", usually), *meanings.choices],
                required=False,
                initial=own.get(status, ""),
                widget=UnfoldAdminSelectWidget,
            )

    def mapping(self) -> dict[str, str]:
        """What was chosen, by the system's words."""
        chosen = self.cleaned_data
        return {status: chosen[name] for name, status in self._names.items() if chosen.get(name)}
