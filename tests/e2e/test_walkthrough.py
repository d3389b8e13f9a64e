"""`lockbox demo --walkthrough`, as a newcomer runs it: rows W1 to W11, A1, V2 and V4 of the specification, with a real desktop."""

import os
import pwd
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from PIL import Image

from openlockbox.testing.desktops import PATCH

MINUTES = 5


@pytest.fixture
def directory_for_all():
    """Give a place for temporary files which the desktop's own account can reach too, unlike pytest's."""
    with tempfile.TemporaryDirectory(prefix="walkthrough-") as name:
        Path(name).chmod(0o1777)
        yield Path(name)


@pytest.mark.e2e
@pytest.mark.needs_root
def test_the_walkthrough_shows_every_step_and_leaves_nothing_behind(tmp_path, directory_for_all):
    picture = tmp_path / "desktop.png"
    accounts_before = {entry.pw_name for entry in pwd.getpwall()}
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LOCKBOX_")} | {
        "TMPDIR": str(directory_for_all)
    }
    done = subprocess.run(
        [sys.executable, "-m", "openlockbox.cli.main", "demo", "--walkthrough", "--picture", str(picture)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=MINUTES * 60,
        check=False,
    )
    said = done.stdout
    assert done.returncode == 0, said + done.stderr
    for row in ("W1 W2", "W3", "W4 W5", "W5 W6", "W7", "W8", "W9", "W10", "W11", "V2", "V4", "A1"):
        assert re.search(rf"^{row}\b", said, flags=re.MULTILINE), row
    assert "in the state Customer Notified" in said
    assert "refused: classic_resource" in said
    assert "refused: grant_not_usable" in said
    for operation in ("Create Lockbox Request", "Approve Lockbox Request"):
        assert operation in said
    assert re.search(r"the desktop was cut \d+ ms after her click", said)
    assert re.search(r"the gateway confirmed it \d+ ms after the order", said)
    assert _share_of_the_window(picture) > 0.03
    assert not list(directory_for_all.iterdir())
    assert {entry.pw_name for entry in pwd.getpwall()} == accounts_before


def _share_of_the_window(picture):
    with Image.open(picture) as image:
        pixels = list(image.convert("RGB").resize((128, 96), Image.Resampling.NEAREST).get_flattened_data())
    wanted = (PATCH.red, PATCH.green, PATCH.blue)
    near = [p for p in pixels if all(abs(have - want) < 12 for have, want in zip(p, wanted, strict=True))]
    return len(near) / len(pixels)
