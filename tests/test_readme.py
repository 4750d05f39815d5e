"""What README shows is run, and what it points at is there."""

import re
import shlex
from pathlib import Path

import pytest

from nneft.cli.main import COMMANDS, run

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_the_example_runs_and_has_ten_lines(capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = blocks("python")
    assert len([line for line in example.splitlines() if line]) <= 10
    exec(compile(example, "README.md", "exec"), {})
    assert len(capsys.readouterr().out.splitlines()) > 5


def test_the_commands_exist_with_their_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [shlex.split(line, comments=True) for line in "".join(blocks("sh")).splitlines()]
    calls = [line[1:] for line in lines if line and line[0] == "nneft"]
    assert {call[0] for call in calls} <= set(COMMANDS)
    monkeypatch.chdir(tmp_path)
    (drawn,) = [call for call in calls if "--plot" in call]
    assert run(drawn) == 0
    assert (tmp_path / "flow.png").is_file()
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {line[1] for line in lines if line and line[0] == "make"} <= targets


def test_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    missing = [link for link in links if "://" not in link and not (ROOT / link).exists()]
    assert links and missing == []
