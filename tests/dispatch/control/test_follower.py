"""A device that shows a setpoint and does less is told no more than it does, and tried again later."""

from __future__ import annotations

from datetime import timedelta

from dispatch.control.follower import AGAIN, SHORT, Follower, Owed
from dispatch.control.given import LATE, Given, Handed, HandedWatch, given
from tests.dispatch.control.pure_book import KW, START


def after(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def test_what_falls_short_for_a_while_is_capped_and_tried_again() -> None:
    one, rest = Follower(), (-250 * KW, 250 * KW)
    one.look(50 * KW, 18 * KW, KW, START)
    assert one.within(*rest) == rest, "not at once"
    one.look(50 * KW, 49 * KW, KW, START + after(4))
    one.look(50 * KW, 18 * KW, KW, START + after(5))
    assert one.within(*rest) == rest, "it followed in between"
    capped = START + after(5) + SHORT
    one.look(50 * KW, 18 * KW, KW, capped)
    assert one.within(*rest) == (-250 * KW, 18 * KW)
    assert one.why == "18000 W in place of 50000 W: it is told no more than it does", "not who gives the rest"
    one.look(18 * KW, 18 * KW, KW, capped + after(60))
    assert one.within(*rest) == (-250 * KW, 18 * KW), "it follows, and is told no more"
    one.look(18 * KW, 18 * KW, KW, capped + AGAIN)
    assert (one.within(*rest), one.why) == (rest, "")


def test_what_is_not_known_and_more_than_was_told_is_no_shortfall() -> None:
    for told, does in ((None, 0), (50 * KW, None), (50 * KW, 90 * KW), (0, 20 * KW)):
        one = Follower()
        for seconds in (0, 10, 20):
            one.look(told, does, KW, START + after(seconds))
        assert one.within(-9, 9) == (-9, 9)
    charging = Follower()
    for seconds in (0, 5):
        charging.look(-50 * KW, -18 * KW, KW, START + after(seconds))
    assert charging.within(-250 * KW, 250 * KW) == (-18 * KW, 250 * KW)
    away = Follower()
    for seconds in (0, 5):
        away.look(-50 * KW, 7 * KW, KW, START + after(seconds))
    assert away.within(-250 * KW, 250 * KW) == (0, 250 * KW), "the other way is no part of it"


def test_only_what_was_read_back_is_given_and_what_is_late_is_missing() -> None:
    watch = HandedWatch()
    assert watch.look(50, 0, 1, START) == Handed(50, 0)
    assert watch.look(50, 49, 1, START + after(4)) == Handed(50, 50), "within a step"
    assert watch.look(50, 0, 1, START + after(5)) == Handed(50, 0)
    late = watch.look(50, 0, 1, START + after(5) + LATE)
    assert late == Handed(50, 0, late=True)
    assert given(0, [Handed(50, 50), late]) == Given(50, 0, whole=False)
    assert given(0, [Handed(50, 0)]) == Given(0, 0, whole=False), "under way: neither"
    assert given(-7, [Handed(-50, -50)]) == Given(0, 7, whole=False)


def test_what_one_gives_too_much_hides_nothing_that_another_lacks() -> None:
    over, lacks, charges = (Handed(told, does, late=True) for told, does in ((50, 90), (40, 10), (-50, 20)))
    assert given(0, [over]) == Given(0, 0, whole=False)
    assert given(0, [over, lacks]) == Given(30, 0, whole=False)
    assert given(0, [over, lacks, charges]) == Given(30, 50, whole=False), "and no more than it was told"
    assert given(-20, [over, lacks, charges]).missing_w == 100


def told(one: Owed, told_w: int, at_s: float, ramp_s: float, late_s: float = 10) -> None:
    at = START + after(at_s)
    one.told(told_w, at, at + after(ramp_s), at + after(ramp_s + late_s))


def due_w(one: Owed, *at_s: float) -> list[int | None]:
    return [one.due_w(START + after(at)) for at in at_s]


def test_what_is_written_again_before_it_was_done_has_its_ramp_and_no_more() -> None:
    one = Owed()
    assert due_w(one, 0) == [None]
    told(one, 50 * KW, 0, 2)
    one.seen(18 * KW, KW)
    told(one, 50 * KW, 5, 2)
    assert due_w(one, 11.9, 12) == [None, 50 * KW]
    told(one, 50 * KW, 30, 2)
    told(one, 50 * KW, 30, 9)
    assert due_w(one, 31.9, 32) == [None, 50 * KW], "written once"
    told(one, 40 * KW, 34, 1)
    assert due_w(one, 34.9, 35) == [None, 40 * KW], "that it owes, too"
    told(one, -20 * KW, 36, 2)
    assert due_w(one, 47.9, 48) == [None, -20 * KW]


def test_what_it_is_told_more_has_its_time_and_the_least_is_owed_since_the_first() -> None:
    one = Owed()
    for second in range(12):
        told(one, (50 + second) * KW, second, 1)
        one.seen(0, KW)
    assert due_w(one, 11.9, 12, 21.9, 22) == [None, 50 * KW, 50 * KW, 61 * KW]
    told(one, 61 * KW, 13, 1)
    assert due_w(one, 22) == [61 * KW], "written again"
    told(one, 30 * KW, 14, 1)
    told(one, 80 * KW, 15, 1)
    assert due_w(one, 15.9, 16, 25.9, 26) == [None, 30 * KW, 30 * KW, 80 * KW]
    one.seen(31 * KW, KW)
    assert due_w(one, 25.9, 26) == [None, 80 * KW], "it does the least"


def test_what_was_done_once_has_its_whole_time_when_it_is_written_again() -> None:
    one = Owed()
    told(one, 50 * KW, 0, 2)
    assert one.open
    one.seen(49 * KW, KW)
    assert not one.open
    one.seen(0, KW)
    told(one, 50 * KW, 30, 2)
    assert due_w(one, 41.9, 42) == [None, 50 * KW]
    assert one.open
