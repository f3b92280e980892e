// A team of blocks and its lanes: what all ways of stepping share, from the products of a step to what a lane keeps of it.
//
// Sums over a lane's filters are made quad by quad, each quad's by one thread or in an order that is the same for all quads:
// a lane is the same bits whoever its partners are, and wherever its quads are.
#pragma once
#include "lists.cuh"

constexpr int AHEAD = 64;  // steps whose rates are computed at once
constexpr int NUMBERS = 7;
constexpr int SUMS = 3;  // of squares or sizes, that make norms

// A lane's numbers, and what it keeps of its training.
struct Lane {
  int index;  // of all lanes
  float alpha, sigma_p, lam, eta, beta1, beta2, eps;
  int exact;  // whether its epsilon is too small for quick roots
  int fit_step, best_step, improved, current;  // current: which of two places the best iterate is in
  float best_norm, reference, previous, last;
  double loss;
  int wrong;

  METHOD void read(const float *numbers, int lane) {
    const float *x = numbers + (int64)lane * NUMBERS;
    index = lane, alpha = x[0], sigma_p = x[1], lam = x[2], eta = x[3], beta1 = x[4], beta2 = x[5], eps = x[6];
    exact = KIND == ADAM && !(eps >= LEAST_EPS);
  }
};

// Adam's eta and epsilon at a step, the bias corrections taken into them.
struct Rate {
  float eta, eps;
};
DEVICE Rate rate_at(const Lane &lane, int t) {
  if (KIND != ADAM) return {lane.eta, lane.eps};
  double first = 1 - pow((double)lane.beta1, (double)(t + 1)), second = sqrt(1 - pow((double)lane.beta2, (double)(t + 1)));
  return {(float)(lane.eta * second / first), (float)(lane.eps * second)};
}

// The record of all lanes, [L] each.
struct Record {
  float *best_norm;
  int *best_step, *fit_step;
  float *reference, *previous, *last;
};

// What a block has in shared memory beside the weights of its lanes.
struct Common {
  float4 products[(N + 1) * QUADS];  // of examples' noise with the weights, then the gradients by them; zeros at the end
  float4 feature[QUADS];             // weights of coordinate 0
  float4 firsts[WARPS][QUADS];       // gradients by them, of the examples of a warp
  float pulls[WARPS][QUADS][2];      // and sums of the derivatives by outputs, by class
  float norms[WARPS][QUADS][SUMS];
  float totals[LOCALS][N + 2];       // outputs
  double sums[WARPS];
  Rate rates[LOCALS][AHEAD];
  Lane lanes[LOCALS];
};

// The sum over all threads of a block, the same for each.
DEVICE double sum_of_block(double x, double *sums) {
  x = joined(x, 1, [](double a, double b) { return a + b; });
  barrier();
  if (thread() % 32 == 0) sums[warp()] = x;
  barrier();
  double all = 0;
  for (int w = 0; w < WARPS; w++) all += sums[w];
  return all;
}
// The sum over the members of a warp, of what is of the same column.
DEVICE float sum_of_members(float x) {
  return joined(x, ACROSS, [](float a, float b) { return a + b; });
}
DEVICE float4 sum_of_members(float4 x) {
  return each(x, [](float x) { return sum_of_members(x); });
}

DEVICE bool late(int t) { return t >= STEPS - 2 * WINDOW; }
DEVICE bool considered(int t) { return t % BEST_EVERY == 0; }
DEVICE float loss_of(float margin) { return fmaxf(-margin, 0) + log1pf(expf(-fabsf(margin))); }
DEVICE float wrongness(float margin) {  // 1 / (1 + exp(margin))
  float e = expf(-fabsf(margin));
  return (margin >= 0 ? e : 1.0f) / (1.0f + e);
}

struct Team {
  Common &common;
  const float *labels;
  const int team, first;  // which team, and of its quads the first of this block
  const int first_lane;   // of the team's lanes, the first that has quads here
  float *exchange;        // of the team, [2, TEAM_QUADS, N + 2]
  unsigned int *arrivals, expected = 0;

  METHOD Team(Common &common, const float *labels, int team, float *exchange, unsigned int *arrivals)
      : common(common), labels(labels), team(team), first(block() % BLOCKS * QUADS),
        first_lane(at_most(first / LANE_QUADS, PARTNERS - 1)), exchange(exchange + (int64)team * 2 * TEAM_QUADS * (N + 2)),
        arrivals(arrivals + team) {}

  METHOD int64 part() const { return (int64)team * BLOCKS + block() % BLOCKS; }
  METHOD int locals() const { return at_most(LOCALS, PARTNERS - first_lane); }
  METHOD bool is_there(int quad) const { return first + quad < PARTNERS * LANE_QUADS; }
  METHOD int local(int quad) const { return is_there(quad) ? (first + quad) / LANE_QUADS - first_lane : 0; }
  METHOD Lane &lane(int quad) const { return common.lanes[local(quad)]; }
  METHOD int filter(int quad) const { return (first + quad) % LANE_QUADS * 4; }  // the first of four, of the lane's
  METHOD bool leads(int local) const {  // whether the lane's first quad is here
    int at = (first_lane + local) * LANE_QUADS;
    return at >= first && at < first + QUADS;
  }
  METHOD float4 signs(int quad) const { return is_there(quad) ? signs_of(filter(quad)) : four(0); }
  // Zeros beside the filters that there are: Adam without an epsilon would make 0/0 of them.
  METHOD float4 only_filters(int quad, float4 x) const {
    constexpr bool EVERY = C % 4 == 0 && PARTNERS * LANE_QUADS == TEAM_QUADS;
    if (EVERY) return x;
    float4 s = signs(quad);
    return {s.x == 0 ? 0 : x.x, s.y == 0 ? 0 : x.y, s.z == 0 ? 0 : x.z, s.w == 0 ? 0 : x.w};
  }
  METHOD float label(int i) const { return fixed(labels + i); }

  METHOD void begin(const float *numbers) {
    int p = thread();
    if (p < locals()) common.lanes[p].read(numbers, team * PARTNERS + first_lane + p);
    if (p < QUADS) common.products[N * QUADS + p] = four(0);
    barrier();
  }
  METHOD void recall(const Record &kept) {
    int p = thread();
    if (p < locals()) {
      Lane &lane = common.lanes[p];
      int l = lane.index;
      lane.fit_step = kept.fit_step[l], lane.best_step = kept.best_step[l], lane.best_norm = kept.best_norm[l];
      lane.reference = kept.reference[l], lane.previous = kept.previous[l], lane.last = kept.last[l];
      lane.improved = lane.current = 0;
    }
    barrier();
  }
  METHOD void keep(const Record &kept) const {
    int p = thread();
    if (p >= locals() || !leads(p)) return;
    const Lane &lane = common.lanes[p];
    int l = lane.index;
    kept.fit_step[l] = lane.fit_step, kept.best_step[l] = lane.best_step, kept.best_norm[l] = lane.best_norm;
    kept.reference[l] = lane.reference, kept.previous[l] = lane.previous, kept.last[l] = lane.last;
  }

  // Of [L, C, length] at k, a quad's four filters; and into it.
  METHOD float4 filters_of(const float *from, int quad, int64 length, int64 k) const {
    if (!is_there(quad)) return four(0);
    return filters_at(from + (int64)lane(quad).index * C * length, filter(quad), length, k);
  }
  METHOD void put_filters(float *to, int quad, int64 length, int64 k, float4 x) const {
    if (is_there(quad)) put_filters_at(to + (int64)lane(quad).index * C * length, filter(quad), length, k, x);
  }

  METHOD void find_rates(int start, int t, int stop) {
    if (KIND != ADAM || (t - start) % AHEAD) return;
    for (int k = thread(); k < locals() * AHEAD; k += THREADS)
      if (t + k % AHEAD < stop) common.rates[k / AHEAD][k % AHEAD] = rate_at(common.lanes[k / AHEAD], t + k % AHEAD);
  }
  METHOD Rate rate(int quad, int start, int t) const {
    if (KIND != ADAM) return {lane(quad).eta, lane(quad).eps};
    return common.rates[local(quad)][(t - start) % AHEAD];
  }

  // The products of example i, from those of its unit noise; and what they make of the lane's output.
  METHOD void keep_products(int t, int i, int quad, float4 unit) {
    const Lane &of = lane(quad);
    float4 u = of.sigma_p * unit - (label(i) * of.alpha) * common.feature[quad];
    common.products[i * QUADS + quad] = u;
    tell(t, i, quad, u);
  }
  METHOD void tell(int t, int i, int quad, float4 u) {
    publish(&exchange[((t & 1) * TEAM_QUADS + first + quad) * (N + 2) + i], total(signs(quad) * activated(u, POWER)));
  }
  METHOD void tell_features(int t) {
    for (int quad = thread(); quad < QUADS; quad += THREADS) {
      tell(t, N, quad, common.feature[quad]);
      tell(t, N + 1, quad, -1.0f * common.feature[quad]);
    }
  }
  // What all blocks of the team have told, as outputs of the lanes that are here.
  METHOD void hear(int t) {
    team_barrier(arrivals, expected);
    for (int k = thread(); k < locals() * (N + 2); k += THREADS) {
      int p = k / (N + 2), i = k % (N + 2);
      const float *from = &exchange[((t & 1) * TEAM_QUADS + (first_lane + p) * LANE_QUADS) * (N + 2) + i];
      float sum = 0;
#pragma unroll
      for (int j = 0; j < LANE_QUADS; j++) sum += published(from + j * (N + 2));
      common.totals[p][i] = sum;
    }
    if (thread() < locals()) common.lanes[thread()].wrong = 0;
    barrier();
  }
  METHOD float margin(int p, int i) const {
    float y = label(i);
    return y * (common.totals[p][i] + common.totals[p][y > 0 ? N : N + 1]);
  }

  // From that: gradients, by the products in their place, by coordinate 0 warp by warp.
  METHOD void find_gradients() {
    for (int pass = 0; pass * ACROSS < QUADS; pass++) {
      int quad = pass * ACROSS + column(), p = quad < QUADS ? local(quad) : 0;
      const float sigma_p = common.lanes[p].sigma_p;
      float4 s = quad < QUADS ? signs(quad) : four(0), first_acc = four(0);
      float plus = 0, minus = 0;
      bool tells = quad < QUADS && is_there(quad) && (quad == 0 || filter(quad) == 0);
      for (int group = warp(); group < EXAMPLE_GROUPS; group += WARPS) {
        int i = group * MEMBERS + member();
        if (i >= N || quad >= QUADS) continue;
        float y = label(i), m = margin(p, i), pull = -y / (float)N * wrongness(m);
        (y > 0 ? plus : minus) += pull;
        float4 u = common.products[i * QUADS + quad], by = pull * (float)POWER * s * activated(u, POWER - 1);
        first_acc += y * by;
        common.products[i * QUADS + quad] = sigma_p * by;
        if (tells && !is_right(m)) common.lanes[p].wrong = 1;
      }
      first_acc = sum_of_members(first_acc), plus = sum_of_members(plus), minus = sum_of_members(minus);
      if (member() || quad >= QUADS) continue;
      common.firsts[warp()][quad] = first_acc;
      common.pulls[warp()][quad][0] = plus, common.pulls[warp()][quad][1] = minus;
    }
    barrier();
  }
  // The gradient by coordinate 0.
  METHOD float4 first_gradient(int quad) const {
    float4 noise = four(0), w0 = common.feature[quad];
    float plus = 0, minus = 0;
    for (int w = 0; w < WARPS; w++) {
      noise += common.firsts[w][quad];
      plus += common.pulls[w][quad][0], minus += common.pulls[w][quad][1];
    }
    float4 feature = plus * activated(w0, POWER - 1) - minus * activated(-1.0f * w0, POWER - 1);
    return (float)POWER * signs(quad) * feature - lane(quad).alpha * noise;
  }

  METHOD double loss(int p) {
    double sum = 0;
    for (int i = thread(); i < N; i += THREADS) sum += loss_of(margin(p, i));
    return sum_of_block(sum, common.sums) / N;
  }
  // Which lanes have reached t_fit by step t; their losses where they are asked for.
  METHOD void fit(int t) {
    bool any = false;
    for (int p = 0; p < locals(); p++) {
      Lane &of = common.lanes[p];
      bool separated = of.fit_step < 0 && !of.wrong;
      if (!late(t) && !separated) continue;
      double value = loss(p);
      any = true;
      if (thread()) continue;
      of.loss = value;
      if (separated && value <= FITTED_LOSS) of.fit_step = t;
    }
    if (any) barrier();
  }

  // Sums over a thread's rows of what makes norms; then all of them, told to the team: [team, TEAM_QUADS, SUMS].
  METHOD void keep_sums(int quad, float norm, float square, float third = 0) {
    norm = sum_of_members(norm), square = sum_of_members(square), third = sum_of_members(third);
    if (member() || quad >= QUADS) return;
    float *to = common.norms[warp()][quad];
    to[0] = norm, to[1] = square, to[2] = third;
  }
  METHOD void share_sums(float *all_sums, const double *beside = nullptr) {
    barrier();
    for (int k = thread(); k < QUADS * SUMS; k += THREADS) {
      double sum = beside ? beside[k] : 0;
      for (int w = 0; w < WARPS; w++) sum += common.norms[w][k / SUMS][k % SUMS];
      publish(&all_sums[((int64)team * TEAM_QUADS + first) * SUMS + k], (float)sum);
    }
    team_barrier(arrivals, expected);
  }
  METHOD double shared_sum(const float *all_sums, int p, int which) const {
    double sum = 0;
    const float *from = all_sums + ((int64)team * TEAM_QUADS + (first_lane + p) * LANE_QUADS) * SUMS + which;
    for (int j = 0; j < LANE_QUADS; j++) sum += published(from + SUMS * j);
    return sum;
  }
  // Whether the iterate of step t is a lane's best so far, by the sum that makes its gradient's norm.
  METHOD void improve(Lane &of, int t, double sum) {
    float norm = (float)(KIND == GD ? sqrt(sum) : sum);
    if (of.fit_step < 0 || !(norm < of.best_norm)) return;
    of.best_norm = norm, of.best_step = t, of.improved = 1, of.current ^= 1;
  }
  METHOD void keep_objective(Lane &of, int t, double square) {
    float value = (float)of.loss + 0.5f * of.lam * (float)square;
    if (t == STEPS - 2 * WINDOW) of.reference = value;
    (t >= STEPS - WINDOW ? of.last : of.previous) += value - of.reference;
  }
};
