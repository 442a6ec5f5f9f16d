"""Connected systems in the admin: connecting one, how it stands, and what its statuses mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Q, QuerySet, TextChoices
from django.db.models.functions import Now
from django.forms import ChoiceField
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.widgets import UnfoldAdminSelectWidget

from flowlog.secrets_at_rest import NoKey, Unreadable
from flowlog.staffpages.base import label_column
from flowlog.staffpages.once import once
from flowlog.times import moment
from flowlog.translations import Words
from integrations.inbound.wakeups import Waker
from integrations.sources import health, statuses
from integrations.sources.forms import CredentialsForm, MappingForm
from integrations.sources.models import Connection, new_token
from integrations.sources.pages import StepPages
from integrations.sources.worklist import again, wake
from orders.models import Store

STATE_WORDS: dict[str, Words] = {
    health.OK: gettext_lazy("news comes in"),
    health.OFF: gettext_lazy("switched off"),
    health.NEW: gettext_lazy("nothing yet"),
    health.SILENT: gettext_lazy("silent"),
    health.REFUSED: gettext_lazy("refused"),
    health.TROUBLE: gettext_lazy("trouble"),
    health.UNREADABLE: gettext_lazy("credentials unreadable"),
}
STATE_COLOURS = {
    health.OK: "success", health.OFF: "", health.NEW: "info", health.SILENT: "danger", health.REFUSED: "danger",
    health.TROUBLE: "danger", health.UNREADABLE: "danger",
}  # fmt: skip


class ConnectionAdmin(StepPages):
    """What a room adds: its sources, their meanings and guides, and how its connections are asked and spoken of."""

    sources: ClassVar[Mapping[str, Any]]
    meanings: ClassVar[type[TextChoices]]
    # A status that it has, and that waits for a meaning.
    unknown_result: ClassVar[str]
    steps: Callable[[str], Sequence[Words]]
    state_words: Callable[[Any, str], str]
    polling: Any
    waker: ClassVar[Waker]
    panel_words: ClassVar[Words]

    list_display = ("name", "source_title", "state_label", "last_news")
    sortable_by = ()
    fields = ("store", "source", "name", "is_on")
    change_form_template = "admin/integrations/connection/change_form.html"

    def step_views(self) -> Mapping[str, Callable[..., HttpResponse]]:
        return {
            "credentials": self.credentials_view,
            "mapping": self.mapping_view,
            "test": self.test_view,
            "token": self.token_view,
        }

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """With what troubles its rows, asked once for all of them."""
        found: Any = super().get_changelist_instance(request)
        troubles = health.troubles(self.model, [row.pk for row in found.result_list])
        for row in found.result_list:
            row.troubles = troubles
        return found

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """It is switched off: what came in says by which system."""
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Connection | None = None) -> Any:  # noqa: ARG002
        return ("store", "source_title") if obj else ()

    def get_fields(self, request: HttpRequest, obj: Connection | None = None) -> Any:  # noqa: ARG002
        return ("store", "source_title", "name", "is_on") if obj else ("store", "source", "name")

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """The system is one of those that there are."""
        if db_field.name != "source":
            return super().formfield_for_dbfield(db_field, request, **kwargs)
        choices = [(name, source.TITLE) for name, source in self.sources.items()]
        return ChoiceField(label=capfirst(db_field.verbose_name), choices=choices, widget=UnfoldAdminSelectWidget)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"store": Store.get_default().pk, **super().get_changeform_initial_data(request)}

    def save_model(self, request: HttpRequest, obj: Connection, form: Any, change: bool) -> None:  # noqa: ARG002
        """Only what was edited is written: the rest belongs to who takes its news in."""
        obj.save(update_fields=[*form.changed_data] if change else None)

    def response_post_save_add(self, request: HttpRequest, obj: Connection) -> HttpResponseRedirect:  # noqa: ARG002
        """On to the second step."""
        return redirect(self._address("credentials", obj.pk))

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        """The form, and above it how the connection stands and what to enter in the system's panel."""
        connection = self.get_object(request, object_id)
        context = self._standing(request, connection) if connection else {}
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def _standing(self, request: HttpRequest, connection: Any) -> dict[str, Any]:
        state = health.state(connection)
        may = self.has_change_permission(request, connection)
        buttons = (
            *self.own_buttons(connection),
            (_("Credentials"), self._address("credentials", connection.pk)),
            (_("What its statuses mean"), self._address("mapping", connection.pk)),
            (_("New address"), self._address("token", connection.pk)),
        )
        news = connection.news.model._meta
        return {
            "connection": connection,
            "state": (STATE_COLOURS[state], STATE_WORDS[state]),
            "state_words": self.state_words(connection, state),
            "its_address": connection.address if may and self._has_webhook(connection) else "",
            "more_addresses": self.more_addresses(connection) if may else (),
            "panel_words": self.panel_words,
            "steps": self.steps(connection.source) if may else (),
            "is_complete": self._is_complete(connection),
            "buttons": buttons if may else (),
            "test_address": self._address("test", connection.pk) if may else "",
            "news_address": reverse(
                f"admin:{news.app_label}_{news.model_name}_changelist",
                query={"connection__id__exact": connection.pk},
            ),
        }

    def own_buttons(self, connection: Any) -> Sequence[tuple[Words, str]]:  # noqa: ARG002
        """What else can be done with such a connection: labels and addresses, the first before all others."""
        return ()

    def more_addresses(self, connection: Any) -> Sequence[tuple[Words, str]]:  # noqa: ARG002
        """What else is entered in the system's panel: what it is called there, and the address."""
        return ()

    @once
    def credentials_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What proves that its news is the system's, and lets us ask it. What waited or failed is tried now."""
        connection = self._changeable(request, pk)
        source = self._source(connection)
        try:
            kept = connection.reveal()
        except Unreadable as error:
            kept = {}
            self.message_user(request, str(error), messages.WARNING)
        form = CredentialsForm(source, kept, request.POST if request.method == "POST" else None)
        if form.is_valid():
            try:
                connection.keep(form.credentials())
                connection.credentials.token()  # before anything is written
            except NoKey as error:
                form.add_error(None, str(error))
            else:
                connection.last_error, connection.unreadable_since, connection.poll_due_at = "", None, Now()
                connection.save(update_fields=["credentials", "last_error", "unreadable_since", "poll_due_at"])
                self.log_change(request, connection, _("Credentials entered."))
                words = _("Stored. Now do the steps below.")
                self.message_user(request, self._woken(words, wake(connection.news.all())), messages.SUCCESS)
                return redirect(self._address("change", pk))
        words = _("Credentials of %(name)s") % {"name": connection.name}
        return self._page(request, connection, words, form=form, hint=_("They are stored encrypted."))

    @once
    def mapping_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What the system's statuses mean. What waited for that is taken in now."""
        connection = self._changeable(request, pk)
        source = self._source(connection)
        posted = request.POST if request.method == "POST" else None
        known = statuses.known(connection, source.MEANINGS)
        form = MappingForm(self.meanings, known, source.MEANINGS, connection.mapping, posted)
        if form.is_valid():
            former, connection.mapping = connection.mapping, form.mapping()
            connection.save(update_fields=["mapping"])
            number = again(self._waits_for_a_meaning(connection, former))
            self.log_change(request, connection, _("Meanings of statuses changed."))
            words = _("Stored. From now on the statuses mean that.")
            self.message_user(request, self._woken(words, number), messages.SUCCESS)
            return redirect(self._address("change", pk))
        words = _("What the statuses of %(name)s mean") % {"name": connection.name}
        hint = _("What each word of that system means for the order. The customer is told of the last step alone.")
        return self._page(request, connection, words, form=form, hint=hint)

    def _waits_for_a_meaning(self, connection: Any, former: Mapping[str, str]) -> QuerySet[Any]:
        """What has a status without a meaning, and what a person was to look at because of one that means another thing
        now, unless somebody did."""
        now = connection.mapping
        changed = [status for status in {*former, *now} if former.get(status) != now.get(status)]
        found = Q(result=self.unknown_result)
        for status in changed:
            found |= Q(result__in=("staff", "refused"), seen_at__isnull=True, statuses__contains=[status])
        rows: QuerySet[Any] = connection.news.filter(found)
        return rows

    def _woken(self, words: str, number: int) -> str:
        """The words, and how many rows are looked at again; these are worked off soon."""
        if not number:
            return words
        transaction.on_commit(self.waker.wake, robust=True)
        more = ngettext("%(number)d is looked at again.", "%(number)d are looked at again.", number)
        return f"{words} {more % {'number': number}}"

    def test_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask the system, if it can be asked; else say what was last heard."""
        connection = self._changeable(request, pk)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.polling.can_poll(connection):
            state = health.state(connection)
            level = messages.SUCCESS if state == health.OK else messages.WARNING
            self.message_user(request, self.state_words(connection, state), level)
            return redirect(self._address("change", pk))
        number = self.polling.ask(connection)
        if number is None:
            connection.refresh_from_db(fields=["last_error"])
            trouble = connection.last_error or _("The system wants to be asked later.")
            self.message_user(request, trouble, messages.ERROR)
        else:
            words = ngettext(
                "The system answers. %(number)d piece of news is new.",
                "The system answers. %(number)d pieces of news are new.",
                number,
            )
            self.message_user(request, words % {"number": number}, messages.SUCCESS)
        return redirect(self._address("change", pk))

    @once
    def token_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask (GET) and give it another address (POST): from then on nobody is heard at the old one."""
        connection = self._changeable(request, pk)
        if request.method != "POST":
            hint = _("The address that the system has now stops working at once: enter the new one there.")
            return self._page(request, connection, _("New address"), form=None, hint=hint)
        self.model.objects.filter(pk=pk).update(token=new_token())
        self.log_change(request, connection, _("New address made."))
        words = _("This is the new address: enter it there, in place of the old one.")
        self.message_user(request, words, messages.SUCCESS)
        return redirect(self._address("change", pk))

    @admin.display(description=gettext_lazy("system"))
    def source_title(self, connection: Connection) -> str:
        source = self.sources.get(connection.source)
        return str(source.TITLE) if source else connection.source

    @label_column(STATE_COLOURS, description=gettext_lazy("state"))
    def state_label(self, connection: Connection) -> tuple[str, Words]:
        state = health.state(connection, getattr(connection, "troubles", None))
        return state, STATE_WORDS[state]

    @admin.display(description=gettext_lazy("last news"))
    def last_news(self, connection: Connection) -> str:
        return moment(connection.last_news_at)

    def _source(self, connection: Connection) -> Any:
        """Its source; not found where only a later release has it."""
        if connection.source not in self.sources:
            raise Http404
        return self.sources[connection.source]

    def _has_webhook(self, connection: Connection) -> bool:
        """Whether it tells by itself, and is not only asked."""
        return getattr(self.sources.get(connection.source), "HAS_WEBHOOK", True)

    def _is_complete(self, connection: Connection) -> bool:
        """Whether all is entered without which nothing is believed."""
        source = self.sources.get(connection.source)
        try:
            kept = connection.reveal()
        except Unreadable:
            return False
        return source is not None and all(kept.get(each.name) for each in source.CREDENTIALS if each.required)
