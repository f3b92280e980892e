from . import plot, report, theory
from .data import Dataset, sample_dataset, seed_key
from .engine import run_sweep
from .errors import (
    DamageError,
    DataError,
    DiskError,
    FolderError,
    Interrupted,
    MachineError,
    PlotError,
    SpecError,
    TheoryError,
)
from .measurements import Status, measure
from .models import AlexNet, Linear, TwoLayerCNN
from .optimizers import make_optimizer
from .problem import Problem
from .spec import SweepSpec, load_spec
from .store import load_results
from .surroundings import numerics
from .training import make_train_step
from .transition import boundary, fit_exponent
from .two_patch import Training, train
from .types import Hyper, Static

__all__ = [
    "AlexNet",
    "DamageError",
    "DataError",
    "Dataset",
    "DiskError",
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
    "fit_exponent",
    "load_results",
    "load_spec",
    "make_optimizer",
    "make_train_step",
    "measure",
    "numerics",
    "plot",
    "report",
    "run_sweep",
    "sample_dataset",
    "seed_key",
    "theory",
    "train",
]
