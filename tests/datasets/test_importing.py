"""importing: bytes → rows and line-numbered problems."""

import csv
import gzip
import io
import json
from pathlib import Path

import openpyxl
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalhub.datasets.importing import (
    BadValue,
    MissingColumns,
    Problem,
    Row,
    Unreadable,
    clean_values,
    fingerprint,
    preview,
    read_rows,
    survey,
)

GOOD = {"instruction": "Write a headline.", "input": "Rain fell.", "output": "Rain"}


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def jsonl(*rows: dict) -> str:
    return "".join(json.dumps({**GOOD, **row}) + "\n" for row in rows)


def read(folder: Path, name: str, content: str | bytes, **options) -> list[Row | Problem]:
    return list(read_rows(written(folder, name, content), **options))


def problem(folder: Path, row: str, name: str = "bad.jsonl") -> Problem:
    """The one problem of a file whose second line is `row`, between two good lines."""
    items = read(folder, name, jsonl({"id": 1}) + row + "\n" + jsonl({"id": 3}))
    assert [type(item) for item in items] == [Row, Problem, Row]
    assert items[1].line == 2
    return items[1]


# --- shapes of rows -----------------------------------------------------------------------------
def test_it_reads_alpaca_rows_and_keeps_other_columns_as_metadata(tmp_path):
    row = {"task": "deck", "document": "a.md", "language": "en", "tags": ["x", "y"], "split": "dev", "id": 7, "n": 1.5}
    (found,) = read(tmp_path, "a.jsonl", jsonl(row))
    assert (found.instruction, found.input, found.output) == ("Write a headline.", "Rain fell.", "Rain")
    assert (found.category, found.source, found.language, found.tags) == ("deck", "a.md", "en", ["x", "y"])
    assert (found.wanted_split, found.key, found.metadata) == ("validation", "7", {"n": 1.5})


def test_it_takes_the_path_as_document_where_source_is_only_a_site(tmp_path):
    (found,) = read(tmp_path, "a.jsonl", jsonl({"source": "digital.gov", "path": "news/1.md"}))
    assert (found.source, found.metadata) == ("news/1.md", {"source": "digital.gov"})


def test_it_reads_prompt_and_completion(tmp_path):
    (found,) = read(tmp_path, "a.jsonl", '{"prompt": "Say hi", "completion": "Hi"}')
    assert (found.instruction, found.input, found.output) == ("Say hi", "", "Hi")


def test_it_reads_chats_with_system_text_and_history(tmp_path):
    turns = [("system", "Be brief."), ("human", "One?"), ("gpt", "1"), ("human", "Two?"), ("gpt", "2")]
    rows = [{"conversations": [{"from": who, "value": text} for who, text in turns]}]
    (found,) = read(tmp_path, "a.json", json.dumps(rows))
    assert (found.system, found.instruction, found.output) == ("Be brief.", "Two?", "2")
    assert found.history == [{"role": "user", "content": "One?"}, {"role": "assistant", "content": "1"}]


def test_it_reads_openai_messages_with_text_parts(tmp_path):
    messages = [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}, {"role": "assistant", "content": "Ho"}]
    (found,) = read(tmp_path, "a.jsonl", json.dumps({"messages": messages}))
    assert (found.instruction, found.output, found.history) == ("Hi", "Ho", [])


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([{"role": "user", "content": "Hi"}], "does not end with an answer"),
        ([{"role": "assistant", "content": "Hi"}], "do not alternate"),
        ([{"role": "tool", "content": "Hi"}], "role “tool”"),
        ([{"role": "user"}], "has no content"),
        (["Hi"], "A turn of the messages is a text"),
        ("Hi", "not JSON"),
        ([{"role": "user", "content": [{"type": "image"}]}, {"role": "assistant", "content": "x"}], "is a list"),
    ],
)
def test_it_refuses_chats_that_teach_nothing(tmp_path, messages, reason):
    (found,) = read(tmp_path, "a.jsonl", json.dumps({"messages": messages}))
    assert reason in found.reason


def test_it_maps_columns_as_told(tmp_path):
    content = "question,answer,kind\nWhy?,Because.,faq\n"
    (found,) = read(
        tmp_path, "a.csv", content, mapping={"instruction": "question", "output": "Answer", "category": "kind"}
    )
    assert (found.instruction, found.output, found.category, found.metadata) == ("Why?", "Because.", "faq", {})


def test_it_lets_a_mapping_win_over_names(tmp_path):
    (found,) = read(tmp_path, "a.jsonl", jsonl({"better": "Rain falls"}), mapping={"output": "better"})
    assert (found.output, found.metadata) == ("Rain falls", {"output": "Rain"})


@pytest.mark.parametrize("mapping", [{"nonsense": "output"}, {"output": "nowhere"}])
def test_it_refuses_a_mapping_to_what_is_not_there(tmp_path, mapping):
    with pytest.raises(Unreadable, match=r"nonsense|nowhere"):
        read(tmp_path, "a.csv", "instruction,output\na,b\n", mapping=mapping)


# --- formats and encodings ----------------------------------------------------------------------
@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.txt"])
def test_it_reads_jsonl_under_any_name(tmp_path, name):
    assert len(read(tmp_path, name, jsonl({}, {"id": 2}))) == 2


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("wrap", [False, True])
def test_it_reads_json_lists_and_lists_in_an_object(tmp_path, indent, wrap):
    rows = [{**GOOD, "id": number} for number in range(3)]
    content = json.dumps({"data": rows} if wrap else rows, indent=indent)
    assert [row.key for row in read(tmp_path, "a.json", content)] == ["0", "1", "2"]


def test_it_numbers_the_lines_of_a_json_list(tmp_path):
    rows = "[\n" + json.dumps(GOOD) + ",\n\n" + json.dumps({**GOOD, "output": ""}) + "\n]"
    assert [item.line for item in read(tmp_path, "a.json", rows)] == [2, 4]


def test_it_reads_a_json_list_longer_than_its_window(tmp_path):
    rows = [{**GOOD, "id": number, "input": "x" * 9000} for number in range(200)]
    assert [row.key for row in read(tmp_path, "a.json", json.dumps(rows))] == [str(number) for number in range(200)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_it_finds_the_delimiter(tmp_path, delimiter):
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows([["instruction", "input", "output"], ["a,;", "b|\t", "c"]])
    (found,) = read(tmp_path, "a.csv", text.getvalue())
    assert (found.instruction, found.input, found.output) == ("a,;", "b|\t", "c")


def test_it_keeps_line_breaks_in_quoted_fields_and_counts_physical_lines(tmp_path):
    content = 'instruction,output\r\n"one\r\ntwo",x\r\n\r\nthree,\r\n'
    first, second = read(tmp_path, "a.csv", content)
    assert (first.line, first.instruction) == (2, "one\ntwo")
    assert (second.line, second.field, second.reason) == (5, "output", "The output is empty.")


def test_it_reads_crlf_blank_lines_and_a_missing_last_line_end(tmp_path):
    content = "\r\n" + json.dumps(GOOD) + "\r\n\r\n  \r\n" + json.dumps({**GOOD, "id": 2})
    assert [row.line for row in read(tmp_path, "a.jsonl", content)] == [2, 5]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"])
def test_it_finds_the_encoding(tmp_path, encoding):
    content = "instruction,output\nÜbersetze das Straßenschild für Zürich,Größe und Länge\n".encode(encoding)
    (found,) = read(tmp_path, "a.csv", content)
    assert found.output == "Größe und Länge"


def test_it_names_the_encoding_in_the_preview(tmp_path):
    path = written(tmp_path, "a.csv", "instruction,output\nÜber,Größe\n".encode("latin-1"))
    assert preview(path).described == "CSV with commas, CP1252"


def test_it_reads_gzip_by_its_bytes(tmp_path):
    assert len(read(tmp_path, "a.dat", gzip.compress(jsonl({}).encode()))) == 1


def test_it_reads_xlsx_with_numbers_and_empty_cells(tmp_path):
    book = openpyxl.Workbook()
    for row in (["Instruction", "Output", "n"], ["a", 3, None], [None, None, None], ["b", None, 1]):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    first, second = read_rows(tmp_path / "a.xlsx")
    assert (first.line, first.output) == (2, "3")
    assert (second.line, second.field) == (4, "output")


def test_it_reads_parquet(tmp_path):
    table = pyarrow.table({"prompt": ["a", "b"], "completion": ["x", None], "n": [1, None]})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    first, second = read_rows(tmp_path / "a.parquet")
    assert (first.output, first.metadata) == ("x", {"n": 1})
    assert (second.line, second.field) == (2, "output")


# --- what one row can do wrong ------------------------------------------------------------------
@pytest.mark.parametrize(
    ("row", "field", "reason"),
    [
        ('{"instruction": "a", "output": null}', "output", "The output is empty."),
        ('{"instruction": "a", "output": "  "}', "output", "The output is empty."),
        ('{"instruction": "", "output": "b"}', "instruction", "The instruction is empty."),
        ('{"instruction": "a"}', "output", "No column “output”. The row has: instruction."),
        ('{"instruction": "a", "output": ["b"]}', "output", "The output is a list; a text is needed."),
        ('{"instruction": {"x": 1}, "output": "b"}', "instruction", "The instruction is an object; a text is needed."),
        ('{"instruction": "a", "output": NaN}', "output", "The output is NaN, which is not a number that can be kept."),
        ('{"instruction": "a", "output": "b", "n": 1e999}', "n", "The n is Infinity"),
        ('{"instruction": "a", "output": "b\\u0000c"}', "output", "a NUL character (U+0000) at character 2"),
        ('{"instruction": "a", "output": "b", "x": {"y": "\\u0000"}}', "x", "a NUL character"),
        ('{"instruction": "a", "output": "\\ud800"}', "output", "not valid UTF-8 at character 1"),
        ('{"instruction": "a", "output": "b", "split": "holdout"}', "split", "known are train, validation and test"),
        ('{"instruction": "a", "output": "b", "output": "c"}', "output", "names “output” twice"),
        ('{"instruction": "a", "output": "b", "Output": "c"}', "output", "twice, in different cases"),
        ('{"instruction": "a", "output": "b", "\\udc00": 1}', "?", "A field's name"),
        ('{"instruction": "a", "output": "b", "\\u0000": 1}', "␀", "A field's name"),
        ('{"instruction": "a", "output"', "", "Not JSON: it ends in the middle."),
        ("plain words", "", "Not JSON: Expecting value at character 1."),
        ("[1, 2]", "", "The row is a list; an object with named fields is needed."),
        ('{"instruction": "a", "output": "b", "tags": 3}', "tags", "a list or a text with commas is needed"),
    ],
)  # fmt: skip
def test_it_sets_aside_only_the_bad_row_and_says_why(tmp_path, row, field, reason):
    found = problem(tmp_path, row)
    assert found.field == field
    assert reason in found.reason
    json.dumps(found.raw).encode()
    assert "\0" not in found.raw


@pytest.mark.parametrize("name", ["instruction", "key", "category", "source", "language"])
def test_it_names_the_limit_of_a_field(tmp_path, name):
    column = {"key": "id"}.get(name, name)
    size = 2_000_001 if name == "instruction" else 300
    found = problem(tmp_path, json.dumps({**GOOD, column: "x" * size}))
    assert found.field == name
    assert "at most" in found.reason


def test_it_sets_aside_lines_that_break_utf8_in_an_otherwise_sound_file(tmp_path):
    content = jsonl({}).encode() + json.dumps({**GOOD, "input": "über"}, ensure_ascii=False).encode()
    first, second, third = read(tmp_path, "a.jsonl", content + b'\n{"instruction": "a", "output": "\xff"}\n')
    assert (first.line, second.input, third.line) == (1, "über", 3)
    assert "not valid UTF-8" in third.reason


def test_it_turns_numbers_and_truth_into_text(tmp_path):
    found = read(tmp_path, "a.jsonl", jsonl({"output": 3}, {"output": 2.5}, {"output": True}, {"input": None}))
    assert [row.output for row in found] == ["3", "2.5", "true", "Rain"]
    assert found[3].input == ""


def test_it_reports_rows_of_another_width(tmp_path):
    long, good, short = read(tmp_path, "a.csv", "instruction,output\na,b,c\nd,e\nf\n")
    assert long.reason == "The row has 3 fields; the header has 2."
    assert good.output == "e"
    assert short.reason == "The row has 1 field; the header has 2."


# --- what a file can do wrong -------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.jsonl", b"", "a.jsonl is empty"),
        ("a.csv", b" \n\n", "a.csv is empty"),
        ("a.csv", b"\xef\xbb\xbf", "a.csv is empty"),
        ("a.csv", b"instruction,output\n", "a.csv has no rows."),
        ("a.json", b"[]", "a.json has no rows."),
        ("a.csv", b"question,answer\na,b\n", "found the columns question, answer; wanted are instruction and output"),
        ("a.jsonl", b'{"q": 1}\n{"q": 2}\n', "found the columns q; wanted are instruction and output"),
        ("a.jsonl", b'{"instruction": "a"}\n', "found the columns instruction; wanted"),
        ("a.csv", b"instruction,output,Output\na,b,c\n", "names the column “output” twice"),
        ("a.csv", b'instruction,output\na,"b\nc,d\n', "a quotation mark opens at line 2 and never closes"),
        ("a.json", b'[\n{"instruction": "a", "output": "b"},\n{"instr', "broken JSON at line 3: the file ends"),
        ("a.json", b'[{"instruction": "a"} {"b": 1}]', "broken JSON at line 1: a comma is missing"),
        ("a.json", b'[{"instruction": "a"}', "ends before the list is closed"),
        ("a.json", b"hello", "a.json is not JSON at line 1"),
        ("a.json", b"[" * 100_000, "nested too deeply"),
        ("a.png", b"\x89PNG\r\n\x1a\n" + bytes(range(32)) * 9, "is not a text file"),
        ("a.xlsx", b"PK\x03\x04 and no more", "not one, or is broken"),
        ("a.parquet", b"PAR1 and no more", "is broken"),
        ("a.gz", gzip.compress(b"{}" * 999, mtime=0)[:-9], "cannot be unpacked to its end"),
        ("a.csv", "instruction,output\nä,ö\n".encode("utf-16")[:-1], "breaks its rules; save it as UTF-8"),
    ],
)
def test_it_refuses_a_broken_file_in_one_sentence(tmp_path, name, content, sentence):
    with pytest.raises(Unreadable, match=r"\.$") as refusal:
        survey(written(tmp_path, name, content))
    assert sentence in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_it_stops_a_gzip_bomb(tmp_path, monkeypatch):
    monkeypatch.setattr("evalhub.datasets.formats.limits.MAX_BYTES", 2**20)
    with pytest.raises(Unreadable, match="longer than 1 MB unpacked"):
        read(tmp_path, "a.gz", gzip.compress(b" " * 2**22))


def test_it_survives_a_row_nested_too_deeply(tmp_path):
    deep = '{"instruction": "a", "output": "b", "m": ' + "[" * 50_000 + "]" * 50_000 + "}"
    assert problem(tmp_path, deep).reason == "The row is nested too deeply."


def test_it_names_a_mapped_column_that_no_row_has(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"q": 1, "a": 2}\n' * 3)
    with pytest.raises(MissingColumns, match=r"a.jsonl has no column “question”; it has q, a\."):
        survey(path, mapping={"instruction": "question", "output": "a"})


def test_its_preview_says_once_that_columns_are_missing(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"q": 1, "a": 2}\n' * 9)
    found = preview(path)
    assert found.lacking.startswith("a.jsonl: found the columns q, a; wanted are instruction and output")
    assert len(found.problems) == 1
    path.write_text('{"q": 1, "a": 2}\n' * 9 + '{"prompt": "a", "completion": "b"}\n')
    assert preview(path).lacking == ""
    assert len(preview(path).problems) == 5


def test_it_previews_without_reading_everything(tmp_path):
    path = written(tmp_path, "a.jsonl", jsonl(*({"id": number} for number in range(500))) + "broken")
    found = preview(path, limit=3)
    assert [row.key for row in found.rows] == ["0", "1", "2"]
    assert found.mapping == {"instruction": "instruction", "input": "input", "output": "output", "key": "id"}
    assert survey(path).problems == 1


# --- properties ---------------------------------------------------------------------------------
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), min_size=1, max_size=60).filter(
    str.strip
)
ROWS = st.lists(st.fixed_dictionaries({"instruction": TEXT, "input": TEXT, "output": TEXT}), min_size=1, max_size=8)
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def texts(rows: list[dict]) -> list[tuple[str, str, str]]:
    return [(row["instruction"], row["input"], row["output"]) for row in rows]


def found_texts(path: Path) -> list[tuple[str, str, str]]:
    return [(row.instruction, row.input, row.output) for row in read_rows(path)]


@QUICK
@given(rows=ROWS, ascii_only=st.booleans(), indent=st.sampled_from([None, 1]))
def test_it_gives_back_what_json_holds(tmp_path, rows, ascii_only, indent):
    path = written(tmp_path, "a.json", json.dumps(rows, ensure_ascii=ascii_only, indent=indent))
    assert found_texts(path) == texts(rows)
    lines = "\n".join(json.dumps(row, ensure_ascii=ascii_only) for row in rows)
    assert found_texts(written(tmp_path, "a.jsonl", lines)) == texts(rows)


@QUICK
@given(
    rows=ROWS, delimiter=st.sampled_from([",", ";", "\t"]), encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])
)
def test_it_gives_back_what_csv_holds(tmp_path, rows, delimiter, encoding):
    text = io.StringIO()
    table = csv.DictWriter(text, ["instruction", "input", "output"], delimiter=delimiter)
    table.writeheader()
    table.writerows(rows)
    assert found_texts(written(tmp_path, "a.csv", text.getvalue().encode(encoding))) == texts(rows)


def all_words(path: Path) -> list[str]:
    """Everything that a page or a report would show of a file."""
    found = preview(path)
    problems = [item for item in read_rows(path) if isinstance(item, Problem)]
    return [*found.columns, *(text for item in problems for text in (item.field, item.reason, item.raw))]


@QUICK
@given(
    content=st.binary(max_size=400), head=st.sampled_from([b"", b'{"instruction": "', b"instruction,output\n", b"[{"])
)
def test_it_answers_any_bytes_with_rows_problems_or_one_sentence(tmp_path, content, head):
    path = written(tmp_path, "a.jsonl", head + content)
    try:
        total, words = survey(path).total, all_words(path)
    except Unreadable as refusal:
        total, words = 1, [str(refusal)]
    assert total >= 1
    assert "\0" not in "".join(words).encode().decode()


@given(values=st.fixed_dictionaries(dict.fromkeys(("instruction", "input", "output"), TEXT)))
def test_it_cleans_to_a_fixed_point_with_a_stable_fingerprint(values):
    cleaned = clean_values(values)
    assert clean_values(cleaned) == cleaned
    assert fingerprint(cleaned) == fingerprint({**values, "output": f" {values['output']}\r\n"})
    assert fingerprint(cleaned) != fingerprint({**values, "output": values["output"] + "x"})


def test_it_tells_which_field_was_bad():
    with pytest.raises(BadValue) as refusal:
        clean_values({"instruction": "a", "output": {}})
    assert refusal.value.name == "output"
