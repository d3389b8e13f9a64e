import logging
import shutil

import pytest
from click.testing import CliRunner

from openlockbox.cli.main import main

PASSWORD = "correct horse battery"


class Console:
    """The operator's terminal, in this process: each call is one command."""

    def __init__(self, directory):
        self.directory = directory
        self.runner = CliRunner()

    def run(self, *arguments, typed=None):
        file = self.directory / "lockbox.toml"
        before = ["--config", str(file)] if file.exists() else []
        return self.runner.invoke(main, [*before, *arguments], input=typed)

    def ok(self, *arguments, typed=None):
        result = self.run(*arguments, typed=typed)
        assert result.exit_code == 0, (result.output, result.exception)
        return result.stdout

    def refused(self, *arguments, typed=None):
        result = self.run(*arguments, typed=typed)
        assert result.exit_code == 1, (result.output, result.exception)
        assert "Traceback" not in result.output
        return result.stderr

    def init(self):
        return self.ok(
            "init",
            str(self.directory),
            "--provider-name",
            "Ostervane Cloud",
            "--provider-id",
            "ostervane",
            "--mail-sender",
            "lockbox@ostervane.example",
        )

    def add_customer(self):
        self.ok("tenant", "add", "ambertide", "--name", "Ambertide Ceramics", "--plan", "developer")
        self.ok("subscription", "add", "production", "--tenant", "ambertide", "--name", "Production")
        self.add_person("senna", "ambertide")

    def add_person(self, name, tenant):
        return self.ok(
            "person",
            "add",
            name,
            "--tenant",
            tenant,
            "--name",
            name.title(),
            "--mail",
            f"{name}@{tenant}.example",
            "--password-stdin",
            typed=f"{PASSWORD}\n",
        )


@pytest.fixture(autouse=True)
def _logging_as_before():
    """Take back what a process's main file sets up, because commands run in this process."""
    logger = logging.getLogger("openlockbox")
    before = logger.handlers[:], logger.level, logger.propagate
    yield
    logger.handlers[:], logger.level, logger.propagate = before


@pytest.fixture(scope="session")
def _templates(tmp_path_factory):
    """Make an installation, and one with a customer, once; tests copy them."""
    fresh = Console(tmp_path_factory.mktemp("fresh") / "installation")
    fresh.init()
    with_customer = Console(tmp_path_factory.mktemp("customer") / "installation")
    shutil.copytree(fresh.directory, with_customer.directory)
    with_customer.add_customer()
    return fresh.directory, with_customer.directory


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """Give a console without an installation."""
    monkeypatch.delenv("LOCKBOX_CONFIG", raising=False)
    return Console(tmp_path / "installation")


@pytest.fixture
def console(bare, _templates):
    """Give a console with a fresh installation."""
    shutil.copytree(_templates[0], bare.directory)
    return bare


@pytest.fixture
def customer(bare, _templates):
    """Give a console with a customer, its subscription and its owner-to-be."""
    shutil.copytree(_templates[1], bare.directory)
    return bare
