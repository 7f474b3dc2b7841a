"""Every setting. This file is the only reader of the environment, and it refuses nonsense with a sentence."""

from __future__ import annotations

import json
import os
import re
import secrets
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse_lazy

from magnet.postgres.postgres_place import no_magnet
from magnet.theme import UNFOLD as UNFOLD

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
if (BASE_DIR / ".env").exists():
    env.read_env(BASE_DIR / ".env")


def number(variable: str, default: int) -> int:
    try:
        return int(env.str(variable, str(default)))
    except ValueError as error:
        raise ImproperlyConfigured(f"{variable} is {env.str(variable)!r}. Set it to a whole number.") from error


def json_object(variable: str) -> dict[str, Any]:
    try:
        value = json.loads(env.str(variable, "") or "{}")
    except ValueError as error:
        raise ImproperlyConfigured(f"{variable} cannot be read as JSON: {error}.") from error
    if not isinstance(value, dict):
        raise ImproperlyConfigured(f'{variable} must be a JSON object such as {{"name": {{}}}}.')
    return value


# -- Where and how -------------------------------------------------------------------------------------------

ENVIRONMENT = env.str("MAGNET_ENVIRONMENT", "local")
if ENVIRONMENT not in {"local", "production"}:
    raise ImproperlyConfigured(f"MAGNET_ENVIRONMENT is {ENVIRONMENT!r}. Set it to `local` or `production`.")
IS_PRODUCTION = ENVIRONMENT == "production"
DEBUG = env.bool("MAGNET_DEBUG", False)

DATA_DIR = Path(env.str("MAGNET_DATA_DIR", str(BASE_DIR / ".data"))).absolute()
PORT = number("PORT", 8000)
HOST = env.str("HOST", "127.0.0.1")
# Which kind of process this is: `web` gets a connection pool; a worker must not, because fork would share it.
# A `guest` uses a Magnet that is there already, and makes nothing where there is none.
ROLE = env.str("MAGNET_ROLE", "command")


def kept_secret(variable: str, *, filename: str) -> str:
    """A secret from the environment; outside production one is made once and kept in the data folder."""
    value: str = env.str(variable, "")
    if value:
        return value
    if IS_PRODUCTION:
        raise ImproperlyConfigured(
            f"Set the {variable} environment variable: production has no default secrets. "
            f'Make one with: python -c "import secrets; print(secrets.token_urlsafe(48))"'
        )
    path = DATA_DIR / filename
    if ROLE == "guest" and not path.exists():
        raise ImproperlyConfigured(no_magnet(DATA_DIR))
    try:
        return kept_text(path)
    except OSError as error:
        raise ImproperlyConfigured(
            f"The data folder {DATA_DIR} cannot be used: {error}. Make it writable, or set MAGNET_DATA_DIR."
        ) from error


def kept_text(path: Path) -> str:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        mine = path.with_name(f"{path.name}.{os.getpid()}")
        with os.fdopen(os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
        # A link appears with its whole content or not at all, however many processes start at once.
        with suppress(FileExistsError):
            path.hardlink_to(mine)
        mine.unlink()
    return path.read_text().strip()


SECRET_KEY = kept_secret("MAGNET_SECRET_KEY", filename="secret_key")
# Newest first: the first key encrypts, all of them decrypt.
ENCRYPTION_KEYS = [
    key.strip() for key in kept_secret("MAGNET_ENCRYPTION_KEYS", filename="encryption_keys").split(",") if key.strip()
]
for _weak in (SECRET_KEY, *ENCRYPTION_KEYS):
    if len(_weak) < 32 or len(set(_weak)) < 8:
        raise ImproperlyConfigured(
            "MAGNET_SECRET_KEY and every key in MAGNET_ENCRYPTION_KEYS need at least 32 random characters. "
            'Make one with: python -c "import secrets; print(secrets.token_urlsafe(48))"'
        )

ALLOWED_HOSTS = env.list("MAGNET_ALLOWED_HOSTS", default=[] if IS_PRODUCTION else ["*"])
if IS_PRODUCTION and not ALLOWED_HOSTS:
    raise ImproperlyConfigured("Set MAGNET_ALLOWED_HOSTS to the host names of this installation, by comma.")
# The first administrator, made by `manage.py start`.
ADMIN_EMAIL = env.str("MAGNET_ADMIN_EMAIL", "admin@example.com")
PUBLIC_URL = env.str("MAGNET_PUBLIC_URL", f"http://localhost:{PORT}").rstrip("/")
CSRF_TRUSTED_ORIGINS = env.list("MAGNET_TRUSTED_ORIGINS", default=[PUBLIC_URL])
CORS_ORIGINS = env.list("MAGNET_CORS_ORIGINS", default=[])

# -- What the product may reach ------------------------------------------------------------------------------

# Hosts (names or networks) that outbound requests may reach although they are private or loopback.
ALLOWED_PRIVATE_HOSTS = env.list("MAGNET_ALLOWED_PRIVATE_HOSTS", default=[])
# Folders below which the `folder` connector may read.
FOLDER_ROOTS = [Path(root).absolute() for root in env.list("MAGNET_FOLDER_ROOTS", default=[str(BASE_DIR / "docs")])]
# Command lines (or their beginnings) that staff may enter as MCP servers, which Magnet then starts. None: no commands.
MCP_COMMANDS = env.list("MAGNET_MCP_COMMANDS", default=[])
MAX_UPLOAD_BYTES = number("MAGNET_MAX_UPLOAD_MB", 100) * 1024 * 1024
MAX_JSON_BYTES = number("MAGNET_MAX_JSON_MB", 50) * 1024 * 1024
# What reading one file may take, in the process of its own that parses what others made.
READER_SECONDS = number("MAGNET_READER_SECONDS", 60)
READER_MEMORY_MB = number("MAGNET_READER_MEMORY_MB", 1_500)
if READER_SECONDS < 1 or READER_MEMORY_MB < 256:
    raise ImproperlyConfigured("MAGNET_READER_SECONDS must be at least 1, and MAGNET_READER_MEMORY_MB at least 256.")
REQUESTS_PER_MINUTE = number("MAGNET_REQUESTS_PER_MINUTE", 60_000)
# Of a person who is signed in, over the API that the ask page and “Try it” use; their other pages are not counted.
PERSON_REQUESTS_PER_MINUTE = number("MAGNET_PERSON_REQUESTS_PER_MINUTE", 240)
if min(REQUESTS_PER_MINUTE, PERSON_REQUESTS_PER_MINUTE) < 1:
    raise ImproperlyConfigured(
        "MAGNET_REQUESTS_PER_MINUTE and MAGNET_PERSON_REQUESTS_PER_MINUTE must be at least 1: nobody could call."
    )

# Providers store the name of one of these variables, never its value.
PROVIDER_KEYS = {
    name: value
    for name, value in env.ENVIRON.items()
    if name.endswith("_API_KEY") and name != "VECTOR_DB_API_KEY" and value
}
# Whose values may also be sent elsewhere than to the usual hosts of their provider: VARIABLE@host, by comma.
ENV_KEY_HOSTS = env.list("MAGNET_ENV_KEY_HOSTS", default=[])
HAS_OPENAI_KEY = "OPENAI_API_KEY" in PROVIDER_KEYS

# Where vectors are searched: `pgvector` is PostgreSQL itself; knowledge/stores has the others, which have an address.
VECTOR_DB_TYPE = env.str("VECTOR_DB_TYPE", "pgvector")
VECTOR_DB_URL = env.str("VECTOR_DB_URL", "").rstrip("/")
VECTOR_DB_API_KEY = env.str("VECTOR_DB_API_KEY", "")
# What the names of our collections begin with, where several installations share a server.
VECTOR_DB_PREFIX = env.str("VECTOR_DB_PREFIX", "magnet")
if not re.fullmatch(r"[a-z][a-z0-9_]{0,50}", VECTOR_DB_PREFIX):
    raise ImproperlyConfigured("VECTOR_DB_PREFIX begins with a letter and has only a-z, 0-9 and _ in it.")

# -- Django --------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    # Before the libraries whose templates it replaces.
    "magnet.apps.MagnetConfig",
    # Not its default: that one would put a site of its own in the place of ours.
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "magnet.apps.MagnetAdminConfig",
    "knowledge.apps.KnowledgeConfig",
    "tools_app.apps.ToolsConfig",
    "agents.apps.AgentsConfig",
    "conversations.apps.ConversationsConfig",
    "ninja",
    "taggit",
    "axes",
    "django_q",
]

MIDDLEWARE = [
    "magnet.web.middleware.front_door",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
    "magnet.web.middleware.bind_person",
]

ROOT_URLCONF = "magnet.urls"
ASGI_APPLICATION = "magnet.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
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

AUTH_USER_MODEL = "magnet.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = reverse_lazy("admin:login")
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
# The library would look for a field named after the column, and never find whom an attempt was about.
AXES_USERNAME_CALLABLE = "magnet.admin.sign_in.address_tried"
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
AXES_LOCKOUT_TEMPLATE = "magnet/locked_out.html"

# -- Database ------------------------------------------------------------------------------------------------

POOL_SIZE = number("MAGNET_POOL_SIZE", 10)


def database() -> dict[str, Any]:
    """DATABASE_URL, or the embedded PostgreSQL of the data folder (started by manage.py, asgi.py or the tests)."""
    url = env.str("DATABASE_URL", "")
    if not url:
        from magnet.postgres import embedded_postgres

        url = embedded_postgres.url(DATA_DIR)
    if not url.startswith(("postgresql://", "postgres://")):
        raise ImproperlyConfigured("DATABASE_URL must name a PostgreSQL: postgresql://user:password@host:5432/magnet")
    try:
        parsed = dict(environ.Env.db_url_config(url))
    except Exception as error:
        raise ImproperlyConfigured(
            "DATABASE_URL cannot be read. It looks like postgresql://user:password@host:5432/magnet"
        ) from error
    options = dict(parsed.get("OPTIONS", {}))
    if ROLE == "web":
        options["pool"] = {"min_size": 1, "max_size": POOL_SIZE, "timeout": 10}
    return {**parsed, "OPTIONS": options, "CONN_MAX_AGE": 0, "TEST": {"NAME": env.str("TEST_DATABASE", None)}}


IS_EMBEDDED = not env.str("DATABASE_URL", "")
DATABASES = {"default": database()}
RETRIEVAL_POOL_SIZE = number("MAGNET_RETRIEVAL_POOL_SIZE", 10)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# -- Files, texts, time --------------------------------------------------------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = Path(env.str("MAGNET_STATIC_ROOT", str(BASE_DIR / "staticfiles")))
MEDIA_ROOT = Path(env.str("MAGNET_FILES_DIR", str(DATA_DIR / "files")))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": (
            "whitenoise.storage.CompressedManifestStaticFilesStorage"
            if IS_PRODUCTION
            else "django.contrib.staticfiles.storage.StaticFilesStorage"
        )
    },
}
WHITENOISE_USE_FINDERS = not IS_PRODUCTION
WHITENOISE_AUTOREFRESH = False
FILE_UPLOAD_MAX_MEMORY_SIZE = 2_500_000
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_JSON_BYTES
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5_000
DATA_UPLOAD_MAX_NUMBER_FILES = 200
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True

# -- Security ------------------------------------------------------------------------------------------------

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
if IS_PRODUCTION:
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SECURE_HSTS_SECONDS = number("MAGNET_HSTS_SECONDS", 31_536_000)
    SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = True
    SECURE_SSL_REDIRECT = env.bool("MAGNET_SSL_REDIRECT", True)
    # The health checks of a container do not speak TLS.
    SECURE_REDIRECT_EXEMPT = [r"^health/"]
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

EMAIL_CONFIG = env.email_url("MAGNET_EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)
DEFAULT_FROM_EMAIL = env.str("MAGNET_FROM_EMAIL", "magnet@localhost")

# -- Work ----------------------------------------------------------------------------------------------------

# With the library's own defaults (no time-out, retry 60) a long task runs twice and a failing one for ever.
_cluster = {
    "orm": "default",
    "timeout": 120,
    "retry": 180,
    "max_attempts": 3,
    "ack_failures": True,
    "catch_up": False,
    "save_limit": 1_000,
    "poll": 0.5,
    "label": "Background work",
}
Q_CLUSTER = {
    **_cluster,
    "name": "fast",
    "workers": number("MAGNET_FAST_WORKERS", 1),
    # A listing is one task, however slowly a website answers; a dead worker is noticed by its heartbeat, not by this.
    "ALT_CLUSTERS": {
        "bulk": {**_cluster, "workers": number("MAGNET_BULK_WORKERS", 1), "timeout": 3_600, "retry": 3_660}
    },
}
# What the clock calls, and after how many minutes again.
SCHEDULED_JOBS = {
    "magnet.alerts.send_due": 1,
    "knowledge.jobs.tick": 1,
    "tools_app.jobs.analyse_answers": 1,
    "conversations.jobs.tick": 1,
    "knowledge.jobs.sweep": 24 * 60,
    "conversations.jobs.sweep": 24 * 60,
}
# What every cluster calls with each of its signs of life, every five seconds: quick, and no matter how often.
CALLED_WITH_EVERY_BEAT = ["knowledge.recovery.go_on", "conversations.endings.close_abandoned"]
# Commands that run all the time beside the clusters, because what they do may take longer than any task.
STEADY_COMMANDS = ["maintain_indexes", *(["sync_vectors"] if VECTOR_DB_TYPE != "pgvector" else [])]
# What upper floors have opened in a process, given back when it ends, and what they have to say about its health.
CLOSED_AT_THE_END = ["knowledge.vectors.close"]
DRAINED_AT_THE_END = ["conversations.turn_runs.drain"]
ENDED_WITH_STREAMS = ["conversations.turn_runs.stop_all"]
READINESS = ["knowledge.vectors.readiness", "knowledge.vector_lag.readiness"]

# Prompts, passages and answers are personal: they go sooner than the figures of their trace.
PAYLOAD_DAYS = number("MAGNET_PAYLOAD_DAYS", 30)
TRACE_DAYS = number("MAGNET_TRACE_DAYS", 180)
CONVERSATION_DAYS = number("MAGNET_CONVERSATION_DAYS", 180)

# A sync or re-index of more documents than these says before it starts what it will take.
ASK_ABOVE_DOCUMENTS = number("MAGNET_ASK_ABOVE_DOCUMENTS", 1_000)
# For so long a generation that was replaced is kept, so that the switch can be undone.
UNDO_DAYS = number("MAGNET_UNDO_DAYS", 7)

# -- Logs ----------------------------------------------------------------------------------------------------

LOG_FORMAT = env.str("MAGNET_LOG_FORMAT", "json" if IS_PRODUCTION else "console")
LOG_LEVEL = env.str("MAGNET_LOG_LEVEL", "INFO")
LOGGING_CONFIG = "magnet.logs.configure"
LOGGING = {"format": LOG_FORMAT, "level": LOG_LEVEL}

# -- Plug-ins --------------------------------------------------------------------------------------------------

VERSION = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())["project"]["version"]
# Modules (or "module:Class") of plug-ins, beside the packages that announce themselves when they are installed.
PLUGINS = env.list("MAGNET_PLUGINS", default=[])
# What each plug-in is given, by its name: {"acme_wiki": {"region": "eu"}}.
PLUGIN_SETTINGS = json_object("MAGNET_PLUGIN_SETTINGS")
# What can be added to: the registry, and what each kind must be a subclass of.
EXTENSION_POINTS = {
    "providers": ("magnet.providers.PROVIDERS", "magnet.providers.base.ModelProvider"),
    "connectors": ("knowledge.connectors.CONNECTORS", "knowledge.connectors.base.Connector"),
    "readers": ("knowledge.readers.READERS", "knowledge.readers.base.Reader"),
    "chunkers": ("knowledge.chunkers.CHUNKERS", "knowledge.chunkers.base.Chunker"),
    "workflows": ("agents.workflows.WORKFLOWS", "agents.workflows.base.Workflow"),
}

# -- Reranking -------------------------------------------------------------------------------------------------

# Node postprocessors of LlamaIndex that staff may choose as rerank models, each as name=module:Class.
POSTPROCESSORS = env.dict("MAGNET_POSTPROCESSORS", default={})

# -- Admin ---------------------------------------------------------------------------------------------------

# The login's uniqueness is a constraint on Lower(email), which Django's check does not see.
SILENCED_SYSTEM_CHECKS = ["auth.W004"]
