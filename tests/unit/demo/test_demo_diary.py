"""The diary knows what went on at a time."""

from demo.diary import Diary


def test_tells_all_that_went_on_between_two_times() -> None:
    times = iter([10.0, 20.0, 30.0])
    diary = Diary(now=lambda: next(times))
    for what in ("Planning", "Copying", "Copying", "Switching"):
        diary.note(what)
    assert diary.describe(12.0, 17.0) == "Planning (2 s in)"
    assert diary.describe(18.0, 23.0) == "Planning, Copying (8 s in)"
    assert diary.describe(31.0, 36.0) == "Switching (1 s in)"


def test_an_empty_diary_knows_nothing() -> None:
    assert Diary().describe(1.0, 2.0) == "before anything"
