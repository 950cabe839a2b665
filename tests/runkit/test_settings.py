"""A setting that is not there: which ones are, and which was probably meant."""

from runkit.settings import unknown_settings


def test_it_names_the_nearest_and_all_there_are() -> None:
    said = unknown_settings("training setting", ["epoch", "flavour"], ["rank", "epochs"])
    assert said == "Unknown training setting: epoch, flavour. Did you mean epochs? There are: rank, epochs."


def test_it_suggests_nothing_where_nothing_is_near() -> None:
    assert unknown_settings("setting", ["zzz"], ["rank"]) == "Unknown setting: zzz. There are: rank."
