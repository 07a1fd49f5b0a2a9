"""The order of leads: as a cardiologist reads them, and others by their numbers."""

from __future__ import annotations

from acquire.montage import order_leads


def test_leads_of_other_names_follow_in_the_order_of_their_numbers() -> None:
    names = [f"CH{number}" for number in (10, 2, 1, 16, 9, 11)]
    assert order_leads([*names, "V1", "II"]) == ("II", "V1", "CH1", "CH2", "CH9", "CH10", "CH11", "CH16")


def test_names_of_any_shape_have_an_order() -> None:
    assert order_leads(["b", "a1b", "a", "1", "a01", "a1"]) == ("1", "a", "a01", "a1", "a1b", "b")
