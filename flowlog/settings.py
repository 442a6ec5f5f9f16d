"""Django settings. Every value that differs between machines comes from the environment or `.env`;
`.env.example` lists them all with their meaning."""

from __future__ import annotations

import logging
import sys
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from flowlog.addresses import check_redis_url
from flowlog.broker import BROKER_TRANSPORT_OPTIONS, QUEUES, TRANSPORT, broker_url, periodic
from flowlog.embedded import urls as embedded
from flowlog.env import Env
from flowlog.logs.config import is_command, logging_config, process_name
from flowlog.logs.formats import FORMATS
from flowlog.logs.masking import Masker, secrets_of
from flowlog.mail.mailers import mailers
from flowlog.revision import read_revision
from flowlog.roles import Role, role_of
from flowlog.timings import Timings
from flowlog.translations import compile_catalogs
from flowlog.translations import read_gettext as _

BASE_DIR = Path(__file__).resolve().parent.parent
env = Env(BASE_DIR / ".env")

DEBUG = env.flag("DEBUG", default=False)
REVISION = read_revision(BASE_DIR)
# What this process is there for; what it has follows here, and in `flowlog.celery`.
ROLE = role_of(sys.argv)


def _development_only(default: str) -> str | None:
    """A default that holds in development; in production the setting is required."""
    return default if DEBUG else None


# -- Security ------------------------------------------------------------------------------------

SECRET_KEY = env.text("SECRET_KEY", _development_only("development-only-key-never-used-in-production"))
if not DEBUG and (len(SECRET_KEY) < 50 or len(set(SECRET_KEY)) < 5):  # noqa: PLR2004 - as `check --deploy` asks
    raise ImproperlyConfigured(_("SECRET_KEY must have at least 50 random characters in production."))
# Only to recognise who wanted no messages when their data were erased, and messages that were sent before the change:
# sessions of a leaked key must end.
EARLIER_SECRET_KEYS = env.names("EARLIER_SECRET_KEYS", "")
# What people enter and the database keeps encrypted: the first encrypts, all decrypt.
CREDENTIALS_KEYS = env.fernet_keys("CREDENTIALS_KEYS", "ZGV2ZWxvcG1lbnQtb25seS1uZXZlci1wcm9kdWN0aW8=" if DEBUG else "")
SITE_URL = env.web_url("SITE_URL", _development_only("http://127.0.0.1:8000"), https_only=not DEBUG)
ALLOWED_HOSTS = env.hosts("ALLOWED_HOSTS", _development_only("localhost,127.0.0.1,[::1]"))
CSRF_TRUSTED_ORIGINS = env.names("CSRF_TRUSTED_ORIGINS", SITE_URL)

_https = SITE_URL.startswith("https://")
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _https else None
SECURE_SSL_REDIRECT = _https
# Some systems take a redirect for success, and what they told is lost: there plain HTTP is refused by nginx.
SECURE_REDIRECT_EXEMPT = ["^webhooks/"]
SECURE_HSTS_SECONDS = int(timedelta(days=365).total_seconds()) if _https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = _https
# On the browsers' lists a domain stays for months, its shop's other sites with it: that is for its owner to ask for.
SECURE_HSTS_PRELOAD = False
SILENCED_SYSTEM_CHECKS = ["security.W021"]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _https
SESSION_COOKIE_AGE = int(timedelta(days=7).total_seconds())
X_FRAME_OPTIONS = "DENY"
TRUSTED_PROXIES = env.integer("TRUSTED_PROXIES", 0)
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5000

# -- Applications --------------------------------------------------------------------------------

# The theme, the admin with its pages, static files; the API has some for its own page.
_FOR_PAGES = ["unfold", "unfold.contrib.filters", "django.contrib.admin"]
_FOR_PAGES += ["whitenoise.runserver_nostatic", "django.contrib.staticfiles", "ninja"]
INSTALLED_APPS = [
    *(_FOR_PAGES if ROLE is Role.WHOLE else ["django.contrib.admin.apps.SimpleAdminConfig"]),
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django_celery_results",
    "axes",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "flowlog",
    "orders",
    "integrations",
    "notifications",
    "api",
    "outgoing",
    "flowlog.monitoring",
    "flowlog.operations",
    *(["flowlog.devtools"] if DEBUG else []),
]
MIDDLEWARE = [
    "flowlog.logs.requests.identify_requests",
    "flowlog.monitoring.views.answer_probes",
    "integrations.inbound.middleware.take_webhooks",
    "api.middleware.answer_programs",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "flowlog.staffpages.sessions.note_sessions",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "axes.middleware.AxesMiddleware",
    "flowlog.schema.RefuseChanges",
]
if ROLE is Role.WHOLE:
    from flowlog.staffpages.site import UNFOLD  # noqa: F401 - a setting by being here
ROOT_URLCONF = "flowlog.urls" if ROLE is Role.WHOLE else "flowlog.links"
WSGI_APPLICATION = "flowlog.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
LOGIN_REDIRECT_URL = "admin:index"
PASSWORD_RESET_TIMEOUT = int(timedelta(days=3).total_seconds())
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
# So many wrong passwords for one name from one address, and it has to wait. `manage.py axes_reset` lets it in at once.
AXES_FAILURE_LIMIT = 6
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_CALLABLE = "flowlog.staffpages.login.locked"
AXES_CLIENT_IP_CALLABLE = "orders.throttle.client_network"
AXES_RESET_ON_SUCCESS = True
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
OTP_TOTP_ISSUER = "Flowlog"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# -- PostgreSQL and Redis ------------------------------------------------------------------------
# In development both default to the embedded servers, whose addresses follow from the checkout's
# path. In production a missing address is an error, never a fallback.

_servers = BASE_DIR / "var" / "dev"
_database_url = env.server_url(
    "DATABASE_URL",
    embedded.database_url(_servers / "postgres") if DEBUG else None,
    frozenset({"postgres", "postgresql"}),
)
if ROLE is not Role.BEAT:
    from flowlog.database import database_settings

    DATABASES = {"default": database_settings("DATABASE_URL", _database_url, sys.argv)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REDIS_URL = check_redis_url(
    "REDIS_URL",
    env.server_url(
        "REDIS_URL", embedded.redis_url(_servers / "valkey") if DEBUG else None, frozenset({"redis", "rediss", "unix"})
    ),
)

# -- The gateway ---------------------------------------------------------------------------------

EVOLUTION_API_URL = env.web_url(
    "EVOLUTION_API_URL",
    _development_only("http://127.0.0.1:8085"),
    https_only=not DEBUG,
)
EVOLUTION_API_KEY = env.key("EVOLUTION_API_KEY", _development_only("sandbox-key"))
EVOLUTION_INSTANCE = env.text("EVOLUTION_INSTANCE", "flowlog" if DEBUG else "")
# Without it every webhook is refused.
EVOLUTION_WEBHOOK_SECRET = env.key("EVOLUTION_WEBHOOK_SECRET", "sandbox-webhook-secret" if DEBUG else "")
# WhatsApp's own API, for the numbers that a shop has at Meta. In development the sandbox plays it as well.
META_GRAPH_URL = env.web_url(
    "META_GRAPH_URL", EVOLUTION_API_URL if DEBUG else "https://graph.facebook.com", https_only=not DEBUG
)
META_GRAPH_VERSION = env.release("META_GRAPH_VERSION", "v24.0")

# -- Notifications -------------------------------------------------------------------------------

NOTIFICATIONS_OVERRIDE_RECIPIENT = env.phone("NOTIFICATIONS_OVERRIDE_RECIPIENT")
NOTIFICATIONS = Timings.from_env(env)
NOTIFICATIONS_RETRIES = env.seconds_list("NOTIFICATIONS_RETRIES", "30,120,600,1800,3600,7200,14400")
# That the courier is on the way is no news tomorrow.
NOTIFICATIONS_EXPIRES_AFTER_BY_KIND = env.seconds_by_name(
    "NOTIFICATIONS_EXPIRES_AFTER_BY_KIND", "out_for_delivery=43200"
)

# How many processes send messages and look them up; 0: as many as the instances need and the memory allows.
WHATSAPP_PROCESSES = env.integer("WHATSAPP_PROCESSES", 0)

# -- Orders --------------------------------------------------------------------------------------

# How long after a customer has written they are answered in a person's own words, where the gateway has no rule.
ANSWER_WITHIN_HOURS = env.integer("ANSWER_WITHIN_HOURS", 72, minimum=1)
PICKUP_EXPIRY_INTERVAL = env.integer("PICKUP_EXPIRY_INTERVAL", 60, minimum=1)
# A message of a step by the staff waits so long for their second thoughts; no longer than a customer waits for news.
STAFF_UNDO_SECONDS = env.integer("STAFF_UNDO_SECONDS", 30, maximum=600)
PICKUP_REMINDER_HOURS = env.integer("PICKUP_REMINDER_HOURS", 24)
COUNTER_GUESSES_PER_MINUTE = env.integer("COUNTER_GUESSES_PER_MINUTE", 20, minimum=1)
TRACKING_PAGE_REQUESTS_PER_MINUTE = env.integer("TRACKING_PAGE_REQUESTS_PER_MINUTE", 60, minimum=1)
API_REQUESTS_PER_MINUTE = env.integer("API_REQUESTS_PER_MINUTE", 300, minimum=1)

# -- Carriers ------------------------------------------------------------------------------------

TRACKING_WEBHOOK_SECRET = env.key("TRACKING_WEBHOOK_SECRET", "")

# -- Keeping tidy --------------------------------------------------------------------------------
# In days; 0: never.

# Within it customers complain and staff look things up: 90 days for what lasts (CDC, art. 26), and as long again.
RETENTION_ANONYMISE_AFTER_DAYS = env.days("RETENTION_ANONYMISE_AFTER_DAYS", 180)
# They are worked off within a day; after that only who looks for a defect reads them.
RETENTION_WEBHOOKS_DAYS = env.days("RETENTION_WEBHOOKS_DAYS", 30)
RETENTION_ATTEMPTS_DAYS = env.days("RETENTION_ATTEMPTS_DAYS", 90)
# A form can be sent again as long as the session lasts in which it was shown.
RETENTION_USED_FORMS_DAYS = 8
# No result is read by anything; a few tell who looks how a nightly job went.
RETENTION_RESULTS_DAYS = env.days("RETENTION_RESULTS_DAYS", 7)

# -- Is it alive? --------------------------------------------------------------------------------

HEARTBEAT_INTERVAL = env.seconds("HEARTBEAT_INTERVAL", 60)
# Within it WhatsApp confirms a message, also if webhooks have to come again; and of so many in a row not one was.
RECEIPTS_WITHIN = env.seconds("RECEIPTS_WITHIN", 1800)
RECEIPTS_MISSED = env.integer("RECEIPTS_MISSED", 5, minimum=2)
METRICS_TOKEN = env.key("METRICS_TOKEN", "")
DEADMAN_PING_URL = env.optional_https_url("DEADMAN_PING_URL")
MAILERS = mailers(env.text("EMAIL_URL", "console://" if DEBUG else ""))
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", f"Flowlog <flowlog@{urlsplit(SITE_URL).hostname}>")
ALERT_EMAILS = env.emails("ALERT_EMAILS")

# -- Static files, language, time ----------------------------------------------------------------

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage",
    },
}
LANGUAGE_CODE = "pt-br"
# Compiled here, before any app is loaded: some read a translation while they are.
COMPILED_LOCALE_DIR = BASE_DIR / "var" / "locale"
LOCALE_PATHS = [COMPILED_LOCALE_DIR]
compile_catalogs(BASE_DIR / "locale", COMPILED_LOCALE_DIR)
TIME_ZONE = env.time_zone("TIME_ZONE", "America/Sao_Paulo")
USE_TZ = True

# -- Logging -------------------------------------------------------------------------------------

LOG_DIR = Path(env.text("LOG_DIR", str(BASE_DIR / "logs")))
LOG_DIR.mkdir(parents=True, exist_ok=True)
SENTRY_DSN = env.optional_https_url("SENTRY_DSN")
_mask = Masker(secrets_of(env.everything()))
LOGGING = logging_config(
    LOG_DIR,
    process_name(sys.argv),
    env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR")),
    env.choice("LOG_FORMAT", "text", tuple(FORMATS)),
    _mask,
    # There a person reads what the command itself says.
    console=not is_command(sys.argv),
)
# Python would print what cannot be written (a full disk) as it is, with numbers and all.
logging.raiseExceptions = DEBUG
if SENTRY_DSN:
    from flowlog import sentry  # what nobody uses is not loaded by each process

    sentry.start(SENTRY_DSN, release=REVISION, mask=_mask)

# -- Backups -------------------------------------------------------------------------------------

BACKUP_DIR = env.text("BACKUP_DIR", "/var/backups/flowlog")

# -- Celery --------------------------------------------------------------------------------------
# Redis only wakes workers up: a message is a row, so every queue may be lost without losing one.

# In the address of a socket's file kombu looks for the transport, for others beside it.
CELERY_BROKER_URL = broker_url(REDIS_URL).replace("redis+", f"{TRANSPORT}+", 1)
CELERY_BROKER_TRANSPORT = TRANSPORT
CELERY_BROKER_TRANSPORT_OPTIONS = BROKER_TRANSPORT_OPTIONS
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_VISIBILITY_TIMEOUT = BROKER_TRANSPORT_OPTIONS["visibility_timeout"]
CELERY_TASK_QUEUES = QUEUES
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_CREATE_MISSING_QUEUES = False
CELERY_TASK_ROUTES = {
    "notifications.tasks.send_whatsapp": {"queue": "whatsapp"},
    "notifications.tasks.look_up": {"queue": "whatsapp"},
    "notifications.tasks.probe": {"queue": "whatsapp"},
    "notifications.tasks.sweep": {"queue": "default"},
    "notifications.tasks.remind_of_pickups": {"queue": "default"},
    "integrations.tasks.work_off_webhooks": {"queue": "default"},
    "integrations.tasks.work_off_shop_news": {"queue": "default"},
    "integrations.tasks.poll_shops": {"queue": "default"},
    "integrations.tasks.work_off_carrier_news": {"queue": "default"},
    "integrations.tasks.poll_carriers": {"queue": "default"},
    "integrations.tasks.purge": {"queue": "default"},
    "integrations.tasks.nightly": {"queue": "default"},
    "orders.tasks.expire_pickups": {"queue": "default"},
    "orders.tasks.mail_who_forgot": {"queue": "default"},
    "api.tasks.purge_answers": {"queue": "default"},
    "outgoing.tasks.deliver": {"queue": "default"},
    "outgoing.tasks.sweep": {"queue": "default"},
    "outgoing.tasks.purge": {"queue": "default"},
    "flowlog.tasks.heartbeat": {"queue": "default"},
    "flowlog.tasks.look_for_trouble": {"queue": "default"},
    "flowlog.tasks.ping_deadman": {"queue": "default"},
    "celery.backend_cleanup": {"queue": "default"},
}
CELERY_TASK_SERIALIZER = CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = CELERY_RESULT_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_MAX_TASKS_PER_CHILD = 1000
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 30
CELERY_WORKER_ENABLE_SOFT_SHUTDOWN_ON_IDLE = True
CELERY_WORKER_SEND_TASK_EVENTS = False
# Else Celery ends the pool of connections before and after each task: see `flowlog.celery.give_connections_back`.
CELERY_DB_REUSE_MAX = sys.maxsize
CELERY_TASK_SOFT_TIME_LIMIT = NOTIFICATIONS.soft_time_limit
CELERY_TASK_TIME_LIMIT = NOTIFICATIONS.hard_time_limit
CELERY_TASK_ANNOTATIONS = {
    "notifications.tasks.send_whatsapp": {
        "soft_time_limit": NOTIFICATIONS.send_soft_time_limit,
        "time_limit": NOTIFICATIONS.send_hard_time_limit,
    },
    "notifications.tasks.look_up": {
        "soft_time_limit": NOTIFICATIONS.lookup_soft_time_limit,
        "time_limit": NOTIFICATIONS.lookup_hard_time_limit,
    },
}
CELERY_TASK_PUBLISH_RETRY_POLICY = {
    "max_retries": 1,
    "interval_start": 0.1,
    "interval_step": 0,
    "interval_max": 0.1,
}
CELERY_TASK_TRACK_STARTED = False
CELERY_RESULT_BACKEND = "django-db" if ROLE is not Role.BEAT else None
CELERY_RESULT_EXTENDED = True
# `celery.backend_cleanup` deletes them, unless they are kept for ever.
CELERY_RESULT_EXPIRES = timedelta(days=RETENTION_RESULTS_DAYS) if RETENTION_RESULTS_DAYS else None
CELERY_TIMEZONE = TIME_ZONE
# In memory: what beat remembers in a file outlives the clock that wrote it.
CELERY_BEAT_SCHEDULER = "flowlog.schedule:Scheduler"
CELERY_BEAT_SCHEDULE = {
    "sweep": periodic("notifications.tasks.sweep", NOTIFICATIONS.sweep_interval),
    "poll-shops": periodic("integrations.tasks.poll_shops", 60),
    "poll-carriers": periodic("integrations.tasks.poll_carriers", 60),
    "expire-pickups": periodic("orders.tasks.expire_pickups", PICKUP_EXPIRY_INTERVAL),
    "wake-bulk-jobs": periodic("orders.tasks.wake_bulk_jobs", PICKUP_EXPIRY_INTERVAL, ignore_result=True),
    "remind-of-pickups": periodic("notifications.tasks.remind_of_pickups", PICKUP_EXPIRY_INTERVAL),
    "nightly": periodic("integrations.tasks.nightly", 300),
    "purge-api-answers": periodic("api.tasks.purge_answers", 3600),
    "purge-outgoing": periodic("outgoing.tasks.purge", 3600),
    **{
        f"heartbeat-{queue.name}": periodic("flowlog.tasks.heartbeat", HEARTBEAT_INTERVAL, queue=queue.name)
        for queue in QUEUES
    },
    "look-for-trouble": periodic("flowlog.tasks.look_for_trouble", HEARTBEAT_INTERVAL / 4),
}
if RETENTION_RESULTS_DAYS:
    # Celery's own entry is for four in the morning, and lost if beat is restarted over that minute.
    CELERY_BEAT_SCHEDULE["celery.backend_cleanup"] = periodic("celery.backend_cleanup", 3600, ignore_result=True)
if DEADMAN_PING_URL:
    CELERY_BEAT_SCHEDULE["ping-deadman"] = periodic("flowlog.tasks.ping_deadman", HEARTBEAT_INTERVAL)
