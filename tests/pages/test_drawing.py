from lit_causalmix.pages.drawing import labels


def test_short_names_stay_as_they_are() -> None:
    assert labels(["age", "in\ncome "]) == ["age", "in come"]
    assert labels([" "]) == ["(blank)"]


def test_long_names_are_cut_in_the_middle() -> None:
    (text,) = labels(["status_of_existing_checking_account"], 20)
    assert text == "status_of_ex…account"


def test_names_that_differ_have_labels_that_differ() -> None:
    names = [f"feature number {k} with a long name" for k in range(140)]
    short = labels(names)
    assert len(set(short)) == 140
    assert short[16] == "…16 with a long name"
    assert max(map(len, short)) <= 22


def test_a_dollar_sign_starts_no_formula() -> None:
    assert labels(["$x$"]) == [r"\$x\$"]
