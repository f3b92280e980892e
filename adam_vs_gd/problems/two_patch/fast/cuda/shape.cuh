// The sizes that a program is compiled for, and what follows from them; and four filters at a time.
//
// A lane has C filters, in quads of four. A team of BLOCKS blocks trains PARTNERS lanes of one seed and s: their quads, one
// lane's after the other's, QUADS to a block. A warp takes MEMBERS rows (or examples) of ACROSS quads at once.
#pragma once
#include "machine.cuh"

typedef long long int64;

enum Kind { GD = 0, SIGNGD = 1, ADAM = 2, ADAM_PAPER = 3 };

constexpr int N = SHAPE_N, D = SHAPE_D, RANKS = SHAPE_RANKS, TESTS = SHAPE_TESTS, TEST_RANKS = SHAPE_TEST_RANKS;
constexpr int WIDTH = SHAPE_WIDTH, C = SHAPE_BANKS * WIDTH, POWER = SHAPE_POWER, KIND = SHAPE_KIND;
constexpr bool LINEAR = SHAPE_LINEAR;
constexpr int STEPS = SHAPE_STEPS, WINDOW = SHAPE_WINDOW, BEST_EVERY = SHAPE_BEST_EVERY;
constexpr float FITTED_LOSS = SHAPE_FITTED_LOSS;

constexpr int ROWS = SHAPE_ROWS;        // coordinates that a training set may touch, and coordinate 0
constexpr int SHARERS = SHAPE_SHARERS;  // lanes in a row that have a seed and s in common
constexpr int PARTNERS = SHAPE_PARTNERS, BLOCKS = SHAPE_BLOCKS, QUADS = SHAPE_QUADS, THREADS = SHAPE_THREADS;
constexpr int ACROSS = SHAPE_ACROSS, MEMBERS = 32 / ACROSS, WARPS = THREADS / 32;
constexpr int LANE_QUADS = (C + 3) / 4, TEAM_QUADS = BLOCKS * QUADS;
constexpr int CLASSES = 8 / ACROSS;  // rows that eight threads read at once, and that should be of different banks

DEVICE constexpr int at_least(int x, int least) { return x > least ? x : least; }
DEVICE constexpr int at_most(int x, int most) { return x < most ? x : most; }
DEVICE constexpr int up(int x, int by) { return (x + by - 1) / by * by; }
constexpr int LOCALS = at_most(PARTNERS, (QUADS + LANE_QUADS - 2) / LANE_QUADS + 1);  // lanes that a block may have part of

constexpr float LEAST_EPS = 1e-10f;  // Adam's epsilon from which roots need not be exact (native/training.h)
static_assert(THREADS % 32 == 0 && THREADS <= 1024, "whole warps");
static_assert(PARTNERS * LANE_QUADS <= TEAM_QUADS && SHARERS % PARTNERS == 0, "a place for every filter");
static_assert(ROWS < 65536 && N < 65536, "rows and examples are named in 16 bits");

DEVICE int warp() { return thread() / 32; }
DEVICE int member() { return thread() % 32 / ACROSS; }
DEVICE int column() { return thread() % 32 % ACROSS; }

DEVICE float4 four(float x) { return {x, x, x, x}; }
DEVICE float4 operator+(float4 a, float4 b) { return {a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w}; }
DEVICE float4 operator-(float4 a, float4 b) { return {a.x - b.x, a.y - b.y, a.z - b.z, a.w - b.w}; }
DEVICE float4 operator*(float4 a, float4 b) { return {a.x * b.x, a.y * b.y, a.z * b.z, a.w * b.w}; }
DEVICE float4 operator*(float a, float4 b) { return {a * b.x, a * b.y, a * b.z, a * b.w}; }
DEVICE float4 &operator+=(float4 &a, float4 b) { return a = a + b; }
DEVICE float4 along(float by, float4 x, float4 from) {  // from + by * x
  return {fmaf(by, x.x, from.x), fmaf(by, x.y, from.y), fmaf(by, x.z, from.z), fmaf(by, x.w, from.w)};
}
// x += step, what is lost in rounding kept in rest for the next.
DEVICE void add(float &x, float &rest, float step) {
  float whole = step + rest, sum = x + whole;
  rest = whole - (sum - x);
  x = sum;
}
DEVICE float total(float4 a) { return (a.x + a.y) + (a.z + a.w); }
template <typename F>
DEVICE float4 each(float4 a, F f) {
  return {f(a.x), f(a.y), f(a.z), f(a.w)};
}
DEVICE float4 sizes(float4 a) {
  return each(a, [](float x) { return fabsf(x); });
}

// x^count of what is not negative, or of the linear model.
DEVICE float power(float x, int count) {
  if (count == 0) return 1;
  if (!LINEAR && x < 0) x = 0;
  float out = x;
  for (int k = 1; k < count; k++) out *= x;
  return out;
}
DEVICE float4 activated(float4 x, int count) {
  return each(x, [count](float x) { return power(x, count); });
}

// The sign of a lane's filter in its output; 0 of what fills a quad.
DEVICE float sign_of(int c) { return c >= C ? 0.0f : LINEAR || c >= WIDTH ? 1.0f : -1.0f; }
DEVICE float4 signs_of(int c) { return {sign_of(c), sign_of(c + 1), sign_of(c + 2), sign_of(c + 3)}; }

// Four filters from c on of a lane's [C, length] at k, 0 where there are none; and into it.
DEVICE float4 filters_at(const float *of_lane, int c, int64 length, int64 k) {
  const float *row = of_lane + c * length + k;
  return {c < C ? row[0] : 0, c + 1 < C ? row[length] : 0, c + 2 < C ? row[2 * length] : 0,
          c + 3 < C ? row[3 * length] : 0};
}
DEVICE void put_filters_at(float *of_lane, int c, int64 length, int64 k, float4 x) {
  float *row = of_lane + c * length + k;
  if (c < C) row[0] = x.x;
  if (c + 1 < C) row[length] = x.y;
  if (c + 2 < C) row[2 * length] = x.z;
  if (c + 3 < C) row[3 * length] = x.w;
}

DEVICE float larger(float a, float b) { return a > b || isnan(a) ? a : b; }  // NaN is largest
DEVICE bool is_right(float margin) { return margin > 0 && isfinite(margin); }
