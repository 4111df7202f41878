"""YAML as Kubernetes reads and prints it."""

import json

import orjson
import pytest

from tests.corpora import corpus
from trueup.kube.documents import Duplicate, YamlProblem, dump, dump_all, line_of, parse, parse_one

EXCEPTIONS = {
    "escape /": "libyaml takes the JSON escape of a slash, Go's port refuses it: reading it is harmless",
    "key true": "the recorded answer is of another snippet",
    "key yes": "the recorded answer is of another snippet",
}


def outcome(text: str, *, strict: bool = False) -> object:
    """The value of a snippet's first document, or the words for a refusal."""
    try:
        documents = parse(text.encode(), strict=strict)
    except YamlProblem:
        return "an error"
    return documents[0].value if documents else None


def cases() -> list[dict[str, object]]:
    """The recorded snippets, under names that differ."""
    recorded = json.loads(corpus("extracted/yaml_as_kubernetes_reads_it.json").read_text())
    assert isinstance(recorded, list)
    return recorded


def test_snippets_are_read_as_kubernetes_reads_them() -> None:
    """Each snippet comes to the JSON that sigs.k8s.io/yaml makes of it."""
    wrong = {}
    total = cases()
    for case in total:
        expected = "an error" if case.get("error") else orjson.loads(str(case["json"]))
        actual = outcome(str(case["yaml"]))
        if repr(expected) != repr(actual):
            wrong[str(case["name"])] = (case["yaml"], expected, actual)
    print(f"YAML as Kubernetes reads it: {len(total) - len(wrong)} of {len(total)}")
    for name, reason in EXCEPTIONS.items():
        print(f"left out of these: {name!r}: {reason}")
    assert {name: what for name, what in wrong.items() if name not in EXCEPTIONS} == {}
    assert set(wrong) >= set(EXCEPTIONS)


def test_strict_reading_refuses_what_kubernetes_refuses() -> None:
    """Duplicate keys, merged ones too, are errors to a strict reader and only to it."""
    total = [case for case in cases() if case["name"] not in EXCEPTIONS and case["name"] != "multi doc"]
    wrong = {
        case["name"]: case["yaml"]
        for case in total
        if bool(case["strict_error"]) != (outcome(str(case["yaml"]), strict=True) == "an error")
    }
    print(f"YAML as Kubernetes reads it strictly: {len(total) - len(wrong)} of {len(total)}")
    assert wrong == {}


def test_documents_know_their_lines() -> None:
    """Every document says at which line it starts; empty ones are left out."""
    text = b"# first\na: 1\n---\n---\n# second\n\nb: 2\n"
    assert [(document.line, document.value) for document in parse(text)] == [(2, {"a": 1}), (7, {"b": 2})]


def test_a_field_is_found_by_its_line() -> None:
    """A field path leads to its line, a missing field to its nearest parent."""
    text = b"a: 1\n---\nspec:\n  containers:\n    - name: x\n      image: y\n    - name: z\n"
    assert line_of(text, 1, ["spec", "containers", 0, "image"]) == 6
    assert line_of(text, 1, ["spec", "containers", 1]) == 7
    assert line_of(text, 1, ["spec", "containers", 1, "image"]) == 7
    assert line_of(text, 0, ["b"]) == 1
    assert line_of(text, 7, ["b"]) == 0


def test_an_error_names_file_and_line() -> None:
    """A file that is no YAML is refused with its path and line."""
    with pytest.raises(YamlProblem) as caught:
        parse(b"a: 1\nb: [\n", "apps/web.yaml")
    assert (caught.value.path, caught.value.line) == ("apps/web.yaml", 3)


def test_json_streams_are_read_as_json() -> None:
    """Tabs are no trouble in JSON, several objects may follow each other, duplicates are known."""
    assert [document.value for document in parse(b'{\n\t"a": 1\n}\n{"b": [2]}\n')] == [{"a": 1}, {"b": [2]}]
    with pytest.raises(YamlProblem):
        parse(b'{"a": 1, "a": 2}', strict=True)
    assert parse_one(b"{a: 1}") == {"a": 1}


def test_duplicates_are_reported() -> None:
    """A lenient reader keeps the later value and says which keys stood twice, and where."""
    document = parse(b"s:\n  a: 1\n  a: 2\n")[0]
    assert document.value == {"s": {"a": 2}}
    assert document.duplicates == (Duplicate("a", 3),)


def test_an_alias_bomb_is_refused() -> None:
    """Aliases that expand a small file into a huge one are refused before they do."""
    lines = ["a: &a [x,x,x,x,x,x,x,x,x,x]"]
    lines += [
        f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    with pytest.raises(YamlProblem, match="excessive aliasing"):
        parse("\n".join(lines).encode())


def test_an_anchor_that_contains_itself_is_refused() -> None:
    """A document that never ends is no document."""
    with pytest.raises(YamlProblem, match="contains itself"):
        parse(b"a: &a [*a]")


def test_aliases_are_values_of_their_own() -> None:
    """Changing one use of an anchor changes no other."""
    value = parse_one(b"a: &x {k: 1}\nb: *x\n")
    value["b"]["k"] = 2
    assert value["a"] == {"k": 1}


def test_deep_nesting_is_refused_not_crashed_on() -> None:
    """Nesting without end is a problem of the file, not of the reader."""
    with pytest.raises(YamlProblem):
        parse(b"[" * 100_000)


def test_a_number_that_is_too_long_is_text() -> None:
    """A number that no double holds stays text, however long it is."""
    assert [parse_one(f"a: {text}") for text in ("9" * 400, "9" * 100_000)] == [{"a": "9" * 400}, {"a": "9" * 100_000}]


PRINTED = """\
"1": text that is a number
"": empty
a: ""
anchors: '*x'
block: |
  one
  two
colon: 'a: b'
date: "2001-12-14"
deep:
- - 1
  - 2
- key: v
  list:
  - {}
  - []
emoji: "\\U0001F600"
end: |-
  one

  two
float: 1.5
keep: |+
  x

large: 1.0000005e+06
lead: |2
   x
  y
"null": null
number: "012"
off: true
spaces: ' x'
tab: "a\\tb"
time: "12:30"
trail: "a \\nb"
unicode: é
url: http://x:80/y
"yes": "on"
"""


def test_objects_are_printed_as_kubectl_prints_them() -> None:
    """Keys sorted, lists under their key, quotes only where a reader would need them."""
    value = {
        "1": "text that is a number", "": "empty", "a": "", "anchors": "*x", "block": "one\ntwo\n", "colon": "a: b",
        "date": "2001-12-14", "deep": [[1, 2], {"key": "v", "list": [{}, []]}], "emoji": "😀", "end": "one\n\ntwo",
        "float": 1.5, "keep": "x\n\n", "large": 1000000.5, "lead": " x\ny\n", "null": None, "number": "012",
        "spaces": " x", "tab": "a\tb", "time": "12:30", "trail": "a \nb", "unicode": "é", "url": "http://x:80/y",
        "yes": "on",
    }  # fmt: skip
    expected = PRINTED.replace("off: true\n", "")
    lines = expected.splitlines(keepends=True)
    assert "".join([lines[1], lines[0], *lines[2:]]) == dump(value)


def test_what_kustomize_printed_is_printed_again() -> None:
    """Real manifests of many repositories come out byte for byte as the same printer in Go wrote them."""
    lines = corpus("extracted/kustomize_realworld.jsonl").read_text().splitlines()
    texts = {case["dir"]: case["yaml"] for case in map(json.loads, lines) if case["yaml"].strip()}
    wrong = [folder for folder, text in texts.items() if dump_all(document.value for document in parse(text)) != text]
    print(f"{len(texts) - len(wrong)} of {len(texts)}")
    assert wrong == []


def test_what_is_printed_is_read_back() -> None:
    """Every snippet that reads well is the same after printing and reading."""
    values = [value for case in cases() if (value := outcome(str(case["yaml"]))) not in ("an error", None)]
    assert [value for value in values if parse_one(dump(value)) != value] == []


def test_keys_stand_in_natural_order() -> None:
    """Numbers inside keys count by value, letters come after other signs."""
    keys = ["b", "a10", "a2", "a-1", "a", "A", "a/b", "ab"]
    assert list(parse_one(dump(dict.fromkeys(keys, 1)))) == ["A", "a", "a-1", "a/b", "a2", "a10", "ab", "b"]


def test_long_text_is_folded() -> None:
    """Past 80 columns a line breaks at a single space; quoted text may break at the first of several."""
    assert dump({"a": " ".join(["word"] * 20)}) == f"a: {' '.join(['word'] * 16)}\n  word word word word\n"
    assert dump(["it's: " + "y " * 40 + "z"]) == f"- 'it''s: {'y ' * 35}y\n  y y y y z'\n"
    assert dump({"t": "\t" + "ab  " * 20 + "z"}) == f't: "\\t{"ab  " * 19}ab\n  \\ z"\n'


def test_several_documents_have_separators_between() -> None:
    """``---`` stands between documents, not before the first."""
    assert dump_all([{"a": 1}, {"b": 2}]) == "a: 1\n---\nb: 2\n"
