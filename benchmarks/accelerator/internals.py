"""All that this benchmark uses of `adam_vs_gd`: where something moves there, this file changes and no other."""

from __future__ import annotations

from adam_vs_gd.engine.chunk import SeedDraws, program_bytes
from adam_vs_gd.engine.machine import limits_of, use_devices
from adam_vs_gd.engine.packing import blocks_of, make_plan
from adam_vs_gd.engine.placing import batch_of, placed, programs_of
from adam_vs_gd.engine.plan import Chunk, Group
from adam_vs_gd.engine.runner import Hooks, run_plan
from adam_vs_gd.engine.timing import time_group
from adam_vs_gd.problem import Batch
from adam_vs_gd.problems.two_patch.family import FAMILY
from adam_vs_gd.problems.two_patch.fast import make_batch
from adam_vs_gd.problems.two_patch.ways import CUDA, NATIVE, way_on
from adam_vs_gd.spec.cells import cells
from adam_vs_gd.spec.sweep_spec import SweepSpec
from adam_vs_gd.store.files import STAGING, publish
from adam_vs_gd.store.provenance import processor, provenance
from adam_vs_gd.surroundings import numerics, recorded, refuse_settings

__all__ = [
    "CUDA", "FAMILY", "NATIVE", "STAGING", "Batch", "Chunk", "Group", "Hooks", "SeedDraws", "SweepSpec", "batch_of",
    "blocks_of", "cells", "limits_of", "make_batch", "make_plan", "numerics", "placed", "processor",
    "program_bytes", "programs_of", "provenance", "publish", "recorded", "refuse_settings", "run_plan", "time_group",
    "use_devices", "way_on",
]  # fmt: skip
