"""The share of what was not measured."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from ledger.metering.estimated_share import ESTIMATED, EstimatedShare, estimated_share
from ledger.readings import QUALITIES


def letters(*rows: str) -> np.ndarray:
    return np.array([[0 if letter == "-" else ord(letter) for letter in row] for row in rows], dtype=np.uint8)


def test_every_quality_but_the_actual_one_counts() -> None:
    assert QUALITIES.keys() - {"A"} == ESTIMATED
    share = estimated_share(["charge"], np.array([[1, 2, 4, 8, -1]]), letters("AEFS-"))
    assert share == EstimatedShare(4, 3, 15, 14)
    assert share.of_energy == Fraction(14, 15)


def test_varh_do_not_add_to_wh() -> None:
    wh = np.array([[100, 300], [5000, 5000]])
    share = estimated_share(["load", "reactive_lagging"], wh, letters("EA", "SS"))
    assert share == EstimatedShare(4, 3, 400, 100)
    assert share + EstimatedShare(1, 1, 1, 1) == EstimatedShare(5, 4, 401, 101)


def test_nothing_is_a_share_of_nothing() -> None:
    share = estimated_share(["pv"], np.array([[-1, -1]]), letters("--"))
    assert share.of_energy == 0
    assert estimated_share(["pv"], np.array([[0]]), letters("E")).of_energy == 0
