"""Results -> pictures. They read nothing but the Dataset, and compute nothing of the model.

Each function takes a Dataset (of this package, or any with variables of the same names) and, if wanted, the Axes to
draw into; it returns the Figure, shows nothing, and leaves matplotlib's settings alone. Sizes are those of a two-column
paper: 3.4 inches for a picture of one panel, 7 for more.
"""

from adam_vs_gd.plot.diagram import phase_diagram
from adam_vs_gd.plot.lines import curves, trajectories
from adam_vs_gd.plot.picture import Picture, save
from adam_vs_gd.plot.spent import spent
from adam_vs_gd.plot.suitable import suitable
from adam_vs_gd.results.overlay import Overlay

__all__ = ["Overlay", "Picture", "curves", "phase_diagram", "save", "spent", "suitable", "trajectories"]
