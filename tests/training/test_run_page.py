"""What the page of a fit says, from plain data."""

import math

from lit_causalmix.metrics import Score
from lit_causalmix.pages.html import render
from lit_causalmix.training.report import report_rows
from lit_causalmix.training.run_page import (
    RunStory,
    StageScores,
    build_page,
    chosen_words,
    scores_of_selected,
    scores_of_test,
)
from lit_causalmix.training.scoreboard import Validation
from lit_causalmix.training.selection import CautiousValidation, FixedBudget, RealValidation

ZERO = {"real/roc_auc": Score(0.8), "real/log_loss": Score(0.5)}
TUNED = {"real/roc_auc": Score(0.9), "real/log_loss": Score(0.6)}
GAIN = {"real/roc_auc": Score(12.5), "real/log_loss": Score(-20.0)}
HISTORY = [Validation(0, ZERO), Validation(10, TUNED)]


def test_a_gain_and_a_loss_are_marked_and_other_models_stand_beside() -> None:
    rows = report_rows("SCM", "test", ZERO, TUNED, GAIN)
    (stage,) = scores_of_test(rows, "60 rows", {"forest": {"real/roc_auc": Score(0.85)}})
    html = render(build_page(RunStory("t", [stage], [])))
    assert '<td class="number better">+12.50 %</td><td class="number">0.8500</td>' in html
    assert '<td class="number worse">-20.00 %</td><td class="number"></td>' in html
    assert "Test rows: roc_auc 0.9000 after fine-tuning, 0.8000 zero-shot" in html
    assert "On the same rows: forest 0.8500." in html
    assert "Context of these predictions: 60 rows." in html


def test_what_has_no_value_is_a_warning_and_no_colour() -> None:
    undefined = Score(math.nan, "one class alone")
    rows = report_rows("SCM", "test", ZERO, {"real/roc_auc": undefined}, {})
    html = render(build_page(RunStory("t", [StageScores("Test rows", "", rows)], [])))
    assert "test/real/roc_auc: one class alone" in html
    assert 'class="number better"' not in html
    assert 'class="number worse"' not in html


def test_a_run_without_anything_to_tell_says_so() -> None:
    html = render(build_page(RunStory("t", [], [])))
    assert "There were none." in html
    assert 'id="scores"' not in html
    assert 'id="curves"' not in html


def test_scores_of_the_selected_weights_are_those_of_their_step() -> None:
    (stage,) = scores_of_selected("SCM", HISTORY, 10)
    assert [row.fine_tuned.value for row in stage.rows] == [0.9, 0.6]
    assert [round(row.normalized.value, 6) for row in stage.rows] == [12.5, -20.0]
    assert scores_of_selected("SCM", HISTORY, 7) == []
    assert scores_of_selected("SCM", HISTORY[:1], 0) == []


def test_the_words_follow_the_rule() -> None:
    first, rule = chosen_words(RealValidation(), HISTORY, step=0, score=0.5, classification=True)
    assert first == "Zero-shot is kept (validation log_loss 0.5000): no other candidate won."
    assert "2 candidates" in rule
    _, rule = chosen_words(
        CautiousValidation(min_gain=1.0), HISTORY, step=10, score=0.1, classification=True
    )
    assert rule.endswith("Zero-shot is left only for less than 0.1920.")
    (kept,) = chosen_words(FixedBudget(), HISTORY, step=10, score=0.6, classification=True, of="!")
    assert kept.startswith("The weights after step 10! are kept, as the last ones")
