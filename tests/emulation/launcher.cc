// The FFI target of the kernels on a CPU: hands a launch on to the program of its name.
#include <map>
#include <mutex>

#include "call.h"

namespace ffi = xla::ffi;
using Run = bool (*)(const char *, void **, int, int, int, size_t, int);

namespace {

std::mutex guard;
std::map<std::string, Run> programs;
int order = 0;

ffi::Error launch(ffi::RemainingArgs args, ffi::RemainingRets rets, ffi::Dictionary attributes) {
  cuda::Call call(args, rets, attributes);
  const cuda::Launch &asked = call.launch;
  Run run = nullptr;
  {
    std::lock_guard<std::mutex> held(guard);
    auto found = programs.find(asked.program);
    if (found != programs.end()) run = found->second;
  }
  if (!run || !run(asked.kernel.c_str(), call.arguments.data(), (int)call.arguments.size(), (int)asked.grid,
                   (int)asked.team, (size_t)asked.shared, order))
    return ffi::Error::Internal("no such launch, or it does not end: " + asked.kernel);
  return ffi::Error::Success();
}

}  // namespace

extern "C" void add_program(const char *name, Run run) {
  std::lock_guard<std::mutex> held(guard);
  programs[name] = run;
}
extern "C" void set_order(int asked) { order = asked; }

XLA_FFI_DEFINE_HANDLER_SYMBOL(emulated, launch, ffi::Ffi::Bind().RemainingArgs().RemainingRets().Attrs());
