"""A wrong setting refuses to start, with its name and what was expected; production needs what it needs."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from kombu import Connection

from flowlog.addresses import check_redis_url
from flowlog.broker import TRANSPORT, broker_url
from flowlog.env import Env
from flowlog.timings import Timings
from flowlog.transport import Transport
from tests import launcher

BASE_DIR = Path(__file__).resolve().parents[2]
PRODUCTION = {
    "DEBUG": "false",
    "SECRET_KEY": "k9#mZ2$vQ8!xR5@nB1&cY7*wE4^tU6(iO3)pA0_sD-fG+hJ=lK~qX",
    "ALLOWED_HOSTS": "pedidos.example.com",
    "SITE_URL": "https://pedidos.example.com",
    "DATABASE_URL": "postgresql://flowlog:secret-word@127.0.0.1/flowlog",
    "REDIS_URL": "redis://127.0.0.1:6379/0",
    "EVOLUTION_API_URL": "https://evolution.example.com",
    "EVOLUTION_API_KEY": "the-key",
}


def run(*arguments: str, **changed: str) -> subprocess.CompletedProcess[str]:
    """Python with production's environment; a value of "" leaves that setting out."""
    inherited = {name: os.environ[name] for name in ("PATH", "LOG_DIR", "HOME") if name in os.environ}
    return launcher.run(*arguments, env=inherited | PRODUCTION | changed)


def test_check_deploy_is_clean_with_production_settings() -> None:
    result = run("manage.py", "check", "--deploy", "--fail-level", "WARNING")
    assert (result.returncode, result.stdout, result.stderr) == (
        0,
        "System check identified no issues (1 silenced).\n",
        "",
    )


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("SECRET_KEY", "", "Falta SECRET_KEY"),
        ("SECRET_KEY", "short", "SECRET_KEY deve ter pelo menos 50 caracteres aleatórios"),
        ("CREDENTIALS_KEYS", "secret-word", "CREDENTIALS_KEYS deve ter chaves como as de `openssl rand -base64 32`"),
        ("ALLOWED_HOSTS", "", "Falta ALLOWED_HOSTS"),
        ("SITE_URL", "", "Falta SITE_URL"),
        ("SITE_URL", "http://pedidos.example.com", "SITE_URL deve começar com https://"),
        ("DATABASE_URL", "", "Falta DATABASE_URL"),
        ("DATABASE_URL", "sqlite:///secret-word.db", "DATABASE_URL deve começar com um destes: postgres, postgresql"),
        ("REDIS_URL", "", "Falta REDIS_URL"),
        ("REDIS_URL", "amqp://secret-word@host", "REDIS_URL deve começar com um destes: redis, rediss, unix"),
        ("DATABASE_URL", "postgresql://flowlog:secret-word@db", "DATABASE_URL deve ser como postgresql://"),
        ("DATABASE_URL", "postgresql://flowlog:secret#word@db/x", "DATABASE_URL deve ser como postgresql://"),
        ("DATABASE_URL", "postgresql://flowlog:secret-word@db/x?max=3", "DATABASE_URL deve ser como postgresql://"),
        ("REDIS_URL", "redis://:secret-word@host:6379/shop", "REDIS_URL deve ser como redis://"),
        ("EVOLUTION_API_URL", "https://evolution.example.com:99999", "EVOLUTION_API_URL deve ser um endereço"),
        ("EVOLUTION_API_URL", "https://evolution.example.com/?x=1", "EVOLUTION_API_URL deve ser um endereço"),
        ("EVOLUTION_API_URL", "https://evolution example.com", "EVOLUTION_API_URL deve ser um endereço"),
        ("SITE_URL", "https://pedidos.example.com/#x", "SITE_URL deve ser um endereço"),
        ("ALLOWED_HOSTS", "https://pedidos.example.com", "ALLOWED_HOSTS deve ter nomes de servidor"),
        ("ALERT_EMAILS", "dona@example.com, dona.example.com", "ALERT_EMAILS deve ter endereços"),
        ("EVOLUTION_API_URL", "", "Falta EVOLUTION_API_URL"),
        ("EVOLUTION_API_URL", "http://evolution.example.com", "EVOLUTION_API_URL deve começar com https://"),
        ("EVOLUTION_API_KEY", "", "Falta EVOLUTION_API_KEY"),
        ("EVOLUTION_API_KEY", "chave-é", "EVOLUTION_API_KEY deve ter só caracteres ASCII"),
        ("DEBUG", "maybe", "DEBUG deve ser true ou false"),
        ("NOTIFICATIONS_LEASE", "50", "NOTIFICATIONS_HARD_TIME_LIMIT (60 s) deve ser menor que NOTIFICATIONS_LEASE"),
        ("NOTIFICATIONS_OVERRIDE_RECIPIENT", "11 98765", "NOTIFICATIONS_OVERRIDE_RECIPIENT deve ser um número como"),
        ("PICKUP_EXPIRY_INTERVAL", "0", "PICKUP_EXPIRY_INTERVAL deve ser pelo menos 1"),
        ("EMAIL_URL", "http://u:secret-word@mail.example.com", "EMAIL_URL deve ser como smtp+tls://"),
        ("DEADMAN_PING_URL", "http://hc.example.com/secret-word", "DEADMAN_PING_URL deve ser um endereço que começa"),
        ("HEARTBEAT_INTERVAL", "0", "HEARTBEAT_INTERVAL deve ser um número de segundos"),
        ("TIME_ZONE", "Mars/Olympus", "TIME_ZONE"),
        ("RETENTION_WEBHOOKS_DAYS", "-1", "RETENTION_WEBHOOKS_DAYS deve ser pelo menos 0"),
        ("RETENTION_ATTEMPTS_DAYS", "99999", "RETENTION_ATTEMPTS_DAYS deve ser no máximo 36500 dias (0: nunca)"),
        ("RETENTION_ANONYMISE_AFTER_DAYS", "half", "RETENTION_ANONYMISE_AFTER_DAYS deve ser um número inteiro"),
    ],
)
def test_production_refuses_to_start(name: str, value: str, expected: str) -> None:
    result = run("-c", "import django; django.setup()", **{name: value, "DJANGO_SETTINGS_MODULE": "flowlog.settings"})
    assert result.returncode == 1
    assert expected in result.stderr.splitlines()[-1]
    assert "secret-word" not in result.stderr


def test_plain_http_is_accepted_for_loopback() -> None:
    result = run(
        "-c",
        "import django; django.setup()",
        SITE_URL="http://127.0.0.1:8000",
        EVOLUTION_API_URL="http://localhost:8080",
        DJANGO_SETTINGS_MODULE="flowlog.settings",
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_the_command_line_says_it_in_one_sentence() -> None:
    result = run("manage.py", "check", SECRET_KEY="")
    assert result.returncode == 1
    assert result.stderr == "Falta SECRET_KEY: defina no ambiente ou no .env.\n"


def test_every_setting_that_is_read_is_listed_in_the_example() -> None:
    listed = (BASE_DIR / ".env.example").read_text()
    source = (BASE_DIR / "flowlog" / "settings.py").read_text()
    names = re.findall(r'\benv\.\w+\(\s*"(\w+)"', source)
    names += [f"NOTIFICATIONS_{name.upper()}" for name in Timings.__dataclass_fields__]
    assert len(names) > 20
    assert [name for name in names if f"{name}=" not in listed] == []


@pytest.mark.parametrize(
    "values",
    [
        {"read_timeout": 41},
        {"soft_time_limit": 60},
        {"hard_time_limit": 90},
        {"lease": 86_400},
        {"wake_repeat": 600},
        {"hard_time_limit": 300, "lease": 400},
    ],
)
def test_times_that_do_not_fit_together_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ImproperlyConfigured, match="deve ser menor que"):
        Timings(**values)


def test_env_reads_the_file_and_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("COLOUR=blue\nSHAPE = round\n# NOTE=x\nEMPTY=\n")
    monkeypatch.setenv("COLOUR", "red")
    env = Env(dotenv)
    assert (env.text("COLOUR"), env.text("SHAPE"), env.text("NOTE", "none"), env.text("EMPTY", "d")) == (
        "red",
        "round",
        "none",
        "d",
    )


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "abc"])
def test_seconds_must_be_a_positive_number(value: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PAUSE", value)
    with pytest.raises(ImproperlyConfigured, match="PAUSE"):
        Env(tmp_path / "none").seconds("PAUSE", 1)


def test_the_brokers_address() -> None:
    assert broker_url("redis://h:1/2") == "redis://h:1/2"
    assert broker_url("unix://:word@/run/v.sock") == "redis+socket://:word@/run/v.sock?virtual_host=0"
    assert broker_url("unix:///run/valkey.sock?db=3") == "redis+socket:///run/valkey.sock?virtual_host=3"


# What kombu and redis-py make of each was looked at by hand; `publishes` does it again for those that can be tried.
UNDERSTOOD = [
    "redis://host", "redis://host:6379", "redis://host:6379/", "redis://host/6", "redis://:p%40x@host/1",
    "redis://u:p%2Fx@host/1", "redis://[::1]:6379/1", "rediss://host/1", "rediss://host/1?ssl_cert_reqs=none",
    "rediss://host/1?ssl_ca_certs=/etc/ca.pem&ssl_check_hostname=false", "unix:///run/redis.sock",
    "unix:///run/redis.sock?db=3", "unix://u:p@/run/redis.sock?db=3",
]  # fmt: skip
NOT_UNDERSTOOD = [
    "redis://host:6379/shop", "redis://host/6?db=6", "redis://host?db=6", "redis://host/1/", "redis://host//1",
    "redis://host/-1", "redis://host/٣", "redis://host:x/1", "redis://host:70000/1", "redis://host:0/1",
    "redis:///1", "redis://host/1?socket_timeout=3", "redis://host/1?virtual_host=3", "redis://host/1?ssl_cert_reqs=none",
    "redis://host/0#x", "redis://pass#word@host/1", "redis://u:p?w@host/1", "redis://a;redis://b/1",
    "rediss://host/1?ssl_cert_reqs=CERT_REQUIRED", "rediss://host/1?ssl_cert_reqs=", "rediss://host/1?db=1",
    "rediss://host/1?ssl_ca_certs=/a&ssl_ca_certs=/b", "unix://", "unix:///", "unix://host/run/redis.sock",
    "unix:///run/redis.sock?db=x", "unix:///run/redis.sock?db=1&db=2", "unix:///run/redis.sock?virtual_host=1",
]  # fmt: skip


@pytest.mark.parametrize("url", UNDERSTOOD)
def test_an_address_of_redis_that_both_libraries_understand(url: str) -> None:
    assert check_redis_url("REDIS_URL", url) == url
    redis_py = redis.Redis.from_url(url).connection_pool.connection_kwargs
    address = broker_url(url).replace("redis+", f"{TRANSPORT}+")
    transport: Any = Connection(address, transport=TRANSPORT).transport
    assert isinstance(transport, Transport)
    channel: Any = object.__new__(transport.Channel)
    channel.connection = transport
    found = channel._connparams()
    for name, default in (("host", None), ("port", 6379), ("db", 0), ("username", None), ("password", None)):
        if name not in ("host", "port") or not url.startswith("unix"):
            assert found.get(name, default) == redis_py.get(name, default), name
    assert found.get("path") == redis_py.get("path")


@pytest.mark.parametrize("url", NOT_UNDERSTOOD)
def test_one_that_either_library_fails_on_is_refused(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="REDIS_URL deve ser como redis://") as refused:
        check_redis_url("REDIS_URL", url)
    assert "word" not in str(refused.value)


def test_a_certificate_of_redis_is_checked_unless_told_otherwise() -> None:
    """kombu alone would take any."""
    assert broker_url("rediss://host/1") == "rediss://host/1?ssl_cert_reqs=required"
    own = "rediss://host/1?ssl_ca_certs=/etc/ca.pem"
    assert broker_url(own) == f"{own}&ssl_cert_reqs=required"
    assert broker_url("rediss://host/1?ssl_cert_reqs=none") == "rediss://host/1?ssl_cert_reqs=none"


def test_celery_runs_as_redis_needs_it() -> None:
    from celery.exceptions import QueueNotFound

    from flowlog.celery import app

    conf = app.conf
    assert (conf.task_acks_late, conf.task_reject_on_worker_lost, conf.worker_prefetch_multiplier) == (True, True, 1)
    assert conf.accept_content == ["json"]
    assert conf.broker_transport_options["visibility_timeout"] > conf.task_time_limit
    assert [queue.name for queue in conf.task_queues] == ["default", "whatsapp"]
    route = app.amqp.router.route
    assert route({}, "notifications.tasks.send_whatsapp")["queue"].name == "whatsapp"
    for name in ("notifications.tasks.sweep", "orders.tasks.expire_pickups", "celery.backend_cleanup"):
        assert route({}, name)["queue"].name == "default"
    with pytest.raises(QueueNotFound):
        route({"queue": "whatsap"}, "notifications.tasks.send_whatsapp")
    # It must not pile up, nor be thrown away unread by a worker whose clock is minutes ahead.
    for entry in conf.beat_schedule.values():
        assert entry["options"]["expires"] == entry["schedule"] + 600
    assert django_settings.DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql"
