// What the kernels ask of the machine that runs them, for a CPU: every thread of a team of blocks is a fiber, which runs
// until it waits for others. In which order they run is chosen, so that a barrier that is missing shows.
#ifndef MACHINE
#define MACHINE

#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <stdexcept>
#include <vector>

using std::isfinite;
using std::isnan;

struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) ushort4 {
  unsigned short x, y, z, w;
};

namespace machine {

// Those that wait for each other: the last of them to come lets all go on.
struct Meeting {
  int of = 0, here = 0, rounds = 0;
};
struct Warp {
  Meeting meeting;
  double values[2][32];
};
struct Block {
  int index;
  Meeting meeting;
  std::vector<Warp> warps;
  std::vector<float4> shared;
};
struct Fiber {
  int thread;
  Block *block;
  ucontext_t context;
  jmp_buf at;
  bool begun = false, over = false;
  Meeting *waits = nullptr;
  int round = 0;
};

constexpr size_t STACK = 64 << 10;
struct Running {
  std::vector<Block> blocks;
  std::vector<Fiber> fibers;
  std::unique_ptr<char[]> stacks;
  Meeting team;
  Fiber *now = nullptr;
  jmp_buf scheduler;
  void (*kernel)(void *) = nullptr;
  void *arguments = nullptr;
  int grid = 0;
};
inline thread_local Running *running;

inline void start() {
  running->kernel(running->arguments);
  running->now->over = true;
  _longjmp(running->scheduler, 1);
}

// Comes back once all that a meeting is of are there.
inline void meet(Meeting &meeting) {
  Fiber *me = running->now;
  if (++meeting.here == meeting.of) {
    meeting.here = 0, meeting.rounds++;
    return;
  }
  me->waits = &meeting, me->round = meeting.rounds;
  if (!_setjmp(me->at)) _longjmp(running->scheduler, 1);
}

// Runs `kernel` in every thread of some blocks, which may wait for each other. Says whether all came to their end.
inline bool run(int first, int count, int grid, int threads, size_t shared, int order, void (*kernel)(void *),
                void *arguments) {
  Running all;
  all.kernel = kernel, all.arguments = arguments, all.grid = grid;
  all.blocks.resize(count), all.fibers.resize((size_t)count * threads);
  all.stacks.reset(new char[STACK * all.fibers.size()]);
  all.team.of = count * threads;
  for (int b = 0; b < count; b++) {
    Block &block = all.blocks[b];
    block.index = first + b, block.meeting.of = threads;
    block.warps.resize(threads / 32);
    for (Warp &warp : block.warps) warp.meeting.of = 32;
    block.shared.assign(shared / 16 + 1, {NAN, NAN, NAN, NAN});  // as good as anything
    for (int t = 0; t < threads; t++) all.fibers[(size_t)b * threads + t].thread = t;
    for (int t = 0; t < threads; t++) all.fibers[(size_t)b * threads + t].block = &block;
  }
  std::vector<Fiber *> turns;
  for (Fiber &fiber : all.fibers) turns.push_back(&fiber);
  if (order == 1) std::reverse(turns.begin(), turns.end());
  std::mt19937 random(order);
  running = &all;
  for (size_t left = turns.size(); left;) {
    if (order > 1) std::shuffle(turns.begin(), turns.end(), random);
    bool moved = false;
    for (Fiber *fiber : turns) {
      if (fiber->over || (fiber->waits && fiber->waits->rounds == fiber->round)) continue;
      moved = true;
      all.now = fiber, fiber->waits = nullptr;
      if (!_setjmp(all.scheduler)) {
        if (fiber->begun) _longjmp(fiber->at, 1);
        fiber->begun = true;
        getcontext(&fiber->context);
        fiber->context.uc_stack.ss_sp = all.stacks.get() + STACK * (fiber - all.fibers.data());
        fiber->context.uc_stack.ss_size = STACK;
        makecontext(&fiber->context, start, 0);
        setcontext(&fiber->context);
      }
      left -= all.now->over;
    }
    if (left && !moved) return false;  // they wait for each other for ever
  }
  return true;
}

}  // namespace machine

#define KERNEL(threads) static
#define DEVICE static inline
#define METHOD inline

DEVICE int thread() { return machine::running->now->thread; }
DEVICE int block() { return machine::running->now->block->index; }
DEVICE int blocks() { return machine::running->grid; }
DEVICE char *shared_memory() { return reinterpret_cast<char *>(machine::running->now->block->shared.data()); }
DEVICE void barrier() { machine::meet(machine::running->now->block->meeting); }
DEVICE void team_barrier(unsigned int *, unsigned int &) { machine::meet(machine::running->team); }
DEVICE void publish(float *to, float x) { *to = x; }
DEVICE float published(const float *from) { return *from; }

DEVICE machine::Warp &warp_of() { return machine::running->now->block->warps[thread() / 32]; }
template <typename T, typename J>
DEVICE T joined(T x, int apart, J join) {
  machine::Warp &warp = warp_of();
  double *values = warp.values[warp.meeting.rounds & 1];
  values[thread() % 32] = x;
  machine::meet(warp.meeting);
  T all[32];
  for (int k = 0; k < 32; k++) all[k] = (T)values[k];
  for (int mask = 16; mask >= apart; mask /= 2) {
    T next[32];
    for (int k = 0; k < 32; k++) next[k] = join(all[k], all[k ^ mask]);
    std::copy(next, next + 32, all);
  }
  return all[thread() % 32];
}
DEVICE unsigned int ballot(bool x) {
  unsigned int all = 0;
  machine::Warp &warp = warp_of();
  double *values = warp.values[warp.meeting.rounds & 1];
  values[thread() % 32] = x;
  machine::meet(warp.meeting);
  for (int k = 0; k < 32; k++) all |= (unsigned int)(values[k] != 0) << k;
  return all;
}

DEVICE void set_bits(unsigned int *in, unsigned int bits) { *in |= bits; }
DEVICE void raise(int *most, int x) { *most = std::max(*most, x); }
DEVICE int count_bits(unsigned int x) { return __builtin_popcount(x); }
template <typename T>
DEVICE T fixed(const T *from) {
  return *from;
}
DEVICE float infinity() { return INFINITY; }
DEVICE float not_a_number() { return NAN; }
DEVICE float quick_root(float x) { return std::sqrt(x); }
DEVICE float quick_quotient(float x, float y) { return x / y; }

#endif
