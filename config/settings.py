"""Django's settings, from the environment only; docs/settings.md lists every variable."""

import sys
import warnings
from pathlib import Path
from urllib.parse import urlencode

from config.databases import read_databases
from config.environment import BadSetting, Environment, NamedQueues
from config.logs import build_logging

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment.of_process(BASE_DIR)

# What kind of run this is

TESTING = env.flag("RECORDMILL_TESTING")
DEBUG = env.flag("DEBUG")
# Plain http on one's own machine: no redirect to https, cookies without `Secure`.
INSECURE_HTTP = env.flag("INSECURE_HTTP", default=DEBUG or TESTING)
RELAXED = DEBUG or TESTING
# Where a test has a process die, fail or stop; nowhere else.
FAILPOINT = env.text("RECORDMILL_FAILPOINT") if TESTING else ""

VAR_DIR = Path(env.text("VAR_DIR", str(BASE_DIR / "var")))
STATIC_ROOT = VAR_DIR / "static"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)

DEBUG_SECRET_KEY = "only-for-tests-and-debugging"  # noqa: S105 - known to everybody
SECRET_KEY = env.text("SECRET_KEY", DEBUG_SECRET_KEY if RELAXED else "")
if not SECRET_KEY:
    raise BadSetting(
        "SECRET_KEY is not set: write 50 or more random characters, keep them secret and the same "
        "on every host. (`make run` and `make demo` make one for this machine.)"
    )
ALLOWED_HOSTS = env.names("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"] if RELAXED else [])
if not ALLOWED_HOSTS:
    raise BadSetting(
        "ALLOWED_HOSTS is not set: write the host names of this site, separated by commas, "
        "for example recordmill.example.org."
    )
PORT = env.integer("PORT", 8000, minimum=1, maximum=65535)

# Recordmill

HANDLER_APPS = env.apps("HANDLER_APPS", ["demo"])
LEASE_SECONDS = env.integer("LEASE_SECONDS", 60, minimum=1)
MAX_PAYLOAD_BYTES = env.integer("MAX_PAYLOAD_BYTES", 1_000_000, minimum=1)
QUEUES = env.names("QUEUES", ["default", "high", "low"])
if "default" not in QUEUES:
    raise BadSetting("QUEUES has no 'default': add it, other queues may follow.")
# What a handler's options may name as env:NAME, and what they may not: a definition must not be a
# way to read Recordmill's own secrets.
DATABASE_VARIABLES = [f"DATABASE_URL_{alias}" for alias in env.starting_with("DATABASE_URL_")]
OWN_SECRETS = frozenset({"SECRET_KEY", "DATABASE_URL", "REDIS_URL", *DATABASE_VARIABLES})
READ_OPTION = env.reader(refusing=OWN_SECRETS)
OPTION_VARIABLES = env.given(refusing=OWN_SECRETS)
# A worker that waits has its next child ready, connected to the database.
SPARE_CHILD = env.flag("SPARE_CHILD", default=True)
# Where the sample handlers send their orders; only the demo app reads it.
DEMO_PARTNER_URL = env.text("DEMO_PARTNER_URL")

# Apps and pages

INSTALLED_APPS = [
    "whitenoise.runserver_nostatic",
    "processors.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "csp",
    "django_rq",
    "processors",
    *HANDLER_APPS,
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.headers.PermissionsPolicyMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "processors.times.TimesMiddleware",
    "processors.outage.OutageMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
LOGIN_URL = "admin:login"
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
            ]
        },
    }
]

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if RELAXED
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = RELAXED

# Databases

DATABASES = read_databases(env, VAR_DIR)
DATABASE_ROUTERS = ["config.databases.OwnTablesInDefault"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
if TESTING:
    for database in DATABASES.values():
        if database["ENGINE"].endswith("sqlite3"):
            # Django would take a database in memory, which worker processes cannot see.
            database["TEST"] = {"NAME": f"{database['NAME']}.test"}

# Redis. Short timeouts (seconds): a hung server must not hold a web request. Workers lift
# theirs by themselves. They travel in the URL because django-rq honours them nowhere else.

REDIS_URL = env.text("REDIS_URL", f"unix://{VAR_DIR / 'redis' / 'redis.sock'}")
REDIS_TIMEOUTS = urlencode({"socket_connect_timeout": 1, "socket_timeout": 2})
RQ_QUEUES = NamedQueues(
    (
        queue,
        {
            "URL": f"{REDIS_URL}{'&' if '?' in REDIS_URL else '?'}{REDIS_TIMEOUTS}",
            "SERIALIZER": "rq.serializers.JSONSerializer",
        },
    )
    for queue in QUEUES
)
RQ = {
    "JOB_CLASS": "processors.queues.SafeJob",
    "QUEUE_CLASS": "processors.queues.SafeQueue",
    "WORKER_CLASS": "processors.queues.SafeWorker",
    "SCHEDULER_CLASS": "processors.queues.SafeScheduler",
    "COMMIT_MODE": "on_db_commit",
}
# Its pages are open to every member of staff, whatever the rights; ours ask for them.
RQ_SHOW_ADMIN_LINK = False

# Time and language

USE_TZ = True
TIME_ZONE = env.text("TIME_ZONE", "UTC")
LANGUAGE_CODE = "en-us"

# Security

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
SECURE_SSL_REDIRECT = not INSECURE_HTTP
SECURE_HSTS_SECONDS = 0 if INSECURE_HTTP else 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = not INSECURE_HTTP
SECURE_HSTS_PRELOAD = not INSECURE_HTTP
if env.flag("BEHIND_TLS_PROXY"):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not INSECURE_HTTP
# Browsers keep `__Host-` cookies to this host and to https. They do not tell ports apart, so two
# local copies need names of their own, or a login to one would end the other's.
SESSION_COOKIE_NAME = f"sessionid_{PORT}" if INSECURE_HTTP else "__Host-sessionid"
CSRF_COOKIE_NAME = f"csrftoken_{PORT}" if INSECURE_HTTP else "__Host-csrftoken"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
        "form-action": ["'self'"],
        "img-src": ["'self'", "data:"],
    }
}

# Logs

LOGGING = build_logging(
    env.choice("LOG_LEVEL", "INFO", ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"])
)
if not sys.warnoptions:
    # rq-scheduler's crontab says this at every calculation; its authors know.
    warnings.filterwarnings("ignore", category=FutureWarning, module="crontab")
