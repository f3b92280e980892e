"""A comparison of two sweeps as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from adam_vs_gd.results.columns import columns, told
from adam_vs_gd.results.comparison import Comparison, Difference, Largest
from adam_vs_gd.spec.plain import typed

EQUAL = "to the last bit"


def describe(compared: Comparison, names: tuple[str, str] = ("A", "B")) -> str:
    """A comparison for people: spec, what computed them, lanes, statuses, numbers, means, and the verdict.

    Args:
        compared: what is the same and what is not.
        names: what the two sweeps are called.
    """
    parts = [
        f"A  {names[0]}\nB  {names[1]}",
        differences("spec", compared.spec),
        differences("computed with", compared.provenance),
        f"lanes: {compared.both} in both, {compared.only_first} only in A, {compared.only_second} only in B",
        *numbers(compared),
        verdict(compared),
    ]
    return "\n\n".join(part for part in parts if part)


def differences(what: str, found: Sequence[Difference]) -> str:
    """What differs of something, a line a key."""
    if not found:
        return f"{what}: the same"
    rows = [[f"{what} differs", "A", "B"], *([one.key, value(one.first), value(one.second)] for one in found)]
    return columns(rows)


def value(given: Any) -> str:
    """A value that differs; "-" where there is none. Text stands as it is."""
    return "-" if given is None else given if isinstance(given, str) else typed(given)


def numbers(compared: Comparison) -> Iterator[str]:
    """What the lanes say that both have: statuses, variables that differ, means, and what could not be compared."""
    if not compared.both:
        return
    if compared.statuses:
        changed = [[one.first, one.second, str(one.lanes)] for one in compared.statuses]
        yield columns([["status in A", "in B", "lanes"], *changed])
    else:
        yield "statuses: the same"
    if differing := [one for one in compared.variables if one.equal < compared.both]:
        rows = [["variable", "lanes that differ", "largest, relative", "at", "largest, absolute", "at"]]
        for one in differing:
            aside = f" ({one.one_sided} a number in only one)" if one.one_sided else ""
            rows.append(
                [one.name, f"{compared.both - one.equal}{aside}", *largest(one.relative), *largest(one.absolute)]
            )
        yield columns(rows)
    if compared.shifts:
        head = ["mean of B - A", "optimizer", "95 % over seeds", "seeds"]
        yield columns([head, *([one.name, one.optimizer, told(one.mean, one.low, one.high), str(one.seeds)]
                               for one in compared.shifts)])  # fmt: skip
    if compared.not_compared:
        yield f"only in one, or of another shape, and not compared: {', '.join(compared.not_compared)}"


def largest(found: Largest | None) -> tuple[str, str]:
    """A largest difference with its two values, and where it is."""
    if found is None:
        return "-", ""
    return f"{found.difference:.2g} ({found.first:.6g}, {found.second:.6g})", located(found.where)


def located(where: Mapping[str, Any]) -> str:
    """A place in a few words."""
    return " ".join(f"{name}={here:g}" if isinstance(here, float) else f"{name}={here}" for name, here in where.items())


def verdict(compared: Comparison) -> str:
    """Whether the numbers agree."""
    if not compared.both:
        return "no lane is in both: nothing was compared"
    exact = f"{compared.equal} of {compared.both} lanes are the same {EQUAL}"
    if compared.rtol or compared.atol:
        within = f"within rtol = {compared.rtol:g}, atol = {compared.atol:g}"
        return f"the numbers {'agree' if compared.agree else 'do not agree'} {within}; {exact}"
    return f"the numbers {'agree' if compared.agree else 'differ'}: {exact}"
