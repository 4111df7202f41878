"""`trueup sops` as its users meet it: flags and exit codes of SOPS, and messages that name file, field and remedy."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from trueup.cli.sops import sops

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command, in a folder of its own with an identity."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "SOPS_AGE_KEY", "SOPS_CONFIG", "SOPS_EDITOR", "EDITOR", "SOPS_AGE_RECIPIENTS"):
        monkeypatch.delenv(name, raising=False)

    def invoke(*args: str, given: str | None = None) -> Result:
        return CliRunner().invoke(sops, args, input=given)

    made = invoke("keygen", "-o", "key.txt")
    assert made.exit_code == 0, made.output
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(tmp_path / "key.txt"))
    monkeypatch.setenv("SOPS_AGE_RECIPIENTS", made.stderr.removeprefix("Public key: ").strip())
    Path("a.yaml").write_text("# kept\na: hunter2\nb: [1, 2]\n")
    done = invoke("encrypt", "--output", "b.yaml", "a.yaml")
    assert done.exit_code == 0, done.output
    return invoke


def test_an_identity_is_for_its_owner_alone(run: Run, tmp_path: Path) -> None:
    """Nobody else reads its file, and it is never overwritten."""
    assert (tmp_path / "key.txt").stat().st_mode & 0o777 == 0o600
    again = run("keygen", "-o", "key.txt")
    assert (again.exit_code, "there is such a file already" in again.stderr) == (3, True)
    assert "AGE-SECRET-KEY-1" in run("keygen").stdout


def test_a_file_is_read_by_verbs_and_by_flags(run: Run) -> None:
    """``decrypt FILE``, ``-d FILE``, from the standard input, in another format, or one value of it."""
    plain = "# kept\na: hunter2\nb:\n    - 1\n    - 2\n"
    assert plain == run("decrypt", "b.yaml").stdout == run("-d", "b.yaml").stdout
    sealed = Path("b.yaml").read_text()
    assert plain == run("decrypt", "--input-type", "yaml", "--output-type", "yaml", given=sealed).stdout
    assert json.loads(run("-d", "--output-type", "json", "b.yaml").stdout) == {"a": "hunter2", "b": [1, 2]}
    assert run("-d", "--extract", '["b"][1]', "b.yaml").stdout == "2\n"
    assert run("extract", "b.yaml", '["a"]').stdout == "hunter2"
    assert run("-d", "--output", "c.yaml", "b.yaml").stdout == ""
    assert plain == Path("c.yaml").read_text()


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("-d", "none.yaml"), 100, "none.yaml: there is no such file"),
        (("-d", "a.yaml"), 2, "a.yaml: the file holds no metadata of SOPS"),
        (("-e", "b.yaml"), 203, "b.yaml: the file is encrypted already: edit it instead"),
        (("-d", "--extract", '["x"]', "b.yaml"), 1, "b.yaml: there is no key ['x']"),
        (("-d", "--extract", "x", "b.yaml"), 91, "is no place in a document"),
        (("-d", "-i", "--output", "x", "b.yaml"), 8, "--output and --in-place cannot be used together"),
        (("-d", "-e", "b.yaml"), 8, "only one of --decrypt, --encrypt, --rotate and --set"),
        (("set", "b.yaml", '["a"]', "text"), 2, "the value is not JSON: put a text in double quotes"),
        (("encrypt", "--age", "nonsense", "a.yaml"), 2, "the command line: 'nonsense' is no recipient of age"),
        (("encrypt", "--encrypted-regex", "(", "a.yaml"), 2, "encrypted_regex: error parsing regexp"),
        (("encrypt",), 8, "--filename-override is needed"),
        (("updatekeys", "-y", "b.yaml"), 61, "there is no .sops.yaml in this folder or above it"),
        (("publish", "-y", "b.yaml"), 1, "trueup sops has no publish"),
        (("keyservice", "--network", "unix"), 1, "trueup sops has no keyservice"),
        (("--keyservice", "tcp://x", "-d", "b.yaml"), 1, "--keyservice is not supported"),
        (("b.yaml",), 201, "the editor 'false' ended with exit code 1"),
        (("exec-env", "b.yaml", "true"), 1, "b.yaml: the environment has no place for what 'b' holds"),
    ],
)
def test_what_is_wrong_is_told(
    run: Run, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...], code: int, said: str
) -> None:
    """With an exit code of SOPS, in one line that names the file; no value is in it."""
    monkeypatch.setenv("EDITOR", "false")
    done = run(*args)
    assert code == done.exit_code, done.output
    assert said in done.stderr
    assert "hunter2" not in done.stderr


def test_a_file_that_was_changed(run: Run) -> None:
    """51, with what to do about it; the value is not told."""
    sealed = Path("b.yaml").read_text().splitlines()
    entries = [line for line in sealed if line.startswith("    - ENC")]
    Path("b.yaml").write_text("\n".join(line for line in sealed if line != entries[1]) + "\n")
    done = run("-d", "b.yaml")
    assert done.exit_code == 51
    assert "b.yaml: the file was changed after it was encrypted: its authentication code (sops.mac)" in done.stderr
    assert "to read it nevertheless: --ignore-mac" in done.stderr
    assert "hunter2" in run("-d", "--ignore-mac", "b.yaml").stdout
    moved = Path("b.yaml").read_text().replace("a: ENC", "c: ENC")
    Path("b.yaml").write_text(moved)
    assert "the value of 'c' cannot be decrypted: it was changed or moved" in run("-d", "b.yaml").stderr


def test_who_has_no_key(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """128, with the key that would open the file, and where one is looked for."""
    monkeypatch.delenv("SOPS_AGE_KEY_FILE")
    done = run("-d", "b.yaml")
    assert done.exit_code == 128
    assert "b.yaml: no key opens the file: age age1" in done.stderr
    assert "set SOPS_AGE_KEY_FILE, or put one into" in done.stderr


def test_a_value_is_set(run: Run) -> None:
    """From the command line, a file, or the standard input; nothing is written where nothing changes."""
    assert run("set", "b.yaml", '["a"]', '"new"').exit_code == 0
    assert run("extract", "b.yaml", '["a"]').stdout == "new"
    assert run("set", "--value-stdin", "b.yaml", '["b"][0]', given='{"x": true}').exit_code == 0
    assert run("extract", "b.yaml", '["b"][0]["x"]').stdout == "true\n"
    Path("value").write_text("7")
    assert run("set", "--value-file", "b.yaml", '["c"]["d"]', "value").exit_code == 0
    before = Path("b.yaml").read_bytes()
    assert run("set", "--idempotent", "b.yaml", '["c"]["d"]', "7").exit_code == 0
    assert run("unset", "--idempotent", "b.yaml", '["none"]').exit_code == 0
    assert before == Path("b.yaml").read_bytes()
    assert run("unset", "b.yaml", '["none"]').exit_code == 1
    assert run("--set", '["a"] "newest"', "b.yaml").exit_code == 0
    assert run("extract", "b.yaml", '["a"]').stdout == "newest"
    assert run("-d", "b.yaml").stdout.startswith("# kept\n")


def test_a_file_keeps_its_mode(run: Run) -> None:
    """And is never half written: it is replaced as a whole."""
    Path("b.yaml").chmod(0o640)
    assert run("rotate", "-i", "b.yaml").exit_code == 0
    assert Path("b.yaml").stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in Path().iterdir() if path.is_file()) == ["a.yaml", "b.yaml", "key.txt"]


def test_the_nearest_rules_file_counts(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the current folder upwards; the other spelling is told of."""
    recipient = run("keys", "b.yaml").stdout.removeprefix("age: ").strip()
    monkeypatch.delenv("SOPS_AGE_RECIPIENTS")
    assert run("-e", "a.yaml").exit_code == 61
    Path(".sops.yml").write_text("x")
    assert "a rules file is called .sops.yaml" in run("-e", "a.yaml").stderr
    Path(".sops.yaml").write_text(
        f"creation_rules:\n- path_regex: ^sub/a\n  unencrypted_regex: b\n  age: {recipient}\n"
    )
    Path("sub").mkdir()
    Path("sub/a.yaml").write_text("a: 1\nb: 2\n")
    monkeypatch.chdir("sub")
    assert "b: 2" in run("-e", "a.yaml").stdout
    monkeypatch.chdir("..")
    done = run("-e", "a.yaml")
    assert (done.exit_code, ".sops.yaml: no rule of creation_rules speaks of a.yaml" in done.stderr) == (5, True)


def test_an_editor_that_changes_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """200, and the file as it was; what it makes malformed is not written."""
    before = Path("b.yaml").read_bytes()
    monkeypatch.setenv("SOPS_EDITOR", "true")
    assert run("b.yaml").exit_code == 200
    monkeypatch.setenv("SOPS_EDITOR", 'sh -c \'echo "[" > "$0"\'')
    done = run("edit", "b.yaml")
    assert (done.exit_code, "b.yaml: not valid YAML at line" in done.stderr) == (2, True)
    assert before == Path("b.yaml").read_bytes()


def test_a_command_gets_what_is_in_a_file(run: Run) -> None:
    """As variables, or as a file that is gone afterwards; its exit code is ours."""
    Path("a.env").write_text("A=hunter2\nB=two\\nlines\n")
    assert run("-e", "-i", "a.env").exit_code == 0
    assert run("exec-env", "a.env", 'test "$A" = hunter2').exit_code == 0
    assert run("exec-env", "--pristine", "a.env", 'test -z "$HOME"').exit_code == 0
    assert run("exec-env", "a.env", "exit 7").exit_code == 7
    for flags in ((), ("--no-fifo",)):
        assert run("exec-file", *flags, "a.env", "grep -q hunter2 {} && echo {} > where").exit_code == 0
        assert not Path(Path("where").read_text().strip()).exists()


def test_whether_a_file_is_encrypted(run: Run) -> None:
    """As JSON."""
    assert run("filestatus", "a.yaml").stdout == '{"encrypted":false}\n'
    assert run("filestatus", "b.yaml").stdout == '{"encrypted":true}\n'
    Path("x.bin").write_text("anything")
    assert run("filestatus", "x.bin").stdout == '{"encrypted":false}\n'
