// What training is about, whatever the instruction set: draws, lanes' states, the noise as entries.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

namespace {

constexpr size_t TILE = 6;               // vectors of a row that are added up in registers at once
constexpr size_t STRIP = 16;             // rows that are transposed at once: a cache line of each filter
constexpr size_t PANEL_BYTES = 40 << 10;  // of rows of weights that are read together: most of a first-level cache
constexpr size_t SUM_ROWS = 64;          // rows whose norms are added up in float32
constexpr float LEAST_EPS = 1e-10f;      // Adam's epsilon from which a quotient by it may be approximate
constexpr float LEAST_BETA = 0.5f;       // its beta2 from which a mean may be moved by its difference, which loses digits

enum Kind : int64_t {
  GD, SIGNGD, ADAM, ADAM_PAPER, MOMENTUM, NESTEROV, SIGNUM, LION, RMSPROP, ADAGRAD, ADAMW, AMSGRAD, ADABOUND, ADAM_POWER,
  KINDS
};

// Arrays of the size of the weights that go with them: moments, and first what rounding has kept from the weights of those
// whose steps are linear in the gradient.
constexpr size_t MOST_BESIDE = 3;
constexpr size_t beside(Kind kind) {
  switch (kind) {
    case SIGNGD: return 0;
    case GD: case SIGNUM: case LION: case RMSPROP: case ADAGRAD: return 1;
    case AMSGRAD: return 3;
    default: return 2;
  }
}
// Whether the gradient at W* is measured by ||.||_F, and not by ||.||_1.
constexpr bool euclidean(Kind kind) { return kind == GD || kind == MOMENTUM || kind == NESTEROV; }
// Whether decay is no part of the gradient.
constexpr bool decoupled(Kind kind) { return kind == LION || kind == ADAMW; }
// Whether steps are quotients by epsilon where there is no gradient.
constexpr bool divides(Kind kind) {
  return kind == ADAM || kind == RMSPROP || kind == ADAGRAD || kind == ADAMW || kind == AMSGRAD || kind == ADAM_POWER;
}

// Floats on cache lines.
template <typename T>
struct Aligned {
  using value_type = T;
  Aligned() = default;
  template <typename U>
  Aligned(const Aligned<U> &) {}
  T *allocate(size_t n) { return static_cast<T *>(::operator new(n * sizeof(T), std::align_val_t(64))); }
  void deallocate(T *p, size_t) { ::operator delete(p, std::align_val_t(64)); }
  bool operator==(const Aligned &) const { return true; }
  bool operator!=(const Aligned &) const { return false; }
};
using Floats = std::vector<float, Aligned<float>>;

struct Entry {
  int32_t row;
  float value;
};

// A set of n examples by rank: unit noise unit[i, k] on coordinate[i, k], k < R.
struct Draw {
  const int32_t *coordinate;
  const float *unit;
  size_t n, R, d;
};

// What every lane keeps of its training, [L] each: its best iterate, t_fit (-1 before), and the windows of its objective.
struct Record {
  float *best_norm;
  int32_t *best_step;
  int32_t *fit_step;
  float *reference, *previous, *last;
};

// Weights of all lanes and what goes with them, [L, C, d] each; null where there is nothing.
struct State {
  float *w, *best, *beside[MOST_BESIDE];
};

// Numbers of a lane that only some optimizers have, and of the schedule of its learning rate, as Python lays them out.
struct Own {
  float power, gamma, eta_final, warmup, cosine, drop, drop_every;
};
constexpr size_t OWN = sizeof(Own) / sizeof(float);

// Coefficients of all lanes in the span of their data, `rest` what rounding has kept from them: A [L, C, n], w0 [L, C],
// scale [L].
struct SpanState {
  float *a, *a_rest, *w0, *w0_rest, *scale, *scale_rest, *best_a, *best_w0, *best_scale;
};

// A segment of training of L lanes.
struct Task {
  Draw draws;  // of K seeds, one after another
  size_t L, J, m, d;
  int64_t kind, q, linear, steps, window, best_every;
  double fitted_loss;
  const float *y;                                                  // [n]
  const int32_t *slot, *s;                                         // [L]
  const float *alpha, *sigma_p, *lam, *eta, *beta1, *beta2, *eps;  // [L]
  const Own *own;                                                  // [L]
  int64_t scheduled;
  Record *record;

  size_t C() const { return J * m; }
  // Whether a lane's epsilon or beta2 is too small for Adam's step as it is fastest.
  bool exact(int lane) const { return kind == ADAM && !(eps[lane] >= LEAST_EPS && beta2[lane] >= LEAST_BETA); }
  // Whether a lane's numbers change from step to step.
  bool dated() const { return scheduled || kind == ADAM || kind >= ADAMW; }
  // Whether weights without a gradient of the data loss stay where they are.
  bool still(int lane) const {
    return lam[lane] == 0 && !exact(lane) && !(divides((Kind)kind) && eps[lane] == 0);
  }
  Draw draw(int32_t k) const {
    size_t size = (size_t)k * draws.n * draws.R;
    return {draws.coordinate + size, draws.unit + size, draws.n, draws.R, draws.d};
  }
};

// The numbers of a lane at a step: bias corrections, a schedule, bounds.
struct Dated {
  float eta = 0, shrink = 0;          // rate, and what of a weight decays apart from the gradient
  float by = 0, plus = 0;             // of Adam: a weight moves by mu / (by * root of nu + plus)
  float first = 0, second = 0;        // what moments are multiplied by
  float size = 0, low = 0, high = 0;  // AdaBound's rate without its root, and its bounds, in units of eta

  Dated() = default;
  Dated(const Task &task, int lane, int64_t t) {
    const Own &own = task.own[lane];
    double rate = task.eta[lane];
    if (task.scheduled) rate *= share(own, t, task.steps);
    double one = 1 - std::pow((double)task.beta1[lane], (double)(t + 1));
    double two = 1 - std::pow((double)task.beta2[lane], (double)(t + 1)), spread = std::sqrt(two);
    eta = (float)rate;
    shrink = (float)(rate * task.lam[lane]);
    by = (float)std::min(MOST, one / (rate * spread));
    plus = (float)std::min(MOST, task.eps[lane] * one / rate);
    first = (float)(1 / one);
    second = (float)(1 / two);
    size = (float)(spread / one);
    double closed = own.gamma * (double)(t + 1), final = (double)own.eta_final / task.eta[lane];
    low = (float)(final * (1 - 1 / (closed + 1)));
    high = (float)(final * (1 + 1 / closed));
  }

 private:
  static constexpr double PI = 3.14159265358979323846;
  static constexpr double MOST = 1e30;  // for a rate that has shrunk to nothing

  // f(t), as learning/schedule.py has it.
  static double share(const Own &own, int64_t t, int64_t steps) {
    double now = (double)t, warm = std::min(1.0, (now + 1) / std::max(1.0, (double)own.warmup));
    double x = (now - own.warmup) / std::max(1.0, (double)steps - own.warmup);
    double falling = 1 - own.cosine * (1 - std::cos(PI * std::min(1.0, std::max(0.0, x)))) / 2;
    double drops = own.drop_every > 0 ? std::floor(now / std::max(1.0f, own.drop_every)) : 0;
    return warm * falling * std::pow((double)own.drop, drops);
  }
};

// What is measured of a lane at an iterate, float by float as Python reads it.
struct Look {
  float train_error, data_loss, weight_square, gradient_sum, gradient_norm, feature, memorization, lambda[2], gamma[2];
};
constexpr size_t LOOKS = sizeof(Look) / sizeof(float);

// Puts items in order of their counts, those of one count as they were: then the processor foresees where a count ends.
template <typename F>
void fewest_first(int32_t *begin, int32_t *end, F count) {
  int32_t most = 0;
  for (int32_t *item = begin; item < end; item++) most = std::max(most, count(*item));
  std::vector<int32_t> place((size_t)most + 2, 0), items(begin, end);
  for (int32_t item : items) place[count(item) + 1]++;
  for (size_t k = 1; k < place.size(); k++) place[k] += place[k - 1];
  for (int32_t item : items) begin[place[count(item)]++] = item;
}

// Entries of some examples by panel of rows, and by example within it: what is read together stays in a cache.
struct Panels {
  struct Run {  // of an example's entries in a panel
    int32_t example, begin, end;
  };
  std::vector<Entry> entries;
  std::vector<Run> runs;
  std::vector<int32_t> begin;  // of a panel's runs, the shortest first

  // f calls what it is given with (example, row, value) for every entry, twice the same; a panel has 2^shift rows.
  template <typename F>
  void fill(size_t n, size_t rows, int shift, F f) {
    size_t count = ((rows - 1) >> shift) + 1;
    std::vector<int32_t> next(count * n, 0);
    f([&](size_t i, size_t row, float) { next[(row >> shift) * n + i]++; });
    int32_t last = 0;
    std::vector<int32_t> examples;
    begin.assign(1, 0);
    for (size_t p = 0; p < count; p++) {
      examples.clear();
      for (size_t i = 0; i < n; i++)
        if (next[p * n + i]) examples.push_back((int32_t)i);
      fewest_first(examples.data(), examples.data() + examples.size(), [&](int32_t i) { return next[p * n + i]; });
      for (int32_t i : examples) {
        int32_t from = last;
        last += next[p * n + i];
        runs.push_back({i, from, last});
        next[p * n + i] = from;
      }
      begin.push_back((int32_t)runs.size());
    }
    entries.resize((size_t)last);
    f([&](size_t i, size_t row, float value) { entries[next[(row >> shift) * n + i]++] = {(int32_t)row, value}; });
  }
};

// The noise of a training set, the first s ranks: its entries by row, and by panel and example.
struct Noise {
  size_t n, rows;
  std::vector<int32_t> live, rest;  // coordinates that are rows, 0 the first; and those that are not
  std::vector<Entry> by_row;
  std::vector<int32_t> row_begin;
  Panels panels;

  Noise(const Draw &draw, size_t s) : n(draw.n) {
    std::vector<int32_t> count(draw.d, 0);
    for (size_t i = 0; i < n; i++)
      for (size_t k = 0; k < s; k++) count[draw.coordinate[i * draw.R + k]]++;
    size_t touched = 0;
    for (size_t k = 0; k < draw.d; k++) touched += count[k] || !k;
    bool few = 2 * touched < draw.d;
    for (size_t k = 0; k < draw.d; k++) (!k || count[k] || !few ? live : rest).push_back((int32_t)k);
    rows = live.size();
    fewest_first(live.data() + 1, live.data() + rows, [&](int32_t k) { return count[k]; });
    row_begin.assign(rows + 1, 0);
    std::vector<int32_t> &place = count;
    for (size_t r = 0; r < rows; r++) {
      row_begin[r + 1] = row_begin[r] + count[live[r]];
      place[live[r]] = row_begin[r];
    }
    by_row.resize(n * s);
    for (size_t i = 0; i < n; i++)
      for (size_t k = 0; k < s; k++) {
        size_t at = i * draw.R + k;
        by_row[place[draw.coordinate[at]]++] = {(int32_t)i, draw.unit[at]};
      }
  }
  Noise(const Draw &draw, size_t s, int shift) : Noise(draw, s) {
    panels.fill(n, rows, shift, [&](auto take) {
      for (size_t r = 0; r < rows; r++)
        for (int32_t e = row_begin[r]; e < row_begin[r + 1]; e++) take(by_row[e].row, r, by_row[e].value);
    });
  }
};

// The order of the examples in each of some epochs, which all lanes of a seed share.
struct Orders {
  const int32_t *order;  // [K, epochs, n], of K seeds
  int64_t first, epochs;
  size_t size, n;        // B, n

  int64_t per_epoch() const { return (int64_t)(n / size); }
  // The examples of step t.
  const int32_t *at(int32_t seed, int64_t t) const {
    return order + (size_t)(seed * epochs + t / per_epoch() - first) * n + (size_t)(t % per_epoch()) * size;
  }
};

// What a lane's idle coordinates add to norms: of the gradient at steps that are considered for W*, of the weights late.
struct Idle {
  int64_t first, late, every;
  std::vector<double> norms, squares;

  Idle(int64_t start, int64_t stop, const Task &task)
      : first((start + task.best_every - 1) / task.best_every),
        late(std::max(start, task.steps - 2 * task.window)),
        every(task.best_every),
        norms((size_t)std::max<int64_t>(0, (stop + every - 1) / every - first)),
        squares((size_t)std::max<int64_t>(0, stop - late)) {}
  double norm_at(int64_t t) const { return norms[(size_t)(t / every - first)]; }
  double square_at(int64_t t) const { return squares[(size_t)(t - late)]; }
};

}  // namespace
