from io import StringIO
from xml.etree import ElementTree

from rich.console import Console

from tests.bench.test_calibration import PLAN, study, study_run
from wsbench.calibration import summarize
from wsbench.report import calibration


def test_the_summary_says_first_whether_the_promises_hold() -> None:
    made = study(*(study_run(number) for number in range(1, 4)))
    summaries = summarize(made)
    paper = StringIO()
    calibration.print_summary(made, summaries, Console(file=paper, width=100))
    printed = paper.getvalue()
    assert printed.startswith("In 3 runs the comparison was no more often wrong than it says.")
    assert "plus30 (+30%)" in printed
    assert "3 (29% to 100%)" in printed


def test_broken_promises_are_named() -> None:
    wrong = summarize(study(*(study_run(number, effect=-1) for number in range(1, 4))))
    assert "claims that plus30 was faster than without its delay" in calibration.headline(wrong)
    noisy = study(*(study_run(number, noise=1.0) for number in range(1, 4)))
    assert "plus30 was in 0 (0% to 71%)" in calibration.headline(summarize(noisy))


def test_the_page_has_a_row_for_every_candidate() -> None:
    made = study(study_run(1))
    page = calibration.markdown(made, summarize(made))
    for name in PLAN.candidates:
        assert f"| {name} (" in page


def test_the_drawing_has_a_mark_for_every_run() -> None:
    made = study(*(study_run(number) for number in range(1, 6)))
    svg = ElementTree.fromstring(calibration.drawing(made))
    marks = svg.findall("{http://www.w3.org/2000/svg}circle")
    assert len(marks) == 5 * len(PLAN.candidates)
    assert {mark.get("fill") for mark in marks} == {"#6b7580", "#a8201a"}


def test_a_run_in_words() -> None:
    words = calibration.run_in_words(PLAN, study_run(1))
    assert words.startswith("same no difference, plus10 p50 response time slower")
