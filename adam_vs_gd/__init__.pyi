from . import plot, report
from .engine.sweep import run_sweep
from .errors import (
    DamageError,
    DataError,
    DiskError,
    ExecutorError,
    FolderError,
    Interrupted,
    MachineError,
    PlotError,
    SpecError,
    TheoryError,
)
from .problem import Family, Problem
from .problems.function.sweep_function import sweep_function
from .problems.images.alexnet import AlexNet
from .problems.learning.optimizers import make_optimizer
from .problems.learning.status import Status
from .problems.two_patch import theory
from .problems.two_patch.data import Dataset, sample_dataset
from .problems.two_patch.lane import Hyper, Static
from .problems.two_patch.measurements import measure
from .problems.two_patch.models import Linear, TwoLayerCNN
from .problems.two_patch.problem import Training, train
from .problems.two_patch.training import make_train_step
from .randomness import seed_key
from .results.comparison import compare
from .results.power_law import fit_exponent
from .results.table import lanes, paths
from .results.transition import boundary
from .spec.sweep_spec import SweepSpec, load_spec
from .store.folder import load_results
from .surroundings import numerics

__all__ = [
    "AlexNet",
    "DamageError",
    "DataError",
    "Dataset",
    "DiskError",
    "ExecutorError",
    "Family",
    "FolderError",
    "Hyper",
    "Interrupted",
    "Linear",
    "MachineError",
    "PlotError",
    "Problem",
    "SpecError",
    "Static",
    "Status",
    "SweepSpec",
    "TheoryError",
    "Training",
    "TwoLayerCNN",
    "boundary",
    "compare",
    "fit_exponent",
    "lanes",
    "load_results",
    "load_spec",
    "make_optimizer",
    "make_train_step",
    "measure",
    "numerics",
    "paths",
    "plot",
    "report",
    "run_sweep",
    "sample_dataset",
    "seed_key",
    "sweep_function",
    "theory",
    "train",
]
