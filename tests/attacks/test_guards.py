"""For each guard a check that its test fails without it. The table is `guards.py`. As many run at once as there are processors."""

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.attacks.guards import GUARDS
from tests.attacks.mutation import TESTS_FAILED, Guard, run_without


@pytest.fixture(scope="module")
def runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Guard, Future[tuple[int | None, str]]]]:
    """Start the runs of all guards that were selected."""
    parameters = [getattr(item, "callspec", None) for item in request.session.items]
    wanted = [p.params["guard"] for p in parameters if p is not None and isinstance(p.params.get("guard"), Guard)]
    pool = ThreadPoolExecutor(os.cpu_count())
    yield {guard: pool.submit(run_without, guard, tmp_path_factory.mktemp("guard")) for guard in wanted}
    pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: f"{guard.row:02}-{guard.name}")
def test_without_the_guard_its_test_fails(guard: Guard, runs: dict[Guard, Future[tuple[int | None, str]]]) -> None:
    status, output = runs[guard].result()
    assert status == TESTS_FAILED, output[-4_000:]


def test_every_row_that_has_a_test_has_a_guard() -> None:
    rows = {int(path.name.split("_")[1]) for path in Path(__file__).parent.glob("test_[0-9][0-9]_*.py")}
    assert rows == {guard.row for guard in GUARDS}
