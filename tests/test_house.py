"""What holds of the package as a whole: names, help, version, and nothing of one machine."""

import importlib.metadata
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

import nneft
from nneft.cli.main import COMMANDS, cli

ROOT = Path(__file__).parents[1]
TEXT = {".py", ".md", ".toml", ".txt", ".cff", ".yml", ".yaml", ".cfg", ""}

# Written in two parts, so that this file does not hold what it looks for.
FORBIDDEN = [
    r"py" + r"pi\.org",
    r"python" + r"hosted",
    r"index" + r"[-_]url",
    r"find" + r"[-_]links",
    r"--trusted" + r"-host",
    r"(?<![\w./*~])/(wo" + r"rk|ro" + r"ot|ho" + r"me|Users|op" + r"t|tm" + r"p)/",
]


def own_files() -> list[Path]:
    """The text files of the project, by folder, so that no version control is needed."""
    found = [path for path in ROOT.iterdir() if path.is_file()]
    for folder in ("src", "tests", "benchmarks", "docs", ".ci"):
        found += [path for path in (ROOT / folder).rglob("*") if path.is_file()]
    return [p for p in found if p.suffix in TEXT and "__pycache__" not in p.parts]


@pytest.mark.parametrize("pattern", FORBIDDEN)
def test_no_file_names_a_package_index_or_a_path_of_one_machine(pattern: str) -> None:
    files = own_files()
    assert len(files) > 20
    bad = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in files
        if (match := re.search(pattern, path.read_text(encoding="utf-8")))
    ]
    assert bad == []


def test_exact_versions_are_names_and_versions_alone() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in pins)
    names = {re.sub("[-_.]+", "-", pin.split("==")[0]).lower() for pin in pins}
    metadata = importlib.metadata.requires("nneft") or []
    needed = {re.match(r"[\w.-]+", line)[0].lower() for line in metadata}  # type: ignore[index]
    assert needed <= names


@pytest.mark.parametrize("name", nneft.__all__)
def test_every_public_name_is_documented(name: str) -> None:
    value = getattr(nneft, name)
    if name == "__version__":
        return
    assert inspect.getdoc(value), f"nneft.{name} has no docstring"
    own = [m for m in vars(value) if not m.startswith("_")] if inspect.isclass(value) else []
    for member in own:
        attribute = inspect.getattr_static(value, member)
        if inspect.isroutine(attribute) or isinstance(attribute, property):
            assert inspect.getdoc(getattr(value, member)), f"nneft.{name}.{member}"


def test_no_room_is_named_like_a_public_function() -> None:
    rooms = {module.name for module in pkgutil.iter_modules(nneft.__path__)}
    assert len(rooms) > 5
    assert rooms & set(nneft.__all__) == set()


def test_the_version_comes_from_one_place() -> None:
    assert importlib.metadata.version("nneft") == nneft.__version__
    cited = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert cited and cited[1] == nneft.__version__
    written = [
        path
        for path in (ROOT / "src").rglob("*.py")
        if re.search(rf"['\"]{re.escape(nneft.__version__)}['\"]", path.read_text())
    ]
    assert [path.name for path in written] == ["_version.py"]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_every_command_has_help(name: str) -> None:
    with click.Context(cli) as context:
        command = cli.get_command(context, name)
    assert command is not None
    assert command.name == name and command.help
    options = [p for p in command.params if isinstance(p, click.Option)]
    assert options and all(option.help for option in options)
    assert "--json" in {flag for option in options for flag in option.opts}
    assert "--help" in {flag for p in command.get_params(context) for flag in p.opts}


@pytest.mark.parametrize("args", [["--help"], ["--version"], *([c, "--help"] for c in COMMANDS)])
def test_help_imports_nothing_heavy(args: list[str]) -> None:
    script = (
        "import sys; from nneft.cli.main import run; code = run(sys.argv[1:]); "
        "heavy = {'numpy', 'scipy', 'rich', 'matplotlib', 'xarray', 'sympy', 'pydantic'}; "
        "sys.exit(code or ', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script, *args], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "nneft" in done.stdout
