"""Runs the whole web application over a world that a test has made: ready file, database, directory, and a file with the time."""

import os
import secrets
import sys
from datetime import datetime
from pathlib import Path

from openlockbox.adapters.db import SqlDatabase
from openlockbox.adapters.identity.local import LocalSignIn
from openlockbox.adapters.identity.passkeys import WebauthnPasskeys
from openlockbox.adapters.keys.files import FileKeys
from openlockbox.adapters.policy.engine import CedarPolicyEngine
from openlockbox.connectors.registry import Registry
from openlockbox.services.work import Lockbox, Rules
from openlockbox.web.app import create_app
from openlockbox.web.serve import run_web
from openlockbox.web.settings import WebSettings

ready, url, directory, clock = sys.argv[1:]
keys = FileKeys(Path(directory) / "keys")
lockbox = Lockbox(
    database=SqlDatabase(url, salt=os.urandom),
    policy=CedarPolicyEngine.from_directory(None),
    keys=keys,
    sign_in=LocalSignIn(keys.secret("totp")),
    passkeys=WebauthnPasskeys("localhost", ("http://localhost",)),
    registry=Registry(),
    rules=Rules(base_url="http://localhost"),
    clock=lambda: datetime.fromisoformat(Path(clock).read_text(encoding="ascii")),
    new_id=lambda prefix: f"{prefix}-{secrets.token_hex(8)}",
    new_secret=lambda: secrets.token_urlsafe(32),
)
settings = WebSettings(base_url="http://localhost", cookie_secure=False, csrf_secret=b"c" * 32)
run_web(create_app(lockbox, settings), host="127.0.0.1", port=0, ready_file=Path(ready))
