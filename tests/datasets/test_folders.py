"""Hugging Face dataset folders, as a path and as a ZIP file: which files are data, and which side each is."""

import json
import zipfile
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalhub.datasets import actions
from evalhub.datasets.formats.folders import split_of
from evalhub.datasets.importing import Row, preview, read_rows
from evalhub.datasets.models import ImportBatch
from evalhub.errors import Refused
from tests.conftest import logged_in
from tests.datasets.test_api import BASE
from tests.datasets.test_pages import address

ROW = {"instruction": "Ask", "input": "", "output": "Answer"}


def rows(*names: str) -> list[dict[str, str]]:
    return [{**ROW, "input": name} for name in names]


def write(path: Path, found: list[dict[str, str]]) -> Path:
    """The rows in the format that the path's ending names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(found), path)
    elif path.suffix == ".arrow":
        table = pyarrow.Table.from_pylist(found)
        with pyarrow.OSFile(str(path), "wb") as file, pyarrow.ipc.new_stream(file, table.schema) as stream:
            stream.write_table(table)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in found))
    return path


@pytest.fixture
def hub(tmp_path) -> Path:
    """A folder as on the hub: shards of two sides, a card, and what is no data."""
    folder = tmp_path / "letters"
    write(folder / "data" / "train-00000-of-00002.parquet", rows("a", "b"))
    write(folder / "data" / "train-00001-of-00002.parquet", rows("c"))
    write(folder / "data" / "test-00000-of-00001.parquet", rows("d"))
    write(folder / ".cache" / "train.jsonl", rows("hidden"))
    (folder / "README.md").write_text(
        "---\nlicense: cc0-1.0\ndataset_info:\n  splits:\n  - name: train\n---\n# Letters\n"
    )
    (folder / "dataset_infos.json").write_text('{"default": {"splits": {"train": {}}}}')
    return folder


def saved(folder: Path, found: list[dict[str, str]], split: str | None = None) -> Path:
    """As Dataset.save_to_disk writes it."""
    write(folder / "data-00000-of-00001.arrow", found)
    write(folder / "cache-0123456789abcdef.arrow", rows("stale"))
    state = {"_data_files": [{"filename": "data-00000-of-00001.arrow"}], "_fingerprint": "x", "_split": split}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text('{"citation": ""}')
    return folder


def zipped(folder: Path, *, inside: str = "") -> Path:
    path = folder.parent / f"{folder.name}.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, f"{inside}{file.relative_to(folder)}")
    return path


def imported(dataset, path, by, **options) -> ImportBatch:
    return actions.import_file(dataset, path=path, file_name=path.name, by=by, **options)


def sides(dataset) -> list[tuple[str, str]]:
    return list(dataset.examples.order_by("input").values_list("input", "wanted_split"))


ABCD = [("a", "train"), ("b", "train"), ("c", "train"), ("d", "test")]


def test_a_folder_of_the_hub_comes_in_with_its_splits(dataset, admin, hub):
    batch = imported(dataset, hub, admin)
    assert (batch.state, batch.file_name, batch.total) == ("succeeded", "letters.zip", 4)
    assert sides(dataset) == ABCD


@pytest.mark.parametrize("inside", ["", "letters-main/"])
def test_its_zip_file_is_the_same(dataset, admin, hub, inside):
    imported(dataset, zipped(hub, inside=inside), admin)
    assert sides(dataset) == ABCD
    again = imported(dataset, hub, admin)
    assert (again.imported, again.unchanged) == (0, 4)


def test_the_same_folder_is_packed_to_the_same_bytes(dataset, admin, hub):
    first = imported(dataset, hub, admin)
    (hub / "README.md").touch()
    assert imported(dataset, hub, admin).sha256 == first.sha256


def test_a_dataset_saved_to_disk_comes_in_without_its_caches(dataset, admin, tmp_path):
    imported(dataset, saved(tmp_path / "one", rows("a"), split="validation"), admin)
    assert sides(dataset) == [("a", "validation")]


def test_a_dataset_dict_saved_to_disk_keeps_its_sides(dataset, admin, tmp_path):
    folder = tmp_path / "several"
    for side, name in (("train", "a"), ("test", "b")):
        saved(folder / side, rows(name))
    (folder / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    imported(dataset, folder, admin)
    assert sides(dataset) == [("a", "train"), ("b", "test")]


def test_the_card_says_which_files_are_which_side(dataset, admin, tmp_path):
    folder = tmp_path / "card"
    for name in ("january", "february", "march"):
        write(folder / f"{name}.jsonl", rows(name))
    files = [{"split": "train", "path": ["january.jsonl", "feb*"]}, {"split": "test", "path": "march.jsonl"}]
    card = {"configs": [{"config_name": "default", "data_files": files}]}
    (folder / "README.md").write_text(f"---\n{json.dumps(card)}\n---\n")
    imported(dataset, folder, admin)
    assert sides(dataset) == [("february", "train"), ("january", "train"), ("march", "test")]


def test_several_configurations_are_not_mixed(dataset, admin, tmp_path):
    folder = tmp_path / "card"
    for name in ("de", "en"):
        write(folder / name / "train.jsonl", rows(name))
    configs = [{"config_name": name, "data_files": f"{name}/*"} for name in ("de", "en")]
    (folder / "README.md").write_text(f"---\n{json.dumps({'configs': configs})}\n---\n")
    with pytest.raises(Refused, match=r"holds several configurations \(de, en\)"):
        imported(dataset, folder, admin)
    configs[1]["default"] = True
    (folder / "README.md").write_text(f"---\n{json.dumps({'configs': configs})}\n---\n")
    imported(dataset, folder, admin)
    assert sides(dataset) == [("en", "train")]


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("data/train-00000-of-00001.parquet", "train"),
        ("data/test_sft-00000-of-00001-0a1b2c.parquet", "test"),
        ("dev/questions.jsonl", "dev"),
        ("val.csv", "val"),
        ("letters/my-test.jsonl.gz", "test"),
        ("train/rest.json", "train"),
        ("latest.jsonl", ""),
        ("restraint/data.jsonl", ""),
        ("contest.csv", ""),
    ],
)
def test_a_place_names_a_side_by_whole_words(path, split):
    assert split_of(path) == split


def test_a_row_names_its_own_side_and_its_folder_that_of_the_others(dataset, admin, tmp_path):
    folder = tmp_path / "mixed"
    write(folder / "train.jsonl", [{**ROW, "input": "a", "split": "test"}, {**ROW, "input": "b", "split": None}])
    imported(dataset, folder, admin)
    assert sides(dataset) == [("a", "test"), ("b", "train")]


def test_a_problem_names_its_file(dataset, admin, tmp_path):
    folder = tmp_path / "bad"
    write(folder / "train.jsonl", rows("a"))
    write(folder / "test.jsonl", [*rows("b"), {"instruction": "c"}])
    (problem,) = imported(dataset, folder, admin).problems
    assert (problem["file"], problem["line"], problem["field"]) == ("test.jsonl", 2, "output")
    page = logged_in(admin).get(address("batch", dataset, ImportBatch.objects.get().pk)).content.decode()
    assert "test.jsonl" in page
    report = logged_in(admin).get(address("report", dataset, ImportBatch.objects.get().pk, "csv")).getvalue()
    assert report.decode().splitlines()[1].startswith("test.jsonl,2,output,")


# --- what is no dataset folder, or means harm ---------------------------------------------------
def test_a_folder_without_data_is_refused(dataset, admin, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(Refused, match=r"empty\.zip holds no data file"):
        imported(dataset, tmp_path / "empty", admin)


@pytest.mark.parametrize(
    "name", ["../train.jsonl", "/etc/train.jsonl", "a/../../train.jsonl", "..\\train.jsonl", "C:\\t.jsonl"]
)
def test_a_zip_file_that_names_a_path_outside_of_itself_is_refused(dataset, admin, tmp_path, name):
    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, json.dumps(ROW))
    with pytest.raises(Refused, match="names a path outside of itself"):
        imported(dataset, path, admin)
    assert not (tmp_path.parent / "train.jsonl").exists()


def test_a_zip_file_of_too_many_files_is_refused(dataset, admin, tmp_path, monkeypatch):
    monkeypatch.setattr("evalhub.datasets.formats.folders.MAX_PARTS", 2)
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(3):
            archive.writestr(f"{number}.jsonl", json.dumps(ROW))
    with pytest.raises(Refused, match="holds 3 files; at most 2"):
        imported(dataset, path, admin)


def test_a_damaged_zip_file_is_refused_in_one_sentence(dataset, admin, hub, tmp_path):
    whole = zipped(hub).read_bytes()
    damaged = tmp_path / "damaged.zip"
    place = whole.index(b"data/test") + 100  # within what is packed
    for content in (whole[: len(whole) // 2], whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :]):
        damaged.write_bytes(content)
        with pytest.raises(Refused, match=r"damaged\.zip"):
            imported(dataset, damaged, admin)
    assert not dataset.examples.exists()


def test_a_link_in_a_zip_file_is_read_as_what_it_is(dataset, admin, tmp_path):
    path = tmp_path / "link.zip"
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("train.jsonl")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(Refused, match=r"train\.jsonl is not JSON|link\.zip is not JSON"):
        imported(dataset, path, admin)


# --- the doors ----------------------------------------------------------------------------------
def test_the_command_takes_a_folder(dataset, admin, hub):
    call_command("import_examples", str(hub), project="content-copy", dataset="Content copy")
    assert sides(dataset) == ABCD


def test_the_command_lets_a_worker_take_a_folder(dataset, admin, hub):
    from tests.datasets.conftest import worked_off

    call_command("import_examples", str(hub), "--queue", "--no-wait", project="content-copy", dataset="Content copy")
    worked_off()
    assert sides(dataset) == ABCD


def test_the_api_takes_a_zip_file(dataset, admin, hub):
    upload = SimpleUploadedFile("letters.zip", zipped(hub).read_bytes())
    assert logged_in(admin).post(f"{BASE}content-copy/imports/", {"file": upload}).status_code == 201
    assert sides(dataset) == ABCD


def test_the_page_looks_into_a_zip_file_and_stores_it(dataset, admin, hub):
    from tests.datasets.conftest import worked_off

    client = logged_in(admin)
    upload = SimpleUploadedFile("letters.zip", zipped(hub).read_bytes())
    seen = client.get(client.post(address("import", dataset), {"file": upload})["Location"])
    assert "Dataset folder, Parquet. 4 rows read" in " ".join(seen.content.decode().split())
    client.post(address("store", dataset), {"file": seen.context["token"]})
    worked_off()
    assert sides(dataset) == ABCD


# --- properties ---------------------------------------------------------------------------------
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=30)
FOLDERS = st.dictionaries(
    st.sampled_from(["train", "dev/a", "test/b", "data/val-1", "other", "more"]),
    st.tuples(st.sampled_from([".parquet", ".arrow", ".jsonl"]), st.lists(TEXT, min_size=1, max_size=4)),
    min_size=1,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=FOLDERS)
def test_no_row_of_a_folder_is_lost_doubled_or_changed(tmp_path_factory, files):
    folder = tmp_path_factory.mktemp("folder") / "set"
    for name, (ending, texts) in files.items():
        write(folder / f"{name}{ending}", rows(*texts))
    found = list(read_rows(zipped(folder)))
    assert all(isinstance(row, Row) for row in found)
    assert sorted(row.input for row in found) == sorted(text for _, texts in files.values() for text in texts)
    assert preview(zipped(folder)).rows[0] == found[0]
