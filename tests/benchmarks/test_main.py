from __future__ import annotations

import pytest

from tests.benchmarks.__main__ import main


@pytest.mark.parametrize("runs", ["0", "-1", "many"])
def test_a_number_of_runs_is_1_or_more(runs: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--runs", runs])
    assert ended.value.code == 2
    assert "--runs" in capsys.readouterr().err
