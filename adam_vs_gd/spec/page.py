"""A spec as HTML, for a notebook."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from adam_vs_gd.markup import table
from adam_vs_gd.spec.symbols import without_tex
from adam_vs_gd.spec.values import is_number

if TYPE_CHECKING:
    from adam_vs_gd.spec.sweep_spec import SweepSpec

MOST_VALUES = 12  # of an axis that are shown one by one
ENDS = 4  # of a longer one, at each end
TOLD_APART = ("name", "seeds")  # what has its own place


def described(spec: SweepSpec) -> str:
    """What is swept, over what, what is fixed, and how many lanes that makes."""
    lanes = lanes_of(spec)
    count = f"{lanes} lane{'s' if lanes != 1 else ''}"
    parts = [f"<div><strong>{html.escape(spec.name)}</strong>: {html.escape(count)}</div>"]
    parts.append(table(["axis", "", "", "values"], axis_rows(spec)))
    if spec.variants:
        keys = list(dict.fromkeys(key for own in spec.variants.values() for key in own))
        names = [f"{key} {symbol}".strip() for key in keys for symbol in [symbol_of(spec, key)]]
        rows = [[label, *(written(own.get(key)) for key in keys)] for label, own in spec.variants.items()]
        parts.append(table([spec.family.variants.section if spec.family.variants else "", *names], rows))
    rest = ", ".join(f"{key} = {text}" for key, text in fixed(spec))
    parts.append(f"<div>{html.escape(rest)}</div>")
    return f'<div style="max-width:70em">{"".join(parts)}</div>'


def lanes_of(spec: SweepSpec) -> int:
    """How many lanes a sweep has; of one that is refined those of its coarse grid."""
    each = (
        math.prod(len(value) for key in spec.numbers if isinstance(value := spec.number(key, label), tuple))
        for label in spec.labels
    )
    return sum(each) * len(spec.seeds)


def axis_rows(spec: SweepSpec) -> Iterator[list[str]]:
    """A row for each axis that all variants share, and the seeds: key, symbol, words, values."""
    own = {key for table in spec.variants.values() for key in table}
    for key, number in spec.numbers.items():
        if key not in own and isinstance(values := spec.number(key), tuple):
            yield [key, without_tex(number.symbol), number.long_name, written(values)]
    yield ["seed", "", "", written(spec.seeds)]


def fixed(spec: SweepSpec) -> Iterator[tuple[str, str]]:
    """(key, value) of what is neither an axis nor a variant's own."""
    apart = {*TOLD_APART, *([spec.family.variants.section] if spec.family.variants else [])}
    for key, value in spec.to_dict().items():
        entries = value.items() if isinstance(value, Mapping) else [(key, value)]
        for name, inner in entries if key not in apart else ():
            if not (name in spec.numbers and isinstance(inner, Sequence) and not isinstance(inner, str)):
                yield key if name == "name" else name, written(inner)


def symbol_of(spec: SweepSpec, key: str) -> str:
    """The symbol of a number; nothing for what is none."""
    return without_tex(spec.numbers[key].symbol) if key in spec.numbers else ""


def written(value: Any) -> str:
    """A value, or values, as one reads them; nothing for None."""
    if value is None:
        return ""
    if is_number(value):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {written(inner)}" for key, inner in value.items())
    if not isinstance(value, str) and isinstance(value, Sequence):
        texts = [written(one) for one in value]
        if len(texts) > MOST_VALUES:
            texts = [*texts[:ENDS], "…", *texts[-ENDS:]]
        return ", ".join(texts) + (f" ({len(value)})" if len(value) > MOST_VALUES else "")
    return str(value)
