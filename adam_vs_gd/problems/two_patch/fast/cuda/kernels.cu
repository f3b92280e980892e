// All kernels of a program: of weights that are coordinates, or (SHAPE_TILE) in the span of the data.
#if SHAPE_TILE
#include "span.cuh"
#else
#include "looks.cuh"
#endif
