"""Whether two specs are of one sweep."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from adam_vs_gd.spec.plain import leaves, typed
from adam_vs_gd.spec.sweep_spec import SweepSpec


def disagreements(old: SweepSpec, new: SweepSpec) -> Iterable[tuple[str, str, str]]:
    """(key, old value, new value) wherever both specs fix a value and it differs. Axes may grow, seeds may be added.

    A key that only one of them has is a difference too, whatever its value: what was trained without it is on no axis.
    """
    before, now = fixed(old, new.labels), fixed(new, old.labels)
    for key in before | now:
        a, b = before.get(key), now.get(key)
        if a is None or b is None or not (isinstance(a, list) or isinstance(b, list) or a == b):
            yield key, told(a), told(b)


def fixed(spec: SweepSpec, labels: Collection[str]) -> dict[str, Any]:
    """{dotted key: value} of all in a spec but its seeds and `refine`, as its family compares it, of some variants.

    It does not matter in which of its tables a problem that is no network has a number.
    """
    found: dict[str, Any] = {}
    given = spec.to_dict()
    if (variants := spec.family.variants.section if spec.family.variants else None) in given:
        given[variants] = {label: table for label, table in given[variants].items() if label in labels}
    for path, value in leaves({key: value for key, value in given.items() if key not in ("seeds", "refine")}):
        key = ".".join(path[1:] if path[0] in ("axes", "fixed", "static") else path)
        found[key] = spec.family.compared(key, value)
    return found


def told(value: Any) -> str:
    """A fixed value of a spec, or that it has none."""
    return "left out" if value is None else typed(value)
