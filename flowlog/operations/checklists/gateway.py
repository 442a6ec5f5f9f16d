"""The Evolution API: our credentials are right, and our instances are there and connected."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import redis
import requests
from django.conf import settings
from django.db import DatabaseError, ProgrammingError, connection, transaction
from django.utils.translation import gettext as _

from flowlog.broker import redis_client
from flowlog.operations.checklists.items import Item, failed, ok, warning
from flowlog.secrets_at_rest import Secret
from integrations.evolution.manager import EvolutionManager, RemoteInstance, manager
from integrations.evolution.servers import KIND, Server, of_settings, server_of
from integrations.evolution.webhooks import leads_here
from integrations.gateways import GatewayError, gateway_for
from integrations.gateways.sentences import cause
from integrations.meta.gateway import KIND as META
from integrations.models import EvolutionInstance

_TIMEOUT = (5, 10)
# Seconds. A message's look-up asks for what was sent at about a time.
_MAY_DIFFER, _MUST_NOT_DIFFER = 5, 60

# What each server of the Evolution API has listed, or why not.
type _Listed = dict[Server, dict[str, RemoteInstance] | GatewayError]


def credentials() -> Iterator[Item]:
    """The gateway of the settings answers and takes our key; nothing where no instance is at any such gateway."""
    if _is_unused():
        return
    try:
        manager().instances()
    except GatewayError as error:
        activated = error.code != "license_required"
        todo = _("See EVOLUTION_API_URL and EVOLUTION_API_KEY in .env.") if activated else ""
        yield failed("Evolution API", cause(error.code), todo)
    else:
        yield ok("Evolution API", _("Answers, and takes our key."))


def instances() -> Iterator[Item]:
    """Each instance of ours is there and connected; nothing where the gateway of the settings cannot be asked."""
    listed: _Listed = {}
    ours = _ours()
    if not ours:
        yield failed(
            _("instances"),
            _("Flowlog has none, so nothing can be sent."),
            _("Set EVOLUTION_INSTANCE and run `manage.py bootstrap`, or add one in the admin."),
        )
    for instance in ours:
        yield from _at_its_gateway(instance, listed)


def _is_unused() -> bool:
    """Whether Flowlog has instances, and all of them are elsewhere."""
    try:
        ours = _ours()
    except DatabaseError:
        return False
    return bool(ours) and all(instance.gateway != KIND for instance in ours)


def _ours() -> list[EvolutionInstance]:
    """Our instances, by name. The old schema may still be in place, which knows of no gateways of their own."""
    both = ("name", "held_at", "held_reason")
    rows = EvolutionInstance.objects.order_by("name")
    try:
        with transaction.atomic():
            return list(rows.only(*both, "gateway", "api_url", "api_key"))
    except ProgrammingError:
        ours = list(rows.only(*both))
    for instance in ours:
        instance.gateway, instance.api_url, instance.api_key = KIND, "", Secret("")
    return ours


def _at_its_gateway(instance: EvolutionInstance, listed: _Listed) -> Iterator[Item]:
    """How the instance does at its gateway; `listed` is what the servers of the Evolution API have listed already."""
    name, server = _("instance %(name)s") % {"name": instance.name}, None
    try:
        if instance.gateway != KIND:
            yield _instance(instance, gateway_for(instance).state())
            return
        server = server_of(instance)
        remote = _remote_instances(server, listed)
    except GatewayError as error:
        # Of the settings' own server that has been said.
        if server != of_settings():
            yield failed(name, cause(error.code), _("See the instance's address and key in the admin."))
        return
    if instance.name not in remote:
        yield _missing(instance.name, manager(server))
        return
    yield _instance(instance, remote[instance.name].state)
    if remote[instance.name].state == "open":
        yield _way_back(instance.name, manager(server))


def _remote_instances(server: Server, listed: _Listed) -> dict[str, RemoteInstance]:
    """What the server lists. It is asked once: one that does not answer costs its time-out."""
    if server not in listed:
        try:
            listed[server] = {each.name: each for each in manager(server).instances()}
        except GatewayError as error:
            listed[server] = error
    found = listed[server]
    if isinstance(found, GatewayError):
        raise found
    return found


def _missing(name: str, gateway: EvolutionManager) -> Item:
    item = _("instance %(name)s") % {"name": name}
    try:
        hidden = gateway.is_hidden(name)
    except GatewayError as error:
        return failed(item, cause(error.code), _("Run predeploy again."))
    if hidden:
        return failed(
            item, _("It cannot be seen with this key."), _("Set EVOLUTION_API_KEY to the gateway's global key.")
        )
    todo = _("Run `manage.py evolution create %(name)s`, or mend its name in the admin.")
    return failed(item, _("The gateway has no such instance."), todo % {"name": name})


def _instance(instance: EvolutionInstance, state: str) -> Item:
    name = _("instance %(name)s") % {"name": instance.name}
    if state != "open" and instance.gateway == META:
        return failed(name, _("Meta does not let the number send."), _("See why in WhatsApp Manager at Meta."))
    connect = _("Run `manage.py evolution connect %(name)s` and read the QR code with the shop's phone.")
    if state != "open":
        return failed(name, _("It is not connected to WhatsApp."), connect % {"name": instance.name})
    if instance.held_at:
        words = _("Connected, but its messages are held: %(reason)s") % {"reason": instance.held_reason}
        todo = _("It is probed and goes on by itself; `manage.py notifications release %(name)s` ends it now.")
        return warning(name, words, todo % {"name": instance.name})
    return ok(name, _("Connected."))


def _way_back(instance: str, gateway: EvolutionManager) -> Item:
    """Whether the gateway tells this site what happens at the instance."""
    name = _("webhook of %(name)s") % {"name": instance}
    try:
        webhook = gateway.webhook(instance)
    except GatewayError as error:
        return warning(name, cause(error.code), _("Run predeploy again."))
    todo = _("Run `manage.py evolution set-webhook %(name)s`.") % {"name": instance}
    if not webhook.url:
        return warning(name, _("Its receipts and answers go nowhere."), todo)
    if not leads_here(webhook.url, instance):
        return warning(name, _("Its receipts and answers go to %(url)s.") % {"url": webhook.url}, todo)
    if webhook.lacks:
        events = ", ".join(sorted(webhook.lacks))
        return warning(name, _("The gateway does not tell of %(events)s.") % {"events": events}, todo)
    return ok(name, _("Comes here."))


def clock() -> Iterator[Item]:
    """The clocks of this machine, PostgreSQL, Redis and the gateway say the same, and this one is kept by NTP."""
    name, todo = _("clock"), _("Let all servers keep their time by NTP: `timedatectl set-ntp true`.")
    database, in_redis, at_gateway = _seconds_from_the_database(), _seconds_from_redis(), _seconds_from_the_gateway()
    words = _("The database's differs by %(seconds).1f s.") % {"seconds": database}
    if in_redis is not None:
        words = " ".join([words, _("The one of Redis differs by %(seconds).1f s.") % {"seconds": in_redis}])
    if at_gateway is not None:
        words = " ".join([words, _("The gateway's differs by %(seconds).1f s.") % {"seconds": at_gateway}])
    worst = max(abs(seconds or 0.0) for seconds in (database, in_redis, at_gateway))
    if worst > _MUST_NOT_DIFFER:
        yield failed(name, words, todo)
    elif worst > _MAY_DIFFER:
        yield warning(name, words, todo)
    else:
        yield ok(name, words)
    if _kept_by_ntp() is False:
        yield warning(name, _("This machine does not keep its time by NTP."), todo)


def _kept_by_ntp() -> bool | None:
    """None where nobody can tell."""
    command = ["timedatectl", "show", "--property=NTPSynchronized", "--value"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=5)  # noqa: S603 - fixed words
    except (OSError, subprocess.TimeoutExpired):
        return None
    return {"yes": True, "no": False}.get(done.stdout.strip())


def _seconds_from_the_database() -> float:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return float((cursor.fetchone()[0] - datetime.now(UTC)).total_seconds())


def _seconds_from_redis() -> float | None:
    """None if it does not answer."""
    try:
        with redis_client(settings.REDIS_URL) as client:
            seconds, microseconds = client.time()
    except redis.RedisError:
        return None
    return float(seconds) + float(microseconds) / 1e6 - datetime.now(UTC).timestamp()


def _seconds_from_the_gateway() -> float | None:
    """None if it does not say what time it is. Its answer is rounded to a second."""
    try:
        answer = requests.get(settings.EVOLUTION_API_URL, timeout=_TIMEOUT, allow_redirects=False, stream=True)
        answer.close()
        theirs = parsedate_to_datetime(answer.headers["Date"])
    except (requests.RequestException, KeyError, ValueError):
        return None
    return float((theirs - datetime.now(UTC)).total_seconds())
