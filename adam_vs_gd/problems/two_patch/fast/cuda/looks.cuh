// What is measured of weights that stand as coordinates: on the training set, and on test examples.
#pragma once
#include "steps.cuh"

constexpr int LOOKS = 11;

struct Seen {
  Common common;
  float4 w[(ROWS + 1) * QUADS];  // zeros at the end
  double beside[QUADS * SUMS];
  float most[LOCALS][N + 2];  // of products with examples, of weights of coordinate 0: the largest of a lane's filters
};
static_assert(sizeof(Seen) == SHAPE_SHARED_SEEN, "as geometry.py counts it");

DEVICE float largest_of_block(float x, double *room) {  // NaN is largest
  x = joined(x, 1, [](float a, float b) { return larger(a, b); });
  barrier();
  if (thread() % 32 == 0) room[warp()] = x;
  barrier();
  float most = -infinity();
  for (int w = 0; w < WARPS; w++) most = larger(most, (float)room[w]);
  return most;
}

// The largest of a quad's filters of a class, each times `by`; the linear model's one filter is of both.
DEVICE float largest_of(float4 x, float4 signs, float toward, float by) {
  float most = -infinity();
  auto see = [&](float x, float sign) {
    if (sign == toward || (LINEAR && sign != 0)) most = larger(most, by * x);
  };
  see(x.x, signs.x), see(x.y, signs.y), see(x.z, signs.z), see(x.w, signs.w);
  return most;
}

// Of lanes with weights ws [L, C, D] what native/training.h's Look holds, [L, LOOKS].
KERNEL(THREADS)
void measure(int teams, const float *numbers, const float *labels, unsigned int *all_lists, const float *ws,
             float *exchange, float *sums, float *out, unsigned int *arrivals) {
  Seen &memory = *(Seen *)shared_memory();
  Common &common = memory.common;
  for (int which = block() / BLOCKS; which < teams; which += blocks() / BLOCKS) {
    Team team(common, labels, which, exchange, arrivals);
    Lists lists(all_lists, which * PARTNERS / SHARERS);
    const int rows = lists.size[0];
    team.begin(numbers);
    load(team, lists, ws, memory.w);
    if (thread() < QUADS) memory.w[ROWS * QUADS + thread()] = four(0);
    barrier();
    if (thread() < QUADS) common.feature[thread()] = memory.w[thread()];
    barrier();

    find_products(team, lists, memory.w, 0);
    barrier();
    // beside the outputs, in the exchange of the next step: the largest products of each example with its class's filters
    auto tell = [&](int i, int quad, float x) {
      publish(&team.exchange[(TEAM_QUADS + team.first + quad) * (N + 2) + i], x);
    };
    for (int k = thread(); k < N * QUADS; k += THREADS) {
      int i = k / QUADS, quad = k % QUADS;
      float y = team.label(i);
      tell(i, quad, largest_of(common.products[k], team.signs(quad), y, LINEAR ? y : 1.0f));
    }
    for (int k = thread(); k < 2 * QUADS; k += THREADS) {
      float toward = k % 2 ? -1.0f : 1.0f;
      tell(N + k % 2, k / 2, largest_of(common.feature[k / 2], team.signs(k / 2), toward, LINEAR ? 1.0f : toward));
    }
    team.hear(0);
    for (int k = thread(); k < team.locals() * (N + 2); k += THREADS) {
      int p = k / (N + 2), i = k % (N + 2);
      float most = -infinity();
      for (int j = 0; j < LANE_QUADS; j++)
        most = larger(most, published(&team.exchange[(TEAM_QUADS + (team.first_lane + p) * LANE_QUADS + j) * (N + 2) + i]));
      memory.most[p][i] = most;
    }
    for (int k = thread(); k < QUADS * SUMS; k += THREADS) memory.beside[k] = 0;
    team.find_gradients();

    for (int quad = 0; rows < D && quad < QUADS; quad++) {  // idle coordinates have no gradient but lam*w
      double size = 0, square = 0, lam = team.lane(quad).lam;
      for (int k = thread(); k < D; k += THREADS) {
        if (lists.place[k] >= 0) continue;
        float4 x = team.filters_of(ws, quad, D, k);
        size += total(sizes(x)), square += total(x * x);
      }
      size = sum_of_block(size, common.sums), square = sum_of_block(square, common.sums);
      double *to = &memory.beside[quad * SUMS];
      if (thread() == 0) to[0] = lam * size, to[1] = square, to[2] = lam * lam * square;
    }
    for (int pass = 0; pass * ACROSS < QUADS; pass++) {
      const int quad = pass * ACROSS + column();
      float size = 0, weight = 0, square = 0;
      over_rows(lists, rows, common.products, quad, [&](int row, float4 g) {
        float4 x = memory.w[row * QUADS + quad];
        if (row == 0) g += team.first_gradient(quad);
        g += team.lane(quad).lam * x;
        size += total(sizes(g)), weight += total(x * x), square += total(g * g);
      });
      team.keep_sums(quad, size, weight, square);
    }
    team.share_sums(sums, memory.beside);

    for (int p = 0; p < team.locals(); p++) {
      double wrong = 0;
      float gamma[2] = {-infinity(), -infinity()}, least = -infinity();
      for (int i = thread(); i < N; i += THREADS) {
        wrong += !is_right(team.margin(p, i));
        bool plus = team.label(i) > 0;
        gamma[plus] = larger(gamma[plus], memory.most[p][i]);
        if (plus) least = larger(least, -memory.most[p][i]);
      }
      wrong = sum_of_block(wrong, common.sums);
      double loss = team.loss(p);
      for (int j = 0; j < 2; j++) gamma[j] = largest_of_block(gamma[j], common.sums);
      least = -largest_of_block(least, common.sums);
      if (thread() || !team.leads(p)) continue;
      float *to = out + (int64)common.lanes[p].index * LOOKS;
      to[0] = (float)(wrong / N), to[1] = (float)loss, to[2] = (float)team.shared_sum(sums, p, 1);
      to[3] = (float)team.shared_sum(sums, p, 0), to[4] = (float)sqrt(team.shared_sum(sums, p, 2));
      to[5] = memory.most[p][N], to[6] = least;
      to[7] = memory.most[p][N + 1], to[8] = memory.most[p][N], to[9] = gamma[0], to[10] = gamma[1];
    }
    team_barrier(team.arrivals, team.expected);
  }
}

// Test examples.
constexpr int TEST_PARTS = SHAPE_TEST_PARTS;    // blocks of a lane
constexpr bool IN_SHARED = SHAPE_TEST_SHARED;   // whether all its weights fit into shared memory
constexpr int AT_ONCE = THREADS / LANE_QUADS;   // examples of a block
static_assert(AT_ONCE > 0, "a thread for each quad of a lane");

struct Tested {
  double sums[WARPS];
  float outputs[THREADS], features[2];
  float4 w[IN_SHARED ? D * LANE_QUADS : 1];
};
static_assert(sizeof(Tested) == SHAPE_SHARED_TESTED, "as geometry.py counts it");

// How many test examples of each part are wrong, [L, TEST_PARTS], from the ranks [K, TESTS, TEST_RANKS] of each seed. What
// has a coordinate that is not there is wrong.
KERNEL(THREADS)
void errors(int, const float *numbers, const int *slot, const int *s_of, const int *coordinates, const float *units,
            const float *labels, const float *ws, float *out) {
  Tested &memory = *(Tested *)shared_memory();
  const int l = block() / TEST_PARTS, s = at_most(s_of[l], TEST_RANKS), part = up(TESTS, TEST_PARTS) / TEST_PARTS;
  const int first = block() % TEST_PARTS * part, after = at_most(TESTS, first + part);
  const int *coordinate = coordinates + (int64)slot[l] * TESTS * TEST_RANKS;
  const float *unit = units + (int64)slot[l] * TESTS * TEST_RANKS, *w = ws + (int64)l * C * D;
  Lane lane;
  lane.read(numbers, l);
  if (IN_SHARED)
    for (int k = thread(); k < D * LANE_QUADS; k += THREADS)
      memory.w[k % D * LANE_QUADS + k / D] = filters_at(w, k / D * 4, D, k % D);
  barrier();
  auto at = [&](int quad, int k) {
    return IN_SHARED ? memory.w[k * LANE_QUADS + quad] : filters_at(w, quad * 4, D, k);
  };

  const int mine = thread() / LANE_QUADS, quad = thread() % LANE_QUADS;
  const float4 signs = signs_of(quad * 4), feature = at(quad, 0);
  auto output = [&](float4 x) { return total(signs * activated(x, POWER)); };
  auto add_up = [&](float x) {  // over the quads of an example, to its first thread
    barrier();
    memory.outputs[thread()] = x;
    barrier();
    float sum = 0;
    if (quad == 0 && mine < AT_ONCE)
      for (int j = 0; j < LANE_QUADS; j++) sum += memory.outputs[thread() + j];
    return sum;
  };
  for (int j = 0; j < 2; j++) {
    float sum = add_up(output((j ? -1.0f : 1.0f) * feature));
    if (thread() == 0) memory.features[j] = sum;
  }
  double wrong = 0;
  for (int i0 = first; i0 < after; i0 += AT_ONCE) {
    int i = i0 + mine;
    bool there = mine < AT_ONCE && i < after, known = true;
    float y = there ? labels[i] : 1;
    float4 acc = four(0);
    const int64 from = (int64)i * TEST_RANKS;
#pragma unroll 4
    for (int k = 0; k < s; k++) {
      if (!there) break;
      unsigned int where = fixed(coordinate + from + k);
      float by = fixed(unit + from + k);
      known &= where < D;
      acc = along(by, at(quad, where < D ? where : 0), acc);
    }
    float sum = add_up(output(lane.sigma_p * acc - (y * lane.alpha) * feature));
    if (there && quad == 0) wrong += !is_right(y * (sum + memory.features[y < 0])) || !known;
  }
  wrong = sum_of_block(wrong, memory.sums);
  if (thread() == 0) out[block()] = (float)wrong;
}
