// XLA FFI targets for the CPU: segments of training, and sparse products; and for a GPU the one that launches kernels there.
// Bound to Python by the module at the end.

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>

#include <string>
#include <type_traits>
#include <utility>

#include "call.h"
#include "training.h"
#include "xla/ffi/api/ffi.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace ffi = xla::ffi;

namespace {

// What is compiled for each instruction set.
struct Functions {
  void (*advance)(const Task &, State &, int64_t start, int64_t stop);
  void (*advance_batches)(const Task &, State &, const Orders &, int64_t start, int64_t stop);
  void (*advance_span)(const Task &, const float *unit, SpanState &, int64_t start, int64_t stop);
  void (*complete)(const Task &, const float *start, float *best, int64_t best_step);
  void (*measure)(const Task &, const float *w, Look *out);
  void (*measure_span)(const Task &, const float *unit, SpanState &, Look *out);
  bool (*errors)(const Task &, const Draw &tests, const float *labels, const float *w, float *out);
  bool (*project)(const Draw &, size_t s, size_t C, const float *w, float *out);
  void (*project_back)(const Draw &, size_t s, size_t C, const float *g, float *out);
};
#define FUNCTIONS {advance, advance_batches, advance_span, complete, measure, measure_span, errors, project, project_back}

#if defined(__x86_64__)
#pragma GCC push_options
#pragma GCC target("avx512f,avx512vl,avx512bw,avx512dq,avx2,fma,prefer-vector-width=512")
namespace avx512 {
#define VW 16
#define RCP(x) _mm512_rcp14_ps((__m512)(x))
#include "simd.inc"
constexpr Functions functions = FUNCTIONS;
#undef VW
#undef RCP
}  // namespace avx512
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx2,fma")
namespace avx2 {
#define VW 8
#define RCP(x) _mm256_rcp_ps((__m256)(x))
#include "simd.inc"
constexpr Functions functions = FUNCTIONS;
#undef VW
#undef RCP
}  // namespace avx2
#pragma GCC pop_options
#endif

namespace baseline {
#define VW 4
#include "simd.inc"
constexpr Functions functions = FUNCTIONS;
#undef VW
}  // namespace baseline

// The instruction set in use: the best this processor has, unless ADAM_VS_GD_SIMD names a lesser one.
const std::pair<const char *, Functions> &chosen() {
  static const std::pair<const char *, Functions> found = [] {
    const char *asked = std::getenv("ADAM_VS_GD_SIMD");
    std::string most = asked && *asked ? asked : "avx512";
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (most == "avx512" && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq"))
      return std::pair<const char *, Functions>("avx512", avx512::functions);
    if (most != "baseline" && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
      return std::pair<const char *, Functions>("avx2", avx2::functions);
#endif
    return std::pair<const char *, Functions>("baseline", baseline::functions);
  }();
  return found;
}

// Numbers too small to be normal are 0 while this is alive: they would be a hundred times as slow.
class FlushSmall {
#if defined(__x86_64__)
  unsigned int before = _mm_getcsr();

 public:
  FlushSmall() { _mm_setcsr(before | 0x8040); }
  ~FlushSmall() { _mm_setcsr(before); }
#elif defined(__aarch64__)
  uint64_t before;

 public:
  FlushSmall() {
    asm volatile("mrs %0, fpcr" : "=r"(before));
    asm volatile("msr fpcr, %0" ::"r"(before | (1u << 24)));
  }
  ~FlushSmall() { asm volatile("msr fpcr, %0" ::"r"(before)); }
#endif
};

// Operands, results and attributes of a call by name, checked against the axes that they must have: a letter stands for
// the size that its first use gives it. What is wrong is kept, and the pointers are then of no use.
class Call {
 public:
  Call(ffi::RemainingArgs args, ffi::RemainingRets rets, ffi::Dictionary attributes)
      : args(args), rets(rets), attributes(attributes) {}

  template <typename T>
  const T *operand(const std::string &axes) {
    auto found = args.get<ffi::AnyBuffer>(next_operand++);
    if (!found.has_value()) return nothing<T>("an operand is missing");
    return checked<T>(found->untyped_data(), found->element_type(), found->dimensions(), axes);
  }
  template <typename T>
  T *result(const std::string &axes) {
    auto found = rets.get<ffi::AnyBuffer>(next_result++);
    if (!found.has_value()) return nothing<T>("a result is missing");
    return checked<T>((*found)->untyped_data(), (*found)->element_type(), (*found)->dimensions(), axes);
  }
  template <typename T = int64_t>
  T number(const char *name) {
    auto found = attributes.get<T>(name);
    if (found.has_value()) return *found;
    refuse(std::string("no attribute ") + name);
    return 0;
  }
  size_t size(char axis) { return sizes[(unsigned char)axis]; }
  void refuse(const std::string &reason) {
    if (why.empty()) why = "adam_vs_gd: " + reason;
  }

  std::string why;

 private:
  template <typename T>
  T *nothing(const char *reason) {
    refuse(reason);
    return nullptr;
  }
  template <typename T>
  T *checked(void *data, ffi::DataType type, ffi::Span<const int64_t> dims, const std::string &axes) {
    static_assert(std::is_same_v<T, float> || std::is_same_v<T, int32_t>);
    ffi::DataType want = std::is_same_v<T, float> ? ffi::F32 : ffi::S32;
    if (type != want) return nothing<T>("an array of another type than it must have");
    if (dims.size() != axes.size()) return nothing<T>("an array of another rank than it must have");
    for (size_t k = 0; k < axes.size(); k++) {
      if (dims[k] == 0) return nothing<T>("an array with nothing in it");
      int64_t &known = sizes[(unsigned char)axes[k]];
      if (known < 0) known = dims[k];
      if (known != dims[k]) refuse(std::string("axis ") + axes[k] + " has two sizes");
    }
    return static_cast<T *>(data);
  }

  ffi::RemainingArgs args;
  ffi::RemainingRets rets;
  ffi::Dictionary attributes;
  size_t next_operand = 0, next_result = 0;
  std::vector<int64_t> sizes = std::vector<int64_t>(256, -1);
};

// Runs a function of a call, and turns what it throws into an error.
template <void (*f)(Call &)>
ffi::Error guarded(ffi::RemainingArgs args, ffi::RemainingRets rets, ffi::Dictionary attributes) {
  try {
    FlushSmall flush;
    Call call(args, rets, attributes);
    f(call);
    if (!call.why.empty()) return ffi::Error::InvalidArgument(call.why);
    return ffi::Error::Success();
  } catch (const std::bad_alloc &) {
    return ffi::Error(ffi::ErrorCode::kResourceExhausted, "adam_vs_gd: out of memory in the native kernel");
  } catch (const std::exception &error) {
    return ffi::Error::Internal(std::string("adam_vs_gd: ") + error.what());
  }
}

constexpr const char *NO_COORDINATE = "a coordinate that is not in 0 .. d-1";

void check(Call &call, const Draw &draw, size_t sets) {
  if (!call.why.empty()) return;
  if (draw.n * draw.R > INT32_MAX || draw.d > INT32_MAX) return call.refuse("more than 2^31 entries");
  for (size_t k = 0; k < sets * draw.n * draw.R; k++)
    if (draw.coordinate[k] < 0 || (size_t)draw.coordinate[k] >= draw.d)
      return call.refuse(NO_COORDINATE);
}

// See that orders are of examples that there are, and that the steps are in their epochs.
void check(Call &call, Orders &orders, int64_t start, int64_t stop) {
  if (!call.why.empty()) return;
  orders.n = call.size('n'), orders.epochs = (int64_t)call.size('E');
  if (orders.size > orders.n) return call.refuse("a batch of more examples than there are");
  for (size_t k = 0; k < call.size('K') * call.size('E') * orders.n; k++)
    if (orders.order[k] < 0 || (size_t)orders.order[k] >= orders.n) return call.refuse("an example that there is not");
  int64_t begin = orders.first * orders.per_epoch(), end = begin + orders.epochs * orders.per_epoch();
  if (start < stop && (start < begin || stop > end)) call.refuse("steps outside of the epochs");
}

// The first operands of a segment: coordinate, unit [K, n, R]; y [n]; slot, s, and seven numbers [L]; others [L, OWN].
Task task_of(Call &call) {
  Task task{};
  task.draws.coordinate = call.operand<int32_t>("KnR");
  task.draws.unit = call.operand<float>("KnR");
  task.y = call.operand<float>("n");
  task.slot = call.operand<int32_t>("L");
  task.s = call.operand<int32_t>("L");
  for (auto *x : {&task.alpha, &task.sigma_p, &task.lam, &task.eta, &task.beta1, &task.beta2, &task.eps})
    *x = call.operand<float>("L");
  task.own = reinterpret_cast<const Own *>(call.operand<float>("LO"));
  if (call.size('O') != OWN) call.refuse("another number of an optimizer's own numbers");
  task.scheduled = call.number("scheduled");
  task.kind = call.number("kind");
  task.q = call.number("q");
  task.linear = call.number("linear");
  task.steps = call.number("steps");
  task.window = call.number("window");
  task.best_every = call.number("best_every");
  task.fitted_loss = call.number<float>("fitted_loss");
  if (task.kind < GD || task.kind >= KINDS || task.q < 1 || task.best_every < 1 || task.window < 1)
    call.refuse("an attribute that is out of range");
  return task;
}

// The axes of a task, once all operands are known.
void complete_task(Call &call, Task &task, size_t d) {
  if (!call.why.empty()) return;
  task.L = call.size('L'), task.J = call.size('J'), task.m = call.size('m'), task.d = d;
  task.draws.n = call.size('n'), task.draws.R = call.size('R'), task.draws.d = d;
  if (task.J > 2 || (task.linear && task.C() != 1)) call.refuse("a model that there is not");
  check(call, task.draws, call.size('K'));
  for (size_t l = 0; call.why.empty() && l < task.L; l++)
    if (task.slot[l] < 0 || (size_t)task.slot[l] >= call.size('K') || task.s[l] < 1 ||
        (size_t)task.s[l] > task.draws.R)
      call.refuse("a lane whose seed or s is not there");
}

Record record_of(Call &call) {
  Record kept{};
  kept.best_norm = call.result<float>("L");
  kept.best_step = call.result<int32_t>("L");
  kept.fit_step = call.result<int32_t>("L");
  for (float **x : {&kept.reference, &kept.previous, &kept.last}) *x = call.result<float>("L");
  return kept;
}

// Steps start .. stop-1; on batches where their size is an attribute that is not 0, by the orders [K, E, n] of E epochs from
// the given one on.
void advance(Call &call) {
  Task task = task_of(call);
  const int32_t *start = call.operand<int32_t>(""), *stop = call.operand<int32_t>("");
  Orders orders{};
  orders.size = (size_t)call.number("batch_size");
  if (orders.size) {
    orders.order = call.operand<int32_t>("KEn");
    const int32_t *first = call.operand<int32_t>("");
    if (first) orders.first = *first;
  }
  State state{};
  state.w = call.result<float>("LJmd");
  state.best = call.result<float>("LJmd");
  for (size_t k = 0; k < beside((Kind)task.kind); k++) state.beside[k] = call.result<float>("LJmd");
  Record kept = record_of(call);
  task.record = &kept;
  complete_task(call, task, call.size('d'));
  if (call.why.empty() && (*start < 0 || *stop > task.steps)) call.refuse("steps outside of the training");
  if (orders.size) check(call, orders, *start, *stop);
  if (!call.why.empty() || *start >= *stop) return;
  if (orders.size) chosen().second.advance_batches(task, state, orders, *start, *stop);
  else chosen().second.advance(task, state, *start, *stop);
}

void advance_span(Call &call) {
  Task task = task_of(call);
  const int32_t *start = call.operand<int32_t>(""), *stop = call.operand<int32_t>("");
  const float *unit = call.operand<float>("KJmd");
  SpanState state{};
  for (float **x : {&state.a, &state.a_rest}) *x = call.result<float>("LJmn");
  for (float **x : {&state.w0, &state.w0_rest}) *x = call.result<float>("LJm");
  for (float **x : {&state.scale, &state.scale_rest}) *x = call.result<float>("L");
  state.best_a = call.result<float>("LJmn");
  state.best_w0 = call.result<float>("LJm");
  state.best_scale = call.result<float>("L");
  Record kept = record_of(call);
  task.record = &kept;
  complete_task(call, task, call.size('d'));
  if (call.why.empty() && (*start < 0 || *stop > task.steps)) call.refuse("steps outside of the training");
  if (call.why.empty() && task.kind != GD) call.refuse("an optimizer that does not stay in the span of the data");
  if (call.why.empty() && *start < *stop) chosen().second.advance_span(task, unit, state, *start, *stop);
}

// W* of lanes: their idle coordinates, best_step steps from the start.
void complete(Call &call) {
  Task task = task_of(call);
  const int32_t *best_step = call.operand<int32_t>("L");
  const float *start = call.operand<float>("LJmd");
  float *best = call.result<float>("LJmd");
  complete_task(call, task, call.size('d'));
  for (size_t l = 0; call.why.empty() && l < task.L; l++) {
    Task one = task;
    size_t size = task.C() * task.d;
    one.L = 1;
    for (const float **x : {&one.alpha, &one.sigma_p, &one.lam, &one.eta, &one.beta1, &one.beta2, &one.eps}) *x += l;
    one.slot += l, one.s += l, one.own += l;
    if (best_step[l] >= 0) chosen().second.complete(one, start + l * size, best + l * size, best_step[l]);
  }
}

void measure(Call &call) {
  Task task = task_of(call);
  const float *w = call.operand<float>("LJmd");
  float *out = call.result<float>("L*");
  complete_task(call, task, call.size('d'));
  if (call.size('*') != LOOKS) call.refuse("another number of measurements");
  if (call.why.empty()) chosen().second.measure(task, w, reinterpret_cast<Look *>(out));
}

void measure_span(Call &call) {
  Task task = task_of(call);
  const float *unit = call.operand<float>("KJmd");
  SpanState state{};
  state.a = const_cast<float *>(call.operand<float>("LJmn"));
  state.w0 = const_cast<float *>(call.operand<float>("LJm"));
  state.scale = const_cast<float *>(call.operand<float>("L"));
  float *out = call.result<float>("L*");
  complete_task(call, task, call.size('d'));
  if (call.size('*') != LOOKS) call.refuse("another number of measurements");
  if (call.why.empty()) chosen().second.measure_span(task, unit, state, reinterpret_cast<Look *>(out));
}

// Error rates [L] on test examples: coordinate, unit [K, N, R], their labels [N], and weights follow the task's operands.
void errors(Call &call) {
  Task task = task_of(call);
  Draw tests{};
  tests.coordinate = call.operand<int32_t>("KNQ");
  tests.unit = call.operand<float>("KNQ");
  const float *labels = call.operand<float>("N"), *w = call.operand<float>("LJmd");
  float *out = call.result<float>("L");
  complete_task(call, task, call.size('d'));
  tests.n = call.size('N'), tests.R = call.size('Q'), tests.d = call.size('d');
  for (size_t l = 0; call.why.empty() && l < task.L; l++)
    if ((size_t)task.s[l] > tests.R) call.refuse("an s that is not there");
  if (call.why.empty() && !chosen().second.errors(task, tests, labels, w, out)) call.refuse(NO_COORDINATE);
}

template <bool BACK>
void product(Call &call) {
  const int32_t *coordinate = call.operand<int32_t>("KnR");
  const float *unit = call.operand<float>("KnR");
  const int32_t *slot = call.operand<int32_t>(""), *s = call.operand<int32_t>("");
  const float *x = call.operand<float>(BACK ? "Cn" : "Cd");
  float *out = call.result<float>(BACK ? "Cd" : "Cn");
  if (!call.why.empty()) return;
  size_t n = call.size('n'), R = call.size('R'), d = call.size('d');
  if (*slot < 0 || (size_t)*slot >= call.size('K') || *s < 0 || (size_t)*s > R)
    return call.refuse("a seed or an s that is not there");
  Draw draw{coordinate + *slot * n * R, unit + *slot * n * R, n, R, d};
  if (BACK) check(call, draw, 1);
  if (!call.why.empty()) return;
  if (BACK) chosen().second.project_back(draw, *s, call.size('C'), x, out);
  else if (!chosen().second.project(draw, *s, call.size('C'), x, out)) call.refuse(NO_COORDINATE);
}

#define TARGET(name, f)                                                                                     \
  XLA_FFI_DEFINE_HANDLER(name, guarded<f>, ffi::Ffi::Bind().RemainingArgs().RemainingRets().Attrs())
TARGET(advance_target, advance);
TARGET(advance_span_target, advance_span);
TARGET(complete_target, complete);
TARGET(measure_target, measure);
TARGET(measure_span_target, measure_span);
TARGET(errors_target, errors);
TARGET(project_target, product<false>);
TARGET(project_back_target, product<true>);

ffi::Error launch(void *stream, ffi::RemainingArgs args, ffi::RemainingRets rets, ffi::Dictionary attributes) {
  try {
    cuda::Call call(args, rets, attributes);
    cuda::programs().launch(call.launch, stream, call.arguments.data());
    return ffi::Error::Success();
  } catch (const std::exception &error) {
    return ffi::Error::Internal(std::string("adam_vs_gd: ") + error.what());
  }
}
XLA_FFI_DEFINE_HANDLER(launch_target, launch,
                       ffi::Ffi::Bind().Ctx<ffi::PlatformStream<void *>>().RemainingArgs().RemainingRets().Attrs());

PyObject *cuda_target(PyObject *, PyObject *) {
  try {
    cuda::driver();
  } catch (const std::exception &error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
    return nullptr;
  }
  return PyCapsule_New(reinterpret_cast<void *>(launch_target), nullptr, nullptr);
}

PyObject *cuda_program(PyObject *, PyObject *args) {
  const char *name, *binary;
  Py_ssize_t length;
  if (!PyArg_ParseTuple(args, "sy#", &name, &binary, &length)) return nullptr;
  cuda::programs().add(name, std::string(binary, (size_t)length));
  Py_RETURN_NONE;
}

PyObject *targets(PyObject *, PyObject *) {
  PyObject *found = PyDict_New();
  const std::pair<const char *, XLA_FFI_Handler *> all[] = {
      {"adam_vs_gd_advance", advance_target},
      {"adam_vs_gd_advance_span", advance_span_target},
      {"adam_vs_gd_complete", complete_target},
      {"adam_vs_gd_measure", measure_target},
      {"adam_vs_gd_measure_span", measure_span_target},
      {"adam_vs_gd_errors", errors_target},
      {"adam_vs_gd_project", project_target},
      {"adam_vs_gd_project_back", project_back_target}};
  for (auto &[name, handler] : all) {
    PyObject *capsule = PyCapsule_New(reinterpret_cast<void *>(handler), nullptr, nullptr);
    if (!found || !capsule || PyDict_SetItemString(found, name, capsule)) return nullptr;
    Py_DECREF(capsule);
  }
  return found;
}

PyObject *simd(PyObject *, PyObject *) { return PyUnicode_FromString(chosen().first); }

PyMethodDef methods[] = {{"targets", targets, METH_NOARGS, "The FFI targets: name -> capsule."},
                         {"simd", simd, METH_NOARGS, "The instruction set in use: avx512, avx2 or baseline."},
                         {"cuda_target", cuda_target, METH_NOARGS, "The FFI target that launches kernels: a capsule."},
                         {"cuda_program", cuda_program, METH_VARARGS, "Keep the binary of a program under its name."},
                         {nullptr, nullptr, 0, nullptr}};
PyModuleDef module = {PyModuleDef_HEAD_INIT, "_native", "Training steps and sparse products on a CPU.", -1, methods,
                      nullptr, nullptr, nullptr, nullptr};

}  // namespace

PyMODINIT_FUNC PyInit__native() { return PyModule_Create(&module); }
