"""Settings, read from the environment from top to bottom; the README explains each.

A secret NAME may also come from the file that NAME_FILE names.
"""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django_stubs_ext
import environ
from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse_lazy

from config import embedded
from portal.colours import shades

django_stubs_ext.monkeypatch()
environ.Env.DB_SCHEMES["postgres"] = environ.Env.DB_SCHEMES["postgresql"]
env = environ.Env()

BASE_DIR = Path(__file__).resolve().parent.parent
EMBEDDED = embedded.is_embedded()
DATA_DIR = Path(env.str("DATA_DIR", default=str(BASE_DIR / ".latchkey"))).absolute()
if EMBEDDED:
    embedded.make_data_dir(DATA_DIR)
    embedded.make_keys(DATA_DIR / "keys")


def required(name: str) -> ImproperlyConfigured:
    """Make the error for a setting that production cannot do without."""
    return ImproperlyConfigured(
        f"{name} is not set. Set it (a secret also as {name}_FILE), or start through manage.py "
        "with no SECRET_KEY in the environment for the embedded mode."
    )


def secret_file(name: str) -> Path | None:
    """Find the file that holds a secret, where there is one."""
    if path := env.str(f"{name}_FILE", default=""):
        return Path(path)
    return DATA_DIR / "keys" / name if EMBEDDED and name not in os.environ else None


def secret(name: str, default: str | None = None) -> str:
    """Read a secret; without a default it has to be there."""
    path = secret_file(name)
    if path and path.exists():
        return path.read_text().strip()
    value: str | None = env.str(name, default=default)
    if value is None:
        raise required(name)
    return value


def key(name: str) -> str | Path:
    """Read a sealing key, or name its file, which is read again whenever it changes."""
    return secret_file(name) or env.str(name, default="")


# --- This process

SECRET_KEY = secret("SECRET_KEY")
PORTAL_URL = env.str("PORTAL_URL", default="http://127.0.0.1:8000" if EMBEDDED else "").rstrip("/")
if not PORTAL_URL:
    raise required("PORTAL_URL")
_portal = urlsplit(PORTAL_URL)
PRODUCT_NAME = env.str("PRODUCT_NAME", default="Latchkey")
PRODUCT_COLOUR = env.str("PRODUCT_COLOUR", default="#0f6466").lower()
if not re.fullmatch("#[0-9a-f]{6}", PRODUCT_COLOUR):
    raise ImproperlyConfigured("PRODUCT_COLOUR has to be a colour such as #0f6466.")
IS_HTTPS = _portal.scheme == "https"
ALLOWED_HOSTS = env.list(
    "ALLOWED_HOSTS",
    default=[*([_portal.hostname] if _portal.hostname else []), *(["localhost"] * EMBEDDED)],
)
DEBUG = False

# --- Sealing (accounts.sealing): the web tier needs the public keys alone

CREDENTIALS_PUBLIC_KEY = key("CREDENTIALS_PUBLIC_KEY")
CREDENTIALS_PRIVATE_KEYS = key("CREDENTIALS_PRIVATE_KEYS")
PASSWORDS_PUBLIC_KEY = key("PASSWORDS_PUBLIC_KEY")
PASSWORDS_PRIVATE_KEYS = key("PASSWORDS_PRIVATE_KEYS")
PASSWORD_SEAL_TTL = timedelta(seconds=env.int("PASSWORD_SEAL_TTL", default=3600))

# --- Passwords and the links that set them (accounts.links, accounts.password_rules)

PASSWORD_MIN_LENGTH = max(8, env.int("PASSWORD_MIN_LENGTH", default=12))
PASSWORD_HISTORY = env.int("PASSWORD_HISTORY", default=3)
PASSWORD_MAX_AGE = timedelta(days=env.int("PASSWORD_MAX_AGE_DAYS", default=0))
ACTIVATION_LINK_TTL = timedelta(days=env.int("ACTIVATION_LINK_DAYS", default=7))
RESET_LINK_TTL = timedelta(minutes=env.int("RESET_LINK_MINUTES", default=60))

# --- Directories

GOOGLE_API_ENDPOINT = env.str("GOOGLE_API_ENDPOINT", default="https://admin.googleapis.com/")
MICROSOFT_GRAPH_ENDPOINT = env.str(
    "MICROSOFT_GRAPH_ENDPOINT", default="https://graph.microsoft.com"
)
MICROSOFT_LOGIN_ENDPOINT = env.str(
    "MICROSOFT_LOGIN_ENDPOINT", default="https://login.microsoftonline.com"
)
for _name in ("GOOGLE_API_ENDPOINT", "MICROSOFT_GRAPH_ENDPOINT", "MICROSOFT_LOGIN_ENDPOINT"):
    _endpoint = urlsplit(globals()[_name])
    if _endpoint.scheme != "https" and _endpoint.hostname not in ("127.0.0.1", "::1", "localhost"):
        # No check may be skipped here: passwords would leave in clear.
        raise ImproperlyConfigured(f"{_name} has to be an https address.")
CA_BUNDLE = env.str("SSL_CERT_FILE", default="") or env.str("REQUESTS_CA_BUNDLE", default="")

# --- Applications

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "config.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_htmx",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    # Ours last: accounts puts its receiver in the place of one of allauth's.
    "accounts",
    "directories",
    "passwordsync",
    "portal",
    "config",
]
MIDDLEWARE = [
    "config.health.HealthMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "portal.time_zones.TimeZoneMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.expired_passwords.ExpiredPasswordMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
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
                "portal.context.people",
            ]
        },
    }
]

# --- Database and cache

DATABASES: dict[str, dict[str, Any]] = {
    "default": env.db_url_config(
        secret("DATABASE_URL", f"sqlite:///{DATA_DIR / 'latchkey.sqlite3'}" if EMBEDDED else None)
    )
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        **DATABASES["default"].get("OPTIONS", {}),
        # A writer waits for its turn from its first statement, instead of failing at its second.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA secure_delete=ON;"
        ),
    }
else:
    DATABASES["default"]["OPTIONS"] = {
        # A process that is frozen within a transaction does not hold its locks for ever.
        "options": "-c idle_in_transaction_session_timeout=20s",
        **DATABASES["default"].get("OPTIONS", {}),
        "pool": {"min_size": 1, "max_size": 24, "timeout": 10},
    }
    # After a restart of the database nobody meets a connection that was cut.
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
# Failed sign-ins are counted here: for all processes together, and more than can be flushed out.
CACHES = {
    "default": env.cache_url_config(
        secret("CACHE_URL", "locmemcache://?max_entries=100000" if EMBEDDED else None)
    )
}
if CACHES["default"]["BACKEND"].endswith("RedisCache"):
    # Where they cannot be counted nobody gets in, but nobody waits for that either.
    CACHES["default"]["OPTIONS"] = {
        **CACHES["default"].get("OPTIONS", {}),
        "socket_timeout": 1,
        "socket_connect_timeout": 1,
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

DRIFT_SCAN_SECONDS = env.int("DRIFT_SCAN_MINUTES", default=15) * 60

# --- Celery: the broker only carries "directory D has work"

CELERY_BROKER_URL = secret("CELERY_BROKER_URL", "memory://" if EMBEDDED else None)
CELERY_TASK_DEFAULT_QUEUE = "default"
# Their workers hold the private keys; everything else runs where none are.
CELERY_TASK_ROUTES = {
    "passwordsync.tasks.drain_directory": {"queue": "directories"},
    "accounts.tasks.rotate_password_keys": {"queue": "directories"},
}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BROKER_CONNECTION_TIMEOUT = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# However long the broker is down: by default a worker ends itself after a while.
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {"polling_interval": 0.02}
    if CELERY_BROKER_URL.startswith("memory:")
    # A broker that is down costs a login one attempt, not several.
    else {"socket_timeout": 1, "socket_connect_timeout": 1, "max_retries": 0}
    if CELERY_BROKER_URL.startswith(("redis:", "rediss:"))
    else {"max_retries": 0}
)
CELERY_WORKER_POOL = "threads"
CELERY_WORKER_CONCURRENCY = 16
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_BEAT_SCHEDULE = {
    "wake-directories": {
        "task": "passwordsync.tasks.wake_directories",
        "schedule": 5,
        "options": {"expires": 5},
    },
    "sweep": {
        "task": "passwordsync.tasks.sweep",
        "schedule": 180,
        "options": {"expires": 180},
    },
    "scan-directories": {
        "task": "passwordsync.tasks.scan_directories",
        "schedule": DRIFT_SCAN_SECONDS,
        "options": {"expires": DRIFT_SCAN_SECONDS},
    },
    "send-mails": {
        "task": "portal.tasks.send_mails",
        "schedule": 10,
        "options": {"expires": 10},
    },
}
if EMBEDDED:
    CELERY_BEAT_SCHEDULE["rotate-password-keys"] = {
        "task": "accounts.tasks.rotate_password_keys",
        "schedule": 600,
        "options": {"expires": 600},
    }

# --- Figures for Prometheus, on a listener of the workers that push

METRICS_BIND = env.str("METRICS_BIND", default="")
if METRICS_BIND and not re.fullmatch(r"\S+:\d+", METRICS_BIND):
    raise ImproperlyConfigured("METRICS_BIND has to be HOST:PORT, for example 127.0.0.1:9464.")

# --- Mail

EMAIL_URL = secret("EMAIL_URL", default="")
if EMAIL_URL:
    vars().update(env.email_url_config(EMAIL_URL))
else:
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = DATA_DIR / "mail"
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = env.str(
    "DEFAULT_FROM_EMAIL", default=f"{PRODUCT_NAME} <latchkey@{_portal.hostname}>"
)

# --- Sign-in (decisions 3 and 4)

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.backends.PortalBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2SHA1PasswordHasher",
    "django.contrib.auth.hashers.ScryptPasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {
            "user_attributes": ["username", "email", "given_name", "family_name", "display_name"]
        },
    },
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": PASSWORD_MIN_LENGTH},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "accounts.password_rules.SealableValidator"},
    {"NAME": "directories.password_rules.BoundDirectoriesValidator"},
    {"NAME": "accounts.password_rules.NotReusedValidator"},
]
LOGIN_URL = reverse_lazy("account_login")
LOGIN_REDIRECT_URL = reverse_lazy("portal:home")
PASSWORD_SET_REDIRECT_URL = reverse_lazy("portal:result")
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_FORMS = {"change_password": "accounts.forms.ChangePasswordForm"}
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_USER_MODEL_EMAIL_FIELD = "email"
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
ACCOUNT_LOGOUT_REDIRECT_URL = reverse_lazy("account_login")
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_RATE_LIMITS = {
    # Counted in the adapter, which also writes the login event; successful logins count for
    # nothing, so an office behind one address can start its day.
    "login": None,
    "login_failed": "100/m/ip,5/5m/key",
    # A mailed link: asked for by anybody who knows a name.
    "password_link": "20/m/ip,5/h/key",
    # A link says whether a password was used before.
    "set_password": "20/m/ip,20/h/key",
}
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = PRODUCT_NAME
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", default=0)
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXIES

# --- The wire

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
SESSION_COOKIE_AGE = 12 * 60 * 60
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
CSRF_COOKIE_HTTPONLY = True
SECURE_SSL_REDIRECT = IS_HTTPS
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60 if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = IS_HTTPS
SECURE_REFERRER_POLICY = "same-origin"
if TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
X_FRAME_OPTIONS = "DENY"
# The admin, and the page with a QR code, each have a little more: config.admin_site, config.urls.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
    }
}
# No error report ever holds the variables of a frame or what was posted.
DEFAULT_EXCEPTION_REPORTER = "config.error_reports.PlainExceptionReporter"

# --- Pages

LANGUAGE_CODE = "en"
USE_I18N = True
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = None if EMBEDDED else DATA_DIR / "static"
STORAGES = {
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"}
    if not EMBEDDED
    else {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = EMBEDDED
_reports = {"What waits": "admin-waiting", "Passwords written": "admin-churn"}
"""Pages of the admin that are no lists: their addresses."""
UNFOLD = {
    "SITE_TITLE": PRODUCT_NAME,
    "SITE_HEADER": PRODUCT_NAME,
    "SITE_SYMBOL": "key",
    "SITE_URL": reverse_lazy("portal:home"),
    "COLORS": {"primary": shades(PRODUCT_COLOUR)},
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    # Without these its menu would link to the password page that the admin does not have.
    "ACCOUNT": {
        "navigation": [
            {"title": "Change password", "link": reverse_lazy("account_change_password")},
            {"title": "Second factor", "link": reverse_lazy("mfa_index")},
        ]
    },
    "SIDEBAR": {
        "navigation": [
            {
                "title": title,
                "separator": bool(number),
                "items": [
                    {
                        "title": name,
                        "icon": icon,
                        "link": reverse_lazy(_reports.get(name, f"admin:{app}_{model}_changelist")),
                        "permission": lambda request, permission=f"{app}.view_{model}": (
                            request.user.has_perm(permission)
                        ),
                    }
                    for name, icon, app, model in pages
                ],
            }
            for number, (title, pages) in enumerate(
                {
                    "People": [
                        ("Users", "person", "accounts", "user"),
                        ("Login events", "login", "accounts", "loginevent"),
                        ("Groups", "groups", "auth", "group"),
                    ],
                    "Directories": [
                        ("Directories", "domain", "directories", "directory"),
                        ("Bindings", "link", "directories", "binding"),
                        ("Sync jobs", "sync", "passwordsync", "syncjob"),
                        ("What waits", "hourglass_top", "directories", "binding"),
                        ("Passwords written", "key", "directories", "binding"),
                    ],
                    "Portal": [
                        ("Organisation", "apartment", "portal", "organisation"),
                        ("Bookmarks", "bookmark", "portal", "bookmark"),
                        ("Mail texts", "edit_note", "portal", "mailtext"),
                        ("Mails", "outbox", "portal", "mail"),
                    ],
                }.items()
            )
        ]
    },
}

# --- Logs

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "without_tokens": {"()": "config.logs.WithoutTokens"},
        "with_job": {"()": "config.logs.WithJob"},
    },
    "formatters": {
        "plain": {"format": "{asctime} {levelname} {name} [{job}] {message}", "style": "{"},
        "json": {"()": "config.logs.JsonLines"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "filters": ["without_tokens", "with_job"],
            "formatter": "plain" if EMBEDDED else "json",
        },
        **(
            {
                "file": {
                    "class": "logging.handlers.RotatingFileHandler",
                    "filename": DATA_DIR / "logs" / "latchkey.log",
                    "maxBytes": 10_000_000,
                    "backupCount": 5,
                    "delay": True,
                    "filters": ["without_tokens", "with_job"],
                    "formatter": "plain",
                }
            }
            if EMBEDDED
            else {}
        ),
    },
    # In the embedded mode the console belongs to what `serve` has to say.
    "root": {"handlers": ["file" if EMBEDDED else "console"], "level": "INFO"},
    "loggers": {
        # Handled by the root alone: Django's own handlers would mail frames to ADMINS.
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "django.server": {"handlers": [], "level": "INFO", "propagate": True},
        # One line for each request, with people's addresses in its URL.
        "googleapiclient": {"level": "ERROR"},
        "azure": {"level": "ERROR"},
        "httpx": {"level": "WARNING"},
        # A line for each request of a busy morning.
        "waitress.queue": {"level": "ERROR"},
        "celery": {"level": "WARNING"},
        "kombu": {"level": "WARNING"},
    },
}
