"""All that this benchmark uses of `adam_vs_gd`: where something moves there, this file changes and no other."""

from __future__ import annotations

from adam_vs_gd.chunk import SeedDraws, program_bytes
from adam_vs_gd.fast import make_batch, native
from adam_vs_gd.files import STAGING, publish
from adam_vs_gd.machine import limits_of, use_devices
from adam_vs_gd.methods import NATIVE, Means, least_width
from adam_vs_gd.plan import Chunk, Group, block_of, cells, make_plan
from adam_vs_gd.problem import Batch
from adam_vs_gd.provenance import processor, provenance
from adam_vs_gd.runner import Hooks, batch_of, placed, programs_of, run_plan, time_group
from adam_vs_gd.spec import SweepSpec
from adam_vs_gd.surroundings import numerics, recorded, refuse_settings

__all__ = [
    "NATIVE", "STAGING", "Batch", "Chunk", "Group", "Hooks", "Means", "SeedDraws", "SweepSpec", "batch_of", "block_of",
    "cells", "least_width", "limits_of", "make_batch", "make_plan", "native", "numerics", "placed", "processor",
    "program_bytes", "programs_of", "provenance", "publish", "recorded", "refuse_settings", "run_plan", "time_group",
    "use_devices",
]  # fmt: skip
