// The kernels of a program, compiled for a CPU (machine.cuh of this folder), to be launched by name.
#include <string>
#include <tuple>
#include <utility>

#include "machine.cuh"  // of this folder, and so not the GPU's
//
#include "kernels.cu"

namespace {

template <typename... A>
struct Launch {
  void (*kernel)(A...);
  void **arguments;

  template <size_t... K>
  void call(std::index_sequence<K...>) {
    kernel(*static_cast<std::remove_reference_t<A> *>(arguments[K])...);
  }
  static void run(void *self) { static_cast<Launch *>(self)->call(std::index_sequence_for<A...>()); }
};

template <typename... A>
bool launch(void (*kernel)(A...), void **arguments, int count, int grid, int team, size_t shared, int order) {
  if (count != sizeof...(A)) return false;
  Launch<A...> all{kernel, arguments};
  for (int first = 0; first < grid; first += team)
    if (!machine::run(first, team, grid, THREADS, shared, order, Launch<A...>::run, &all)) return false;
  return true;
}

}  // namespace

#define LAUNCH(name) \
  if (asked == #name) return launch(name, arguments, count, grid, team, shared, order)

// Launches a kernel with pointers to its arguments; `team` blocks wait for each other. False if there is none that takes so
// many, or its threads wait for ever.
extern "C" bool run_kernel(const char *kernel, void **arguments, int count, int grid, int team, size_t shared, int order) {
  std::string asked = kernel;
  LAUNCH(prepare);
#if SHAPE_TILE
  LAUNCH(pack);
  LAUNCH(weights);
  LAUNCH(advance_span);
#else
  LAUNCH(idle);
  LAUNCH(complete);
  LAUNCH(advance);
  LAUNCH(measure);
  LAUNCH(errors);
#endif
  return false;
}
