// Steps of weights that are coordinates: of any optimizer. Weights and moments of the coordinates that examples touch stay in
// shared memory from the first step of a segment to its last; the others have no gradient but lam*w, and stay in registers.
#pragma once
#include "team.cuh"

// One step of the optimizer on one weight, by the gradient of the full objective. nu is no part of gradient descent, whose mu
// is what rounding has kept from w; signGD has neither.
DEVICE void update(const Lane &lane, Rate rate, float g, float &w, float &mu, float &nu) {
  if (KIND == GD) {
    add(w, mu, -lane.eta * g);
  } else if (KIND == SIGNGD) {
    w -= lane.eta * (g > 0 ? 1.0f : g < 0 ? -1.0f : g);  // 0 and NaN are their own sign
  } else {
    mu = lane.beta1 * mu + (1.0f - lane.beta1) * g;
    nu = lane.beta2 * nu + (1.0f - lane.beta2) * (g * g);
    if (KIND == ADAM_PAPER) w -= lane.eta * (nu == 0 ? 0.0f : mu / sqrtf(nu));
    else if (lane.exact) w -= rate.eta * mu / (sqrtf(nu) + rate.eps);
    else w -= quick_quotient(rate.eta * mu, quick_root(nu) + rate.eps);
  }
}
DEVICE void update(const Lane &lane, Rate rate, float4 g, float4 &w, float4 &mu, float4 &nu) {
  update(lane, rate, g.x, w.x, mu.x, nu.x), update(lane, rate, g.y, w.y, mu.y, nu.y);
  update(lane, rate, g.z, w.z, mu.z, nu.z), update(lane, rate, g.w, w.w, mu.w, nu.w);
}

constexpr int MOMENTS = KIND == SIGNGD ? 0 : KIND == GD ? 1 : 2;
#if SHAPE_KIND == 0
#define MOMENTS_OF_LANES , float *mus
#define NO_MOMENT float *nus = nullptr
#elif SHAPE_KIND == 1
#define MOMENTS_OF_LANES
#define NO_MOMENT float *mus = nullptr, *nus = nullptr
#else
#define MOMENTS_OF_LANES , float *mus, float *nus
#define NO_MOMENT
#endif

struct Weights {
  Common common;
  float4 w[(ROWS + 1) * QUADS];  // zeros at the end
  float4 moments[MOMENTS * ROWS * QUADS + 1];
};
static_assert(sizeof(Weights) == SHAPE_SHARED, "as geometry.py counts it");
static_assert(QUADS % ACROSS == 0, "whole warps of whole rows");

// Idle coordinates.
constexpr int IDLE_BLOCKS = SHAPE_IDLE_BLOCKS, EACH = 4;  // blocks of a lane, and weights of a thread
constexpr int NORMS = STEPS / BEST_EVERY + 1, LATES = at_most(STEPS, 2 * WINDOW);

struct Idle {
  Lane lane;
  Rate rates[AHEAD];
  double sums[WARPS];
};
static_assert(sizeof(Idle) == SHAPE_SHARED_IDLE, "as geometry.py counts it");
DEVICE int first_norm(int start) { return (start + BEST_EVERY - 1) / BEST_EVERY; }
DEVICE int first_late(int start) { return at_least(start, STEPS - 2 * WINDOW); }

// Steps start .. stop-1 of a lane's weights [C, D] on coordinates that no example touches, and what they add to norms: of the
// gradient at steps that are considered [NORMS], of the weights at late ones [LATES]; null where nobody asks. Moments begin at
// 0, and are not kept, where there is no room for them.
DEVICE void advance_idle(Idle &memory, const int *place, float *w, float *mu, float *nu, int start, int stop,
                         float *norms, float *squares) {
  const Lane &lane = memory.lane;
  if (norms) {
    for (int k = thread(); k < NORMS; k += THREADS) norms[k] = 0;
    for (int k = thread(); k < LATES; k += THREADS) squares[k] = 0;
    barrier();
  }
  if (lane.lam == 0 && !lane.exact) return;  // without lam they stay, unless Adam makes 0/0 of it
  for (int64 base = (int64)(block() % IDLE_BLOCKS) * THREADS * EACH; base < (int64)C * D;
       base += (int64)IDLE_BLOCKS * THREADS * EACH) {
    float x[EACH], m[EACH], v[EACH];
    bool is_idle[EACH], any = false;
    for (int e = 0; e < EACH; e++) {
      int64 at = base + e * THREADS + thread();
      is_idle[e] = at < (int64)C * D && place[at % D] < 0;
      any |= is_idle[e];
      x[e] = is_idle[e] ? w[at] : 0;
      m[e] = is_idle[e] && mu ? mu[at] : 0;
      v[e] = is_idle[e] && nu ? nu[at] : 0;
    }
    if (sum_of_block(any, memory.sums) == 0) continue;
    for (int t = start; t < stop; t++) {
      if ((t - start) % AHEAD == 0) {
        barrier();
        for (int k = thread(); k < AHEAD; k += THREADS) memory.rates[k] = rate_at(lane, t + k);
        barrier();
      }
      if (norms && considered(t)) {
        float sum = 0;
        for (int e = 0; e < EACH; e++) {
          float g = is_idle[e] ? lane.lam * x[e] : 0;
          sum += KIND == GD ? g * g : fabsf(g);
        }
        double all = sum_of_block(sum, memory.sums);
        if (thread() == 0) norms[t / BEST_EVERY - first_norm(start)] += (float)all;
      }
      if (norms && late(t)) {
        float sum = 0;
        for (int e = 0; e < EACH; e++) sum += is_idle[e] ? x[e] * x[e] : 0;
        double all = sum_of_block(sum, memory.sums);
        if (thread() == 0) squares[t - first_late(start)] += (float)all;
      }
      for (int e = 0; e < EACH; e++) update(lane, memory.rates[(t - start) % AHEAD], lane.lam * x[e], x[e], m[e], v[e]);
    }
    for (int e = 0; e < EACH; e++) {
      int64 at = base + e * THREADS + thread();
      if (!is_idle[e]) continue;
      w[at] = x[e];
      if (mu) mu[at] = m[e];
      if (nu) nu[at] = v[e];
    }
  }
}

KERNEL(THREADS)
void idle(int, const float *numbers, unsigned int *all_lists, const int *start, const int *stop, float *norms,
          float *squares, float *w MOMENTS_OF_LANES) {
  NO_MOMENT;
  Idle &memory = *(Idle *)shared_memory();
  int l = block() / IDLE_BLOCKS;
  int64 at = (int64)l * C * D;
  Lists lists(all_lists, l / SHARERS);
  if (lists.size[0] == D) return;
  if (thread() == 0) memory.lane.read(numbers, l);
  barrier();
  advance_idle(memory, lists.place, w + at, mus ? mus + at : nullptr, nus ? nus + at : nullptr, *start, *stop,
               norms + (int64)block() * NORMS, squares + (int64)block() * LATES);
}

// W* of lanes: their idle coordinates, best_step steps from the start, into `best`.
KERNEL(THREADS)
void complete(int, const float *numbers, unsigned int *all_lists, const int *best_step, const float *began, float *best) {
  Idle &memory = *(Idle *)shared_memory();
  int l = block() / IDLE_BLOCKS, stop = best_step[l];
  int64 base = (int64)l * C * D;
  Lists lists(all_lists, l / SHARERS);
  if (lists.size[0] == D || stop < 0) return;
  if (thread() == 0) memory.lane.read(numbers, l);
  // a thread begins with the weights that it goes on with
  for (int64 from = (int64)(block() % IDLE_BLOCKS) * THREADS * EACH; from < (int64)C * D;
       from += (int64)IDLE_BLOCKS * THREADS * EACH)
    for (int e = 0; e < EACH; e++) {
      int64 at = from + e * THREADS + thread();
      if (at < (int64)C * D && lists.place[at % D] < 0) best[base + at] = began[base + at];
    }
  barrier();
  advance_idle(memory, lists.place, best + base, nullptr, nullptr, 0, stop, nullptr, nullptr);
}

// [L, C, D] weights, or moments, on the coordinates that are rows.
DEVICE void load(const Team &team, const Lists &lists, const float *from, float4 *to) {
  for (int quad = 0; quad < QUADS; quad++)
    for (int k = thread(); k < D; k += THREADS)
      if (lists.place[k] >= 0) to[lists.place[k] * QUADS + quad] = team.filters_of(from, quad, D, k);
}

// The inverse, but for coordinates that are idle.
DEVICE void store(const Team &team, const Lists &lists, const float4 *from, int quad, float *to) {
  for (int k = thread(); k < D; k += THREADS)
    if (lists.place[k] >= 0) team.put_filters(to, quad, D, k, from[lists.place[k] * QUADS + quad]);
}

// The products of all examples with the weights in `w`, as those of step t.
DEVICE void find_products(Team &team, const Lists &lists, const float4 *w, int t) {
  const int s = lists.size[1];
  for (int k = warp(); k < EXAMPLE_GROUPS * (QUADS / ACROSS); k += WARPS) {
    int group = k / (QUADS / ACROSS), i = group * MEMBERS + member(), quad = k % (QUADS / ACROSS) * ACROSS + column();
    float4 unit = gather(lists.examples, (int64)group * EXAMPLE_CHUNKS, member(), s, w, quad, four(0));
    if (i < N) team.keep_products(t, i, quad, unit);
  }
  team.tell_features(t);
}

// A segment of training of all lanes, in place. `both` has room for two iterates of every block.
KERNEL(THREADS)
void advance(int teams, const float *numbers, const float *labels, unsigned int *all_lists, const float *idle_norms,
             const float *idle_squares, const int *from, const int *to, float *exchange, float *sums, float4 *both,
             unsigned int *arrivals, float *best_norm, int *best_step, int *fit_step, float *reference,
             float *previous, float *last, float *best, float *ws MOMENTS_OF_LANES) {
  NO_MOMENT;
  Weights &memory = *(Weights *)shared_memory();
  Common &common = memory.common;
  const Record kept{best_norm, best_step, fit_step, reference, previous, last};
  const int start = *from, stop = *to, quad = column();
  float4 *w = memory.w, *mu = memory.moments, *nu = mu + (MOMENTS > 1) * ROWS * QUADS;

  for (int which = block() / BLOCKS; which < teams; which += blocks() / BLOCKS) {
    Team team(common, labels, which, exchange, arrivals);
    Lists lists(all_lists, which * PARTNERS / SHARERS);
    const int rows = lists.size[0];
    float4 *candidates = both + team.part() * 2 * ROWS * QUADS;
    team.begin(numbers);
    team.recall(kept);
    load(team, lists, ws, w);
    if (MOMENTS > 0) load(team, lists, mus, mu);
    if (MOMENTS > 1) load(team, lists, nus, nu);
    if (thread() < QUADS) w[ROWS * QUADS + thread()] = four(0);
    barrier();

    for (int t = start; t < stop; t++) {
      if (thread() < QUADS) common.feature[thread()] = w[thread()];
      team.find_rates(start, t, stop);
      barrier();
      find_products(team, lists, w, t);
      team.hear(t);
      team.find_gradients();
      team.fit(t);

      const bool asked = considered(t) || late(t);
      for (int pass = 0; pass * ACROSS < QUADS; pass++) {
        const int at_quad = pass * ACROSS + quad;
        const Lane lane = team.lane(at_quad);  // in registers: what is shared might change with every store
        const Rate rate = team.rate(at_quad, start, t);
        const bool keeps = considered(t) && lane.fit_step >= 0;
        float4 *candidate = candidates + (lane.current ^ 1) * ROWS * QUADS;
        float norm = 0, square = 0;
        over_rows(lists, rows, common.products, at_quad, [&](int row, float4 acc) {
          int at = row * QUADS + at_quad;
          if (row == 0) acc += team.first_gradient(at_quad);
          float4 x = w[at], g = acc + lane.lam * x, none = four(0);
          if (asked) {
            norm += total(KIND == GD ? g * g : sizes(g));
            square += total(x * x);
          }
          if (keeps) candidate[at] = x;
          update(lane, rate, g, x, MOMENTS > 0 ? mu[at] : none, MOMENTS > 1 ? nu[at] : none);
          w[at] = team.only_filters(at_quad, x);
        });
        if (asked) team.keep_sums(at_quad, norm, square);
      }
      if (asked) {
        team.share_sums(sums);
        if (thread() < team.locals()) {
          Lane &lane = common.lanes[thread()];
          double sum = team.shared_sum(sums, thread(), 0), squares = team.shared_sum(sums, thread(), 1);
          for (int k = lane.index * IDLE_BLOCKS; rows < D && k < (lane.index + 1) * IDLE_BLOCKS; k++) {
            if (considered(t)) sum += idle_norms[(int64)k * NORMS + t / BEST_EVERY - first_norm(start)];
            if (late(t)) squares += idle_squares[(int64)k * LATES + t - first_late(start)];
          }
          if (considered(t)) team.improve(lane, t, sum);
          if (late(t)) team.keep_objective(lane, t, squares);
        }
      }
      barrier();
    }

    for (int quad = 0; quad < QUADS; quad++) {
      const Lane &lane = team.lane(quad);
      store(team, lists, w, quad, ws);
      if (MOMENTS > 0) store(team, lists, mu, quad, mus);
      if (MOMENTS > 1) store(team, lists, nu, quad, nus);
      if (lane.improved) store(team, lists, candidates + lane.current * ROWS * QUADS, quad, best);
    }
    team.keep(kept);
    barrier();
  }
}
