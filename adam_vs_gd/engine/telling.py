"""What a run says of a sweep: what is there, what is to do, what has come out, what was not computed."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Set

from adam_vs_gd.engine.crew import GivenUp
from adam_vs_gd.engine.plan import Plan
from adam_vs_gd.engine.progress import Meter
from adam_vs_gd.engine.rounds import Round
from adam_vs_gd.problem import Family
from adam_vs_gd.refine.refinement import Refinement
from adam_vs_gd.results.uneven import came_to
from adam_vs_gd.store.journal import Damage, Survey


def what_it_held(damage: Damage, wanted: Set[str]) -> str:
    """What becomes of the lanes of a damaged chunk."""
    if damage.lanes is None:
        return "it cannot be told which lanes it held; those that are missing are computed"
    beside = len(set(damage.lanes) - wanted)
    text = f"its {len(damage.lanes) - beside} lanes are computed again, where no other chunk has them"
    return text + (f"; {beside} more are lost, which this spec does not name" if beside else "")


def tell_what_is_there(stage: Round, survey: Survey, plan: Plan, tell: Callable[[str], None]) -> None:
    """How much is done, what is to do, and what the folder has beside this sweep."""
    chunks = sum(len(group.chunks) for group in plan.groups)
    if stage.name:
        tell(f"{stage.name}: {plan.lanes} lanes to train in {chunks} chunks")
        return
    wanted = stage.labels.keys()
    there, beside = len(wanted & survey.done), len(survey.done - wanted)
    tell(f"{there} of {len(wanted)} lanes are there, {plan.lanes} to train in {chunks} chunks")
    if beside:
        tell(f"{beside} lanes of the journal are not in this spec; they are kept, and shown again when it names them")


def count(meter: Meter, family: Family, label: str, status: int, value: float) -> None:
    """Count a lane's status, and its main variable if it counts in the mean."""
    outcome = family.statuses[status]
    told = outcome.counts and outcome.in_rates and math.isfinite(value)
    meter.count(outcome.name, label, value if told else None)


def warn_of(gone: GivenUp, refinement: Refinement | None = None) -> None:
    """Warn of lanes that were not computed, and of searches that found nothing or could not go on."""
    if gone.failed:
        text = f"{len(gone.failed)} lanes are not computed: memory is too small for them; --memory allows more"
        warnings.warn(text, stacklevel=3)
    for search in refinement.about()["searches"] if refinement else ():
        if text := came_to(search):
            warnings.warn(f"{search['value']}{' of ' + search['of'] if search['of'] else ''}: {text}", stacklevel=3)
    for chunk, who in gone.killers:
        text = f"{len(chunk.lanes)} lanes are not computed: their chunk, {chunk.digest}, killed its workers; last {who}"
        warnings.warn(text, stacklevel=3)
