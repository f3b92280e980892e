// The unit noise of a training set as lists of entries: of each example, and of each coordinate that any example touches.
//
// A list is read by one warp for MEMBERS rows at once, four entries at a time, so rows stand in groups of MEMBERS, their
// entries side by side, filled up to the longest of the group with entries of a row of zeros. Coordinates are put in the
// order of how many entries they have (coordinate 0, the feature's, first), which leaves little to fill. Entries stand in an
// order in which the rows that eight threads read at once are mostly of CLASSES different banks.
#pragma once
#include "shape.cuh"

DEVICE constexpr int groups_of(int rows) { return (rows + MEMBERS - 1) / MEMBERS; }
constexpr int EXAMPLE_GROUPS = groups_of(N), ROW_GROUPS = groups_of(ROWS), EXAMPLE_CHUNKS = (RANKS + 3) / 4;
// groups are ordered: but for the first two, whose rows have at most N entries, none is longer than all rows before it
constexpr int ROW_CHUNKS = (N * RANKS / MEMBERS + 2 * N) / 4 + ROW_GROUPS + 1;
constexpr int MASKS = (N + 31) / 32;

// Entries in chunks, each of four for every member of a group: what they name, and the value of each.
struct Entries {
  ushort4 *index;
  float4 *value;
};

struct Lists {
  static constexpr int SIZE = 0, PLACE = 4, LIVE = PLACE + up(D, 4), BEGIN = LIVE + up(ROWS, 4),
                       LONGEST = BEGIN + up(ROW_GROUPS + 1, 4), ORDER = LONGEST + up(ROW_GROUPS, 4),
                       TOUCHING = ORDER + up(ROWS, 4), ROW_INDEX = TOUCHING + up(ROWS * MASKS, 4),
                       ROW_VALUE = ROW_INDEX + up(ROW_CHUNKS * MEMBERS * 2, 4),
                       EXAMPLE_INDEX = ROW_VALUE + ROW_CHUNKS * MEMBERS * 4,
                       EXAMPLE_VALUE = EXAMPLE_INDEX + up(EXAMPLE_GROUPS * EXAMPLE_CHUNKS * MEMBERS * 2, 4),
                       WORDS = EXAMPLE_VALUE + EXAMPLE_GROUPS * EXAMPLE_CHUNKS * MEMBERS * 4;
  int *size;               // how many rows there are, and s
  int *place;              // [D] the row of a coordinate; -1 of one that is idle
  int *live;               // [rows] the coordinate of a row
  int *begin, *longest;    // [groups] of rows: the first chunk, and the most entries of one
  int *order;              // [rows] where a coordinate of ascending order goes
  unsigned int *touching;  // [rows, MASKS] the examples that touch it, bit by bit
  Entries rows, examples;

  METHOD Lists(unsigned int *all, int group) {
    unsigned int *words = all + (int64)group * WORDS;
    size = (int *)words + SIZE, place = (int *)words + PLACE, live = (int *)words + LIVE;
    begin = (int *)words + BEGIN, longest = (int *)words + LONGEST, order = (int *)words + ORDER;
    touching = words + TOUCHING;
    rows = {(ushort4 *)(words + ROW_INDEX), (float4 *)(words + ROW_VALUE)};
    examples = {(ushort4 *)(words + EXAMPLE_INDEX), (float4 *)(words + EXAMPLE_VALUE)};
  }
};
static_assert(Lists::WORDS == SHAPE_LIST_WORDS, "as geometry.py counts them");

// How many threads before this one say yes, and how many do at all; `sums` is [WARPS] shared.
DEVICE int count_before(bool yes, int *sums, int &all) {
  unsigned int mask = ballot(yes), mine = thread() % 32;
  barrier();
  if (mine == 0) sums[warp()] = count_bits(mask);
  barrier();
  int before = count_bits(mask & ((1u << mine) - 1));
  all = 0;
  for (int w = 0; w < WARPS; w++) {
    if (w < warp()) before += sums[w];
    all += sums[w];
  }
  return before;
}

// The k-th class that a member begins with: members that read at once begin with different ones.
DEVICE int class_of(int member, int k) { return (member + k) % CLASSES; }
// The examples of a class, of the 32 of a mask.
DEVICE unsigned int of_class(int which) {
  unsigned int every = CLASSES == 8 ? 0x01010101u : CLASSES == 4 ? 0x11111111u : CLASSES == 2 ? 0x55555555u : ~0u;
  return every << which;
}

DEVICE void put(const Entries &to, int64 chunk, int member, int k, int index, float value) {
  int64 at = (chunk + k / 4) * MEMBERS + member;
  ((unsigned short *)&to.index[at])[k % 4] = (unsigned short)index;
  ((float *)&to.value[at])[k % 4] = value;
}
DEVICE void clear(const Entries &of, int64 count, int zeros) {
  unsigned short none = (unsigned short)zeros;
  for (int64 k = thread(); k < count; k += THREADS) of.index[k] = {none, none, none, none}, of.value[k] = four(0);
}

// The lists of each group of SHARERS lanes, a block each, from the ranks [K, N, RANKS] of their seed. The value at a
// coordinate that is not there is NaN.
KERNEL(THREADS)
void prepare(int, const int *coordinates, const float *units, const int *slot, const int *s_of, unsigned int *all) {
  int *sums = (int *)shared_memory(), group = block(), lane = group * SHARERS, count = 0, rows = 0;
  Lists lists(all, group);
  const int s = at_most(at_least(s_of[lane], 0), RANKS);
  const int *coordinate = coordinates + (int64)slot[lane] * N * RANKS;
  const float *unit = units + (int64)slot[lane] * N * RANKS;
  auto coordinate_of = [&](int i, int k) { return (unsigned int)coordinate[(int64)i * RANKS + k]; };
  auto row_of = [&](int i, int k) { return lists.place[coordinate_of(i, k) < D ? coordinate_of(i, k) : 0]; };
  auto value_of = [&](int i, int k) { return coordinate_of(i, k) < D ? unit[(int64)i * RANKS + k] : not_a_number(); };
  for (int k = thread(); k < D; k += THREADS) lists.place[k] = k == 0;
  barrier();
  for (int e = thread(); e < N * s; e += THREADS) {
    unsigned int at = coordinate_of(e / s, e % s);
    if (at < D) lists.place[at] = 1;
  }
  barrier();
  for (int k0 = 0, some; k0 < D; k0 += THREADS, count += some) {
    int k = k0 + thread();
    count_before(k < D && lists.place[k], sums, some);
  }
  const bool few = 2 * count < D;
  for (int k0 = 0, some; k0 < D; k0 += THREADS, rows += some) {
    int k = k0 + thread();
    bool is_live = k < D && (lists.place[k] || !few);
    int row = rows + count_before(is_live, sums, some);
    if (is_live) lists.live[row] = k;
    if (k < D) lists.place[k] = is_live ? row : -1;
  }
  if (thread() == 0) lists.size[0] = rows, lists.size[1] = s;

  // which examples touch a row, how many, and its place in the order of that
  for (int k = thread(); k < rows * MASKS; k += THREADS) lists.touching[k] = 0;
  for (int g = thread(); g < ROW_GROUPS; g += THREADS) lists.longest[g] = 0;
  barrier();
  for (int e = thread(); e < N * s; e += THREADS)
    set_bits(&lists.touching[row_of(e / s, e % s) * MASKS + e / s / 32], 1u << e / s % 32);
  barrier();
  int *lengths = sums + WARPS;
  for (int r = thread(); r < rows; r += THREADS) {
    lengths[r] = 0;
    for (int w = 0; w < MASKS; w++) lengths[r] += count_bits(lists.touching[r * MASKS + w]);
  }
  barrier();
  for (int r = thread(); r < rows; r += THREADS) {
    int to = r != 0, mine = lengths[r];
    for (int other = 1; r && other < rows; other++) to += lengths[other] > mine || (lengths[other] == mine && other < r);
    lists.order[r] = to;
    raise(&lists.longest[to / MEMBERS], mine);
  }
  barrier();
  if (thread() == 0) {
    int chunk = 0;
    for (int g = 0; g < ROW_GROUPS; g++) {
      lists.begin[g] = chunk;
      chunk += (lists.longest[g] + 3) / 4;
    }
    lists.begin[ROW_GROUPS] = chunk;
  }
  barrier();
  clear(lists.rows, (int64)lists.begin[ROW_GROUPS] * MEMBERS, N);
  clear(lists.examples, (int64)EXAMPLE_GROUPS * EXAMPLE_CHUNKS * MEMBERS, ROWS);
  barrier();

  for (int e = thread(); e < N * s; e += THREADS) {
    int i = e / s, row = row_of(i, e % s), to = lists.order[row], first = to % MEMBERS % CLASSES, before = 0;
    const unsigned int *mask = &lists.touching[row * MASKS];
    for (int k = 0; class_of(first, k) != i % CLASSES; k++)
      for (int w = 0; w < MASKS; w++) before += count_bits(mask[w] & of_class(class_of(first, k)));
    for (int w = 0; w <= i / 32; w++) {
      unsigned int below = w < i / 32 ? ~0u : (1u << i % 32) - 1;
      before += count_bits(mask[w] & of_class(i % CLASSES) & below);
    }
    put(lists.rows, lists.begin[to / MEMBERS], to % MEMBERS, before, i, value_of(i, e % s));
  }
  for (int i = warp(); i < N; i += WARPS)
    for (int k = 0, before = 0; k < CLASSES; k++)
      for (int k0 = 0; k0 < s; k0 += 32) {
        int rank = k0 + thread() % 32, row = rank < s ? lists.order[row_of(i, rank)] : -1;
        bool mine = row >= 0 && row % CLASSES == class_of(i % MEMBERS, k);
        unsigned int found = ballot(mine);
        int at = before + count_bits(found & ((1u << thread() % 32) - 1));
        before += count_bits(found);
        if (mine) put(lists.examples, (int64)(i / MEMBERS) * EXAMPLE_CHUNKS, i % MEMBERS, at, row, value_of(i, rank));
      }
  barrier();
  for (int k = thread(); k < D; k += THREADS)
    if (lists.place[k] >= 0) lists.place[k] = lists.order[lists.place[k]];
  barrier();
  for (int k = thread(); k < D; k += THREADS)
    if (lists.place[k] >= 0) lists.live[lists.place[k]] = k;
}

// acc + the sum over `longest` entries of a member's list of value * row of `from` [rows, STRIDE], of quad `quad`.
template <int STRIDE = QUADS>
DEVICE float4 gather(const Entries &list, int64 chunk, int member, int longest, const float4 *from, int quad, float4 acc) {
  const ushort4 *index = list.index + chunk * MEMBERS + member;
  const float4 *value = list.value + chunk * MEMBERS + member;
  auto add = [&](unsigned short row, float by) { acc = along(by, from[row * STRIDE + quad], acc); };
  int e = 4;
#pragma unroll 2
  for (; e <= longest; e += 4, index += MEMBERS, value += MEMBERS) {
    ushort4 at = fixed(index);
    float4 by = fixed(value);
    add(at.x, by.x), add(at.y, by.y), add(at.z, by.z), add(at.w, by.w);
  }
  if (e - longest < 4) {
    ushort4 at = fixed(index);
    float4 by = fixed(value);
    add(at.x, by.x);
    if (e - longest < 3) add(at.y, by.y);
    if (e - longest < 2) add(at.z, by.z);
  }
  return acc;
}

// f(row, acc) for each of the rows, acc being the sum over its entries of what `from` has of their examples, of quad `quad`.
template <typename F>
DEVICE void over_rows(const Lists &lists, int rows, const float4 *from, int quad, F f) {
  for (int group = warp(); group < groups_of(rows); group += WARPS) {
    int row = group * MEMBERS + member();
    float4 acc = gather(lists.rows, lists.begin[group], member(), lists.longest[group], from, quad, four(0));
    if (row < rows) f(row, acc);
  }
}
