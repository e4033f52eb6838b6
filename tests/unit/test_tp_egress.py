"""``reveal``, ``request_export``, ``exports``: what they send, and what they refuse before anything is sent."""

import decimal
import fractions
import math

import numpy as np
import pandas as pd
import pytest

import twinpane as tp
from twinpane import _host


@pytest.fixture
def sent(monkeypatch):
    """The calls that reached the host."""
    calls = []

    def call(kind, **args):
        calls.append((kind, args))
        return {"export": {"request": "ab12cd34" * 4, "sites": ["Site A", "Site B", "Site C"]}, "exports": []}.get(kind, {})

    monkeypatch.setattr(_host, "call", call)
    return calls


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (0.8123, 0.8123), (7, 7.0), (True, True), (False, False), (np.float64(0.5), 0.5), (np.float32(0.5), 0.5), (np.int64(3), 3.0),
        (np.bool_(True), True), (np.array(2.5), 2.5), (decimal.Decimal("1.5"), 1.5), (fractions.Fraction(1, 4), 0.25),
    ],
)  # fmt: skip
def test_a_reveal_takes_any_kind_of_number(sent, value, number):
    """Python's and numpy's numbers go as one JSON number, and their booleans as one JSON boolean."""
    assert tp.reveal(value, " AUC ", digits=4) is None
    assert sent == [("reveal", {"name": "AUC", "digits": 4, "value": number})]
    assert type(sent[0][1]["value"]) is type(number)


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf, np.float64("nan"), pd.NA, pd.NaT, 10**400])
def test_what_is_missing_or_infinite_is_one_and_the_same_none(sent, value):
    """NaN, infinities, missing values and overflow cannot be told apart outside."""
    tp.reveal(value, "AUC")
    assert sent[0][1]["value"] is None


@pytest.mark.parametrize("value", ["0.8", b"1", [1], {}, 1j, object(), pd.Series([1, 2]), np.array([[1, 2]]), pd.DataFrame({"a": [1]})])
def test_what_never_is_a_number_is_refused_before_it_costs_bits(sent, value):
    """A table given by mistake is an error on the twin, not a paid-for "not a number"."""
    with pytest.raises(tp.TwinpaneError, match="lets out one number"):
        tp.reveal(value, "AUC")
    assert sent == []


@pytest.mark.parametrize("name", ["", "   ", "x" * 81, None, 3])
def test_a_reveal_needs_a_name(sent, name):
    """Names out of range never reach the host."""
    with pytest.raises(tp.TwinpaneError, match="needs a name"):
        tp.reveal(1.0, name)
    assert sent == []


@pytest.mark.parametrize("digits", [0, 10, -1, 2.0, True, "3", None])
def test_a_reveal_has_one_to_nine_digits(sent, digits):
    """Digits out of range never reach the host."""
    with pytest.raises(tp.TwinpaneError, match="from 1 to 9"):
        tp.reveal(1.0, "AUC", digits=digits)
    assert sent == []


def test_an_export_says_where_it_went_and_what_comes_next(sent):
    """The display names the sites and the next step."""
    shown = repr(tp.request_export(cells=7, purpose="figure 2"))
    assert sent == [("export", {"purpose": "figure 2", "population": "", "controls": "", "cells": [7], "files": []})]
    assert "Site A, Site B and Site C" in shown
    assert "reviewers" in shown


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"purpose": "p"}, "name what to let out"),
        ({"cells": [0], "purpose": "p"}, "execution counts"),
        ({"cells": ["7"], "purpose": "p"}, "execution counts"),
        ({"cells": [True], "purpose": "p"}, "execution counts"),
        ({"files": [""], "purpose": "p"}, "path under /project"),
        ({"cells": [1], "purpose": "  "}, "need a purpose"),
        ({"cells": [1], "purpose": "x" * 4001}, "at most 4,000"),
        ({"cells": list(range(1, 40)), "purpose": "p"}, "at most 32"),
    ],
)
def test_an_export_that_cannot_be_one_is_refused_here(sent, arguments, says):
    """Bad requests never reach the host."""
    with pytest.raises(tp.TwinpaneError, match=says):
        tp.request_export(**arguments)
    assert sent == []


def test_without_a_connected_site_an_export_says_so(monkeypatch):
    """Nothing pretends to be on its way."""
    monkeypatch.setattr(_host, "call", lambda _kind, **_args: {"request": "0" * 32, "sites": []})
    assert "not sent" in repr(tp.request_export(files="a.png", purpose="p"))


def test_exports_are_listed_in_the_words_of_the_design(monkeypatch):
    """Each request shows how far it is at each site."""
    asked = {"request": "ab" * 16, "sites": {"site-a": "submitted", "site-b": "released"}}
    released = {"released": {"site": "site-b", "file": "abababababab-site-b/00-t.csv"}}
    monkeypatch.setattr(_host, "call", lambda _kind, **_args: [asked, released])
    assert repr(tp.exports()).splitlines() == [
        "export abababab: site-a with the reviewers, site-b released",
        "released by site-b: releases/abababababab-site-b/00-t.csv",
    ]
