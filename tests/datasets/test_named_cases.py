"""Every case that files are known to bring, each by a real file: what becomes of it, or what the refusal says."""

import gzip
import io
import zipfile
from pathlib import Path

import openpyxl
import pyarrow
import pyarrow.parquet
import pytest

from evalhub.datasets import actions
from evalhub.datasets.formats import limits
from evalhub.datasets.importing import read_rows
from evalhub.datasets.models import Dataset, ImportBatch
from evalhub.errors import Refused

FILES = Path(__file__).parents[1] / "data" / "imports"


@pytest.fixture
def bring(dataset, admin):
    """bring(name or path) imports one of the files and returns the import."""

    def one(file: str | Path, **options) -> ImportBatch:
        path = FILES / file
        return actions.import_file(dataset, path=path, file_name=path.name, by=admin, **options)

    return one


def stored(dataset: Dataset, *fields: str) -> list:
    """These fields of every example, in the order of the file."""
    flat = len(fields) == 1
    return list(dataset.examples.order_by("id").values_list(*fields, flat=flat))


def reasons(batch: ImportBatch) -> list[tuple[int, str, str]]:
    return [(item["line"], item["field"], item["reason"]) for item in batch.problems]


# --- shapes -------------------------------------------------------------------------------------
def test_alpaca(bring, dataset):
    bring("alpaca.json")
    assert stored(dataset, "instruction", "input", "output") == [
        ("Give three tips.", "", "1. Eat well."),
        ("Classify.", "Taxi", "Vehicle"),
    ]


def test_outputs_of_alpaca_eval_keep_generator_and_subset(bring, dataset):
    bring("alpaca_eval.json")
    example = dataset.examples.get()
    assert (example.category, example.output) == ("helpful_base", "Denzel Washington …")
    assert example.metadata == {"generator": "gpt4_1106_preview", "datasplit": "eval"}


def test_prompt_and_completion(bring, dataset):
    bring("completions.jsonl")
    assert stored(dataset, "instruction", "output") == [("Say hi", " Hi")]


def test_sharegpt_flattens_one_turn_and_keeps_earlier_ones(bring, dataset):
    bring("sharegpt.json")
    one, two = dataset.examples.order_by("id")
    assert (one.key, one.instruction, one.output, one.history, one.system) == ("x1", "One?", "1", [], "")
    assert (two.instruction, two.output, two.system) == ("Two?", "2", "Be brief.")
    assert two.history == [{"role": "user", "content": "One?"}, {"role": "assistant", "content": "1"}]


def test_messages_keep_the_system_text(bring, dataset):
    bring("messages.jsonl")
    example = dataset.examples.get()
    assert (example.system, example.instruction, example.source) == ("Be brief.", "Two?", "chat.md")
    assert len(example.history) == 2


def test_rows_under_a_key(bring, dataset):
    bring("nested.json")
    assert stored(dataset, "instruction", "output") == [("a", "1"), ("b", "2")]


def test_rows_under_keys_that_name_the_sides_of_a_split(bring, dataset):
    bring("sides.json")
    assert stored(dataset, "instruction", "wanted_split") == [("a", "train"), ("b", "validation"), ("c", "train")]


def test_rows_under_a_key_of_an_object_that_is_longer_than_a_row_may_be(bring, monkeypatch):
    monkeypatch.setattr("evalhub.datasets.formats.json_window.MAX_LINE", 20)
    monkeypatch.setattr("evalhub.datasets.formats.json_window.PIECE", 16)
    with pytest.raises(Refused, match="a row is longer than"):
        bring("nested.json")
    monkeypatch.setattr("evalhub.datasets.formats.json_window.MAX_LINE", 60)
    assert [(row.instruction, row.output) for row in read_rows(FILES / "nested.json")] == [("a", "1"), ("b", "2")]
    assert [row.wanted_split for row in read_rows(FILES / "sides.json")] == ["train", "validation", "train"]


def test_fields_are_taken_from_the_columns_that_a_person_names(bring, dataset):
    names = {"category": "dataset", "source": "generator", "language": "datasplit", "tags": "datasplit"}
    bring("alpaca_eval.json", mapping=names)
    assert stored(dataset, "category", "source", "language", "tags") == [
        ("helpful_base", "gpt4_1106_preview", "eval", ["eval"])
    ]


# --- encodings ----------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["bom.csv", "bom.json", "latin1.csv", "latin1_c1.csv"])
def test_umlauts_of_any_encoding(bring, dataset, name):
    bring(name)
    (instruction, output) = stored(dataset, "instruction", "output")[0]
    assert instruction.startswith("Über")
    assert output == "Größe"


def test_utf16_with_tabs(bring, dataset):
    bring("scripts_utf16.tsv")
    assert stored(dataset, "instruction", "output") == [("写一个标题", "今天下大雨"), ("Übersetze", "Größe")]


def test_right_to_left_and_chinese_text_is_kept_to_the_character(bring, dataset):
    bring("scripts.csv")
    assert stored(dataset, "instruction", "output") == [
        ("اكتب عنوانًا", "مطر غزير اليوم"),
        ("写一个标题", "今天下大雨"),
        ("כתוב כותרת\u200f", "גשם\u202e\u202c"),
    ]


# --- lines, headers -----------------------------------------------------------------------------
def test_crlf(bring, dataset):
    assert bring("crlf.jsonl").set_aside == 0
    assert stored(dataset, "input", "output") == [("First line\nsecond line", "Rain"), ("", "It rained.\nAll day.")]


@pytest.mark.parametrize("name", ["blank_tail.jsonl", "blank_tail.csv"])
def test_blank_tail_lines_are_no_rows(bring, dataset, name):
    batch = bring(name)
    assert (batch.total, batch.imported, batch.set_aside) == (1, 1, 0)


def test_jsonl_named_json(bring, dataset):
    bring("really_jsonl.json")
    assert stored(dataset, "instruction") == ["a", "b"]


def test_headers_in_another_case(bring, dataset):
    bring("headers.csv")
    bring("headers.json")
    assert stored(dataset, "instruction", "input", "output", "category", "wanted_split", "metadata") == [
        ("Ask", "Text", "Answer", "deck", "", {}),
        ("Ask", "", "Answer", "", "validation", {}),
    ]


def test_a_doubled_header_is_refused_by_name(bring):
    with pytest.raises(Refused, match="names the column “output” twice; rename one of them"):
        bring("doubled_header.csv")


def test_a_doubled_key_sets_its_row_aside(bring, dataset):
    assert reasons(bring("doubled_key.json")) == [(2, "output", "The row names “output” twice.")]
    assert stored(dataset, "instruction") == ["d"]


# --- values -------------------------------------------------------------------------------------
def test_nulls_and_missing_keys(bring, dataset):
    batch = bring("nulls.jsonl")
    assert stored(dataset, "instruction", "input", "category", "tags", "metadata") == [
        ("a", "", "", [], {}),
        ("e", "", "", [], {}),
    ]
    assert reasons(batch) == [
        (2, "output", "The output is empty."),
        (3, "output", "No column “output”. The row has: instruction."),
        (4, "instruction", "No column “instruction”. The row has: output."),
    ]


def test_outputs_that_are_no_text_are_converted_or_refused_by_name(bring, dataset):
    batch = bring("outputs.jsonl")
    assert stored(dataset, "instruction", "output") == [("whole", "3"), ("decimal", "2.5"), ("truth", "true")]
    assert reasons(batch) == [
        (1, "output", "The output is a list; a text is needed."),
        (2, "output", "The output is an object; a text is needed."),
        (6, "output", "The output is a list; a text is needed."),
    ]
    assert not dataset.examples.filter(output__startswith="[").exists()


def test_nul_characters(bring, dataset):
    batch = bring("nul.jsonl")
    assert stored(dataset, "instruction") == ["fine"]
    assert reasons(batch)[0] == (1, "instruction", "The instruction holds a NUL character (U+0000) at character 2.")
    assert reasons(batch)[1][0] == 3
    assert "\0" not in batch.problems[1]["raw"]


def test_nan(bring, dataset):
    batch = bring("nan.jsonl")
    assert stored(dataset, "instruction", "metadata") == [("f", {"score": 0.5})]
    assert reasons(batch) == [
        (1, "output", "The output is NaN, which is not a number that can be kept."),
        (2, "score", "The score is NaN, which is not a number that can be kept."),
        (3, "score", "The score is -Infinity, which is not a number that can be kept."),
    ]


def test_lone_surrogates(bring, dataset):
    batch = bring("surrogates.jsonl")
    assert stored(dataset, "output") == ["whole 😀"]
    assert reasons(batch) == [
        (1, "output", "The output is not valid UTF-8 at character 6."),
        (3, "instruction", "The instruction is not valid UTF-8 at character 3."),
    ]


def test_quoted_line_ends_and_cells_that_look_like_formulas_are_kept(bring, dataset):
    bring("quoted.csv")
    assert stored(dataset, "instruction", "input", "output") == [
        ("Write a\nheadline, please.", 'He said "rain".', "Rain\n\nfalls"),
        ("Sum", "=SUM(A1:A9)", "-1+1"),
        ("Call", "@handle", "+49 30 1234"),
    ]


def test_template_placeholders_are_kept_and_filled_by_nobody(bring, dataset):
    bring("placeholders.jsonl")
    assert stored(dataset, "instruction", "input", "output") == [
        (
            "Write to {{ customer.name }}, {0} and %(name)s.",
            "{input} ${amount} <|im_start|>",
            "Dear {name}, {% if x %}…{% endif %}",
        )
    ]


def test_a_field_of_more_than_2_mb_is_set_aside_with_the_limit_named(bring, dataset, tmp_path):
    path = tmp_path / "long.jsonl"
    texts = ["x" * 2_000_001, "x" * 2_000_000, "ü" * 1_000_001]
    path.write_text("".join(f'{{"instruction": "a", "output": "{text}"}}\n' for text in texts))
    batch = bring(path)
    assert [(line, field) for line, field, _ in reasons(batch)] == [(1, "output"), (3, "output")]
    assert batch.problems[0]["reason"] == "The output has 2,000,001 characters; a field may have at most 2 MB."
    assert len(batch.problems[0]["raw"]) <= 500
    assert [len(text) for text in stored(dataset, "output")] == [2_000_000]


# --- files that are broken, or mean harm --------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("truncated.json", r"truncated\.json is broken JSON at line 3: the file ends in the middle of a row\."),
        ("empty.json", r"empty\.json is empty: it has no bytes\."),
    ],
)
def test_a_broken_file_is_refused_and_nothing_stored(bring, dataset, name, sentence):
    with pytest.raises(Refused, match=sentence):
        bring(name)
    assert not dataset.examples.exists()
    assert not ImportBatch.objects.exists()


def test_truncated_jsonl_keeps_its_whole_lines(bring, dataset):
    assert reasons(bring("truncated.jsonl")) == [(2, "", "Not JSON: it ends in the middle.")]
    assert stored(dataset, "instruction") == ["a"]


def bomb(rows: int = 70_000) -> bytes:
    return b'{"instruction": "a", "output": "b"}\n' + b" " * (rows * 1000) + b"\n"


def test_a_gzip_bomb(bring, tmp_path):
    path = tmp_path / "bomb.jsonl.gz"
    path.write_bytes(gzip.compress(bomb()))
    assert path.stat().st_size < 100_000
    with pytest.raises(Refused, match="unpacks to more than 200 times its size"):
        bring(path)


def test_a_zip_bomb(bring, tmp_path):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data/train.jsonl", bomb())
    with pytest.raises(Refused, match=r"data/train\.jsonl in bomb\.zip unpacks to more than 200 times its size"):
        bring(path)


def test_a_parquet_bomb_of_one_text_that_a_dictionary_repeats(bring, tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MAX_BYTES", 50 * 2**20)
    path = tmp_path / "bomb.parquet"
    outputs = pyarrow.array(["x" * 1_000_000] * 2000)
    table = pyarrow.table({"instruction": pyarrow.array(["a"] * 2000), "output": outputs})
    pyarrow.parquet.write_table(table, path)
    assert path.stat().st_size < 200_000
    with pytest.raises(Refused, match=r"bomb\.parquet is longer than 50 MB unpacked"):
        bring(path)


def test_a_parquet_bomb_of_pages_that_unpack_without_end(bring, tmp_path):
    path = tmp_path / "bomb.parquet"
    table = pyarrow.table({"instruction": ["a"] * 70, "output": [" " * 1_000_000] * 70})
    pyarrow.parquet.write_table(table, path, compression="zstd", use_dictionary=False)
    with pytest.raises(Refused, match="unpacks to more than 200 times its size"):
        bring(path)


def test_a_sheet_bomb(bring, tmp_path, monkeypatch):
    monkeypatch.setattr("evalhub.datasets.formats.sheets.MAX_SHEET", 2000)
    path = tmp_path / "bomb.xlsx"
    book = openpyxl.Workbook()
    book.active.append(["instruction", "output"])
    book.save(path)
    with pytest.raises(Refused, match=r"bomb\.xlsx is longer than"):
        bring(path)


# --- packed tables ------------------------------------------------------------------------------
def test_gzipped_parquet_and_xlsx(bring, dataset, tmp_path):
    table, sheet = io.BytesIO(), io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({"prompt": ["a"], "completion": ["1"]}), table)
    book = openpyxl.Workbook()
    for cells in (["instruction", "output"], ["b", "2"]):
        book.active.append(cells)
    book.save(sheet)
    for name, content in (("a.parquet.gz", table), ("b.xlsx.gz", sheet)):
        (tmp_path / name).write_bytes(gzip.compress(content.getvalue()))
        bring(tmp_path / name)
    assert stored(dataset, "instruction", "output") == [("a", "1"), ("b", "2")]


# --- what programs of others write ---------------------------------------------------------------
@pytest.mark.parametrize("shape", ["[{good}, {bad}, {good}]", "{good}\n{bad}\n{good}", '{{"data": [{good}, {bad}]}}'])
def test_a_number_without_end_is_one_rows_problem(bring, dataset, tmp_path, shape):
    path = tmp_path / ("rows.json" if shape[0] in "[{" and "\n" not in shape else "rows.jsonl")
    good, bad = '{"instruction": "a", "output": "b"}', '{"instruction": "c", "output": "d", "n": ' + "9" * 5000 + "}"
    path.write_text(shape.format(good=good, bad=bad))
    batch = bring(path)
    assert [(field, reason) for _, field, reason in reasons(batch)] == [
        ("", "A number in the row has more than 4,300 digits.")
    ]
    assert stored(dataset, "instruction") == ["a"]


def test_bytes_of_a_column_are_text_where_they_can_be_and_counted_where_not(bring, dataset, tmp_path):
    path = tmp_path / "rows.parquet"
    table = {
        "instruction": [b"Gr\xc3\xb6\xc3\x9fe", b"two", b"three"], "output": ["1", "2", b"\xff".decode("latin-1")],
        "blob": [b"\x89PNG\xff" * 500, None, b"text"], "picture": [{"bytes": b"\xff\xfe", "path": "a.png"}, None, None],
    }  # fmt: skip
    pyarrow.parquet.write_table(pyarrow.table(table), path)
    batch = bring(path)
    assert reasons(batch) == []
    assert stored(dataset, "instruction") == ["Größe", "two", "three"]
    assert stored(dataset, "metadata") == [
        {"blob": "2,500 bytes, not kept", "picture": {"bytes": "2 bytes, not kept", "path": "a.png"}},
        {},
        {"blob": "text"},
    ]


def test_a_field_of_bytes_or_a_tag_that_is_an_object_is_named_in_plain_words(bring, tmp_path):
    path = tmp_path / "rows.parquet"
    table = {"instruction": ["a", "b"], "output": [b"\xff\xfe", b"good"], "tags": [None, [{"name": "x"}]]}
    pyarrow.parquet.write_table(pyarrow.table(table), path)
    assert reasons(bring(path)) == [
        (1, "output", "The output is bytes; a text is needed."),
        (2, "tags", "One of the tags is an object; a text is needed."),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "sep=;\ninstruction;output\nGrüße, Kuss;b\n", '"sep=;"\r\ninstruction;output\r\n"Grüße, Kuss";b\r\n',
        '"instruction\n";output;"note, or\nnotes, all, of, them"\nGrüße, Kuss;b;n\n',
        'SEP=\t\ninstruction\toutput\nGrüße, Kuss\tb\n',
    ],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_the_separator_is_found_where_excel_names_it_and_beyond_a_line_end_in_quotes(
    bring, dataset, tmp_path, text, encoding
):
    path = tmp_path / "rows.csv"
    path.write_bytes(text.encode(encoding))
    bring(path)
    assert stored(dataset, "instruction", "output") == [("Grüße, Kuss", "b")]


def test_lines_are_counted_from_the_files_first_also_where_it_names_the_separator(bring, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("sep=;\ninstruction;output\na;b\n;c\n")
    assert [line for line, _, _ in reasons(bring(path))] == [4]


def test_an_old_excel_file_is_refused_with_a_way_out(bring, tmp_path):
    path = tmp_path / "rows.xls"
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600)
    with pytest.raises(Refused, match=r"rows\.xls is in the format of old Excel files .*; save it as XLSX or CSV"):
        bring(path)
