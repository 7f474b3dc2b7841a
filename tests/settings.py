"""Magnet's settings for the tests: a data folder and a database of their own, and no key of the developer's."""

import atexit
import os
import shutil
import tempfile

from tests.database import attach, name_for_this_run

data_dir = tempfile.mkdtemp(prefix="magnet-tests-")
atexit.register(shutil.rmtree, data_dir, ignore_errors=True)

# Set here, a value of the developer's .env file no longer counts.
os.environ.update({name: "" for name in os.environ if name.endswith("_API_KEY")} | {"OPENAI_API_KEY": ""})
os.environ.update({"MAGNET_ENVIRONMENT": "local", "MAGNET_LOG_FORMAT": "console", "MAGNET_DEBUG": "false"})
os.environ["MAGNET_DATA_DIR"] = data_dir
os.environ["DATABASE_URL"] = os.environ.get("DATABASE_URL") or attach()
os.environ.setdefault("TEST_DATABASE", name_for_this_run())

from magnet.settings import *  # noqa: E402, F403

# Signing in is part of many tests, and the strength of the hash of none.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# Tests share their people's numbers, and a process: none of them may be stopped by what the others asked.
PERSON_REQUESTS_PER_MINUTE = 100_000
