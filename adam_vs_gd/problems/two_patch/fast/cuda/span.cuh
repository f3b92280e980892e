// Gradient descent in the span of the data: W = scale * V + sum over i of A[i] * (noise of example i), and coordinate 0 on
// its own, V being the unit weights that the lane started from. A step costs N^2 a filter, whatever D is. A stays in shared
// memory; the Gram matrix of the noise is read through the caches, a column of examples by a warp at once.
#pragma once
#include "team.cuh"

constexpr int TILE = SHAPE_TILE;  // quads of a thread in the product with the Gram matrix
constexpr int AHEAD_OF = 2;  // entries of the Gram matrix that are under way
static_assert(QUADS % TILE == 0 && KIND == GD, "whole tiles; and other optimizers leave the span");

struct Coefficients {
  Common common;
  float4 a[N * QUADS], a_rest[N * QUADS], feature_rest[QUADS], first[QUADS];
  double beside[QUADS * SUMS];
  float squares[up(N, 32) / 32][QUADS], scale[LOCALS], scale_rest[LOCALS];
  int improved[LOCALS];
};
static_assert(sizeof(Coefficients) == SHAPE_SHARED, "as geometry.py counts it");

DEVICE void add(float4 &x, float4 &rest, float4 step) {
  add(x.x, rest.x, step.x), add(x.y, rest.y, step.y), add(x.z, rest.z, step.z), add(x.w, rest.w, step.w);
}

// V [K, C, D] of each group's seed on its rows: [groups, ROWS, LANE_QUADS].
KERNEL(THREADS)
void pack(int, const float *unit, const int *slot, unsigned int *all_lists, float4 *to) {
  int group = block();
  Lists lists(all_lists, group);
  const float *v = unit + (int64)slot[group * SHARERS] * C * D;
  for (int k = thread(); k < lists.size[0] * LANE_QUADS; k += THREADS) {
    int row = k % lists.size[0], quad = k / lists.size[0];
    to[((int64)group * ROWS + row) * LANE_QUADS + quad] = filters_at(v, quad * 4, D, lists.live[row]);
  }
}

// The weights [L, C, D] of coefficients; a block a lane.
KERNEL(THREADS)
void weights(int, const float *unit, const int *slot, unsigned int *all_lists, const float *a, const float *feature,
             const float *scales, float *to) {
  float4 *shared = (float4 *)shared_memory();  // [N + 1, LANE_QUADS], zeros at the end
  int l = block();
  Lists lists(all_lists, l / SHARERS);
  const float *v = unit + (int64)slot[l] * C * D, scale = scales[l];
  for (int k = thread(); k < (N + 1) * LANE_QUADS; k += THREADS) {
    int i = k % (N + 1), quad = k / (N + 1);
    shared[i * LANE_QUADS + quad] = i < N ? filters_at(a + (int64)l * C * N, quad * 4, N, i) : four(0);
  }
  barrier();
  for (int quad = 0; quad < LANE_QUADS; quad++)
    for (int k = thread(); k < D; k += THREADS) {
      int row = lists.place[k], group = row / MEMBERS;
      float4 noise = row < 0 ? four(0) : gather<LANE_QUADS>(lists.rows, lists.begin[group], row % MEMBERS,
                                                           lists.longest[group], shared, quad, four(0));
      float4 x = k ? scale * filters_at(v, quad * 4, D, k) + noise : filters_at(feature + (int64)l * C, quad * 4, 1, 0);
      put_filters_at(to + (int64)l * C * D, quad * 4, D, k, x);
    }
}

// Products of all examples with the weights, as those of step t; and, at late ones, squares of the weights, but for V's own.
DEVICE void find_products(Team &team, Coefficients &memory, const float *gram, const float *products, int t) {
  constexpr int SIDE = up(N, 32), ITEMS = SIDE * (QUADS / TILE);
  for (int k = thread(); k < ITEMS; k += THREADS) {
    int i = k % SIDE, quad0 = k / SIDE * TILE;
    float4 acc[TILE];
#pragma unroll
    for (int q = 0; q < TILE; q++) acc[q] = four(0);
    const float *column = gram + at_most(i, N - 1);
    float ahead[AHEAD_OF];
#pragma unroll
    for (int k = 0; k < AHEAD_OF; k++) ahead[k] = fixed(column + (int64)at_most(k, N - 1) * N);
    for (int j0 = 0; j0 < N; j0 += AHEAD_OF) {
#pragma unroll
      for (int k = 0; k < AHEAD_OF; k++) {
        float by = ahead[k];
        ahead[k] = fixed(column + (int64)at_most(j0 + k + AHEAD_OF, N - 1) * N);
        if (j0 + k >= N) continue;
        const float4 *row = &memory.a[(j0 + k) * QUADS + quad0];
#pragma unroll
        for (int q = 0; q < TILE; q++) acc[q] = along(by, row[q], acc[q]);
      }
    }
#pragma unroll
    for (int q = 0; q < TILE; q++) {
      int quad = quad0 + q;
      float4 of_v = i < N && team.is_there(quad) ? filters_at(products, team.filter(quad), N, i) : four(0);
      float4 start = memory.scale[team.local(quad)] * of_v;
      if (i < N) team.keep_products(t, i, quad, acc[q] + start);
      if (!late(t)) continue;
      float square = i < N ? total(memory.a[i * QUADS + quad] * (acc[q] + 2.0f * start)) : 0;
      square = joined(square, 1, [](float a, float b) { return a + b; });
      if (thread() % 32 == 0) memory.squares[i / 32][quad] = square;
    }
  }
  team.tell_features(t);
}

// f(k, example, quad) for all coefficients of a block.
template <typename F>
DEVICE void over(F f) {
  for (int k = thread(); k < N * QUADS; k += THREADS) f(k, k / QUADS, k % QUADS);
}

// A segment of training of all lanes, in place.
KERNEL(THREADS)
void advance_span(int teams, const float *numbers, const float *labels, const float *units, const float *grams,
                  const float *all_products, const float *unit_squares, unsigned int *all_lists, const int *from,
                  const int *to, float *exchange, float *sums, unsigned int *arrivals, float *as, float *a_rests,
                  float *features, float *feature_rests, float *scales, float *scale_rests, float *best_as,
                  float *best_features, float *best_scales, float *best_norm, int *best_step, int *fit_step,
                  float *reference, float *previous, float *last) {
  Coefficients &memory = *(Coefficients *)shared_memory();
  Common &common = memory.common;
  const Record kept{best_norm, best_step, fit_step, reference, previous, last};
  const int start = *from, stop = *to;

  for (int which = block() / BLOCKS; which < teams; which += blocks() / BLOCKS) {
    Team team(common, labels, which, exchange, arrivals);
    const int group = which * PARTNERS / SHARERS, locals = team.locals();
    Lists lists(all_lists, group);
    const int rows = lists.size[0];
    const float *gram = grams + (int64)group * N * N, *products = all_products + (int64)group * C * N;
    const float4 *unit = (const float4 *)units + (int64)group * ROWS * LANE_QUADS;
    team.begin(numbers);
    team.recall(kept);
    over([&](int k, int i, int quad) {
      memory.a[k] = team.filters_of(as, quad, N, i), memory.a_rest[k] = team.filters_of(a_rests, quad, N, i);
    });
    if (thread() < QUADS) {
      common.feature[thread()] = team.filters_of(features, thread(), 1, 0);
      memory.feature_rest[thread()] = team.filters_of(feature_rests, thread(), 1, 0);
    }
    if (thread() < locals) {
      int l = common.lanes[thread()].index;
      memory.scale[thread()] = scales[l], memory.scale_rest[thread()] = scale_rests[l];
    }
    barrier();

    for (int t = start; t < stop; t++) {
      find_products(team, memory, gram, products, t);
      team.hear(t);
      team.find_gradients();
      team.fit(t);

      over([&](int k, int, int quad) {  // of the full objective, by the coefficients
        common.products[k] += team.lane(quad).lam * memory.a[k];
      });
      if (thread() < QUADS)
        memory.first[thread()] = team.first_gradient(thread()) + team.lane(thread()).lam * common.feature[thread()];
      barrier();
      if (considered(t) || late(t)) {
        for (int pass = 0; pass * ACROSS < QUADS; pass++) {
          const int quad = pass * ACROSS + column();
          const bool there = quad < QUADS && team.is_there(quad);
          const float decay = there ? team.lane(quad).lam * memory.scale[team.local(quad)] : 0;
          float norm = 0;
          over_rows(lists, considered(t) ? rows : 0, common.products, there ? quad : 0, [&](int row, float4 x) {
            if (!there) return;
            x += row ? decay * unit[row * LANE_QUADS + team.filter(quad) / 4] : memory.first[quad];
            norm += total(x * x);
          });
          team.keep_sums(quad, norm, 0);
        }
        for (int quad = thread(); quad < QUADS; quad += THREADS) {
          double square = total(common.feature[quad] * common.feature[quad]);
          for (int k = 0; k < up(N, 32) / 32; k++) square += memory.squares[k][quad];
          memory.beside[quad * SUMS] = memory.beside[quad * SUMS + 2] = 0;
          memory.beside[quad * SUMS + 1] = late(t) ? square : 0;
        }
        team.share_sums(sums, memory.beside);
        if (thread() < locals) {
          Lane &lane = common.lanes[thread()];
          double scale = memory.scale[thread()], decay = lane.lam * scale;
          double norm = team.shared_sum(sums, thread(), 0), square = team.shared_sum(sums, thread(), 1);
          int before = lane.best_step;
          if (considered(t)) team.improve(lane, t, norm + decay * decay * unit_squares[2 * group + 1]);
          if (late(t)) team.keep_objective(lane, t, square + scale * scale * unit_squares[2 * group]);
          memory.improved[thread()] = lane.best_step != before;
        }
        barrier();
        over([&](int k, int i, int quad) {
          if (team.is_there(quad) && memory.improved[team.local(quad)]) team.put_filters(best_as, quad, N, i, memory.a[k]);
        });
        if (thread() < QUADS && team.is_there(thread()) && memory.improved[team.local(thread())])
          team.put_filters(best_features, thread(), 1, 0, common.feature[thread()]);
        if (thread() < locals && team.leads(thread()) && memory.improved[thread()])
          best_scales[common.lanes[thread()].index] = memory.scale[thread()];
        barrier();
      }
      over([&](int k, int, int quad) {
        add(memory.a[k], memory.a_rest[k], -team.lane(quad).eta * common.products[k]);
      });
      if (thread() < QUADS)
        add(common.feature[thread()], memory.feature_rest[thread()], -team.lane(thread()).eta * memory.first[thread()]);
      if (thread() < locals) {
        const Lane &lane = common.lanes[thread()];
        float &scale = memory.scale[thread()];
        add(scale, memory.scale_rest[thread()], -lane.eta * lane.lam * scale);
      }
      barrier();
    }

    over([&](int k, int i, int quad) {
      team.put_filters(as, quad, N, i, memory.a[k]), team.put_filters(a_rests, quad, N, i, memory.a_rest[k]);
    });
    if (thread() < QUADS) {
      team.put_filters(features, thread(), 1, 0, common.feature[thread()]);
      team.put_filters(feature_rests, thread(), 1, 0, memory.feature_rest[thread()]);
    }
    if (thread() < locals && team.leads(thread())) {
      int l = common.lanes[thread()].index;
      scales[l] = memory.scale[thread()], scale_rests[l] = memory.scale_rest[thread()];
    }
    team.keep(kept);
    barrier();
  }
}
