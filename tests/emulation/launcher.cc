// The FFI target of the kernels on a CPU: hands a launch on to the program of its name.
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;
using Run = bool (*)(const char *, void **, int, int, int, size_t, int);

namespace {

std::mutex guard;
std::map<std::string, Run, std::less<>> programs;
int order = 0;

ffi::Error launch(ffi::RemainingArgs args, ffi::RemainingRets rets, std::string_view program, std::string_view kernel,
                  int64_t grid, int64_t team, int64_t shared, int64_t operands, int64_t, int64_t) {
  std::vector<void *> buffers;
  for (int64_t k = 0; k < operands; k++) buffers.push_back(args.get<ffi::AnyBuffer>(k).value().untyped_data());
  for (size_t k = 0; k < rets.size(); k++) buffers.push_back(rets.get<ffi::AnyBuffer>(k).value()->untyped_data());
  int count = (int)(grid / team);
  std::vector<void *> arguments{&count};
  for (void *&buffer : buffers) arguments.push_back(&buffer);
  Run run = nullptr;
  {
    std::lock_guard<std::mutex> held(guard);
    auto found = programs.find(program);
    if (found != programs.end()) run = found->second;
  }
  std::string name(kernel);
  if (!run || !run(name.c_str(), arguments.data(), (int)arguments.size(), (int)grid, (int)team, (size_t)shared, order))
    return ffi::Error::Internal("no such launch, or it does not end: " + name);
  return ffi::Error::Success();
}

}  // namespace

extern "C" void add_program(const char *name, Run run) {
  std::lock_guard<std::mutex> held(guard);
  programs[name] = run;
}
extern "C" void set_order(int asked) { order = asked; }

XLA_FFI_DEFINE_HANDLER_SYMBOL(emulated, launch,
                              ffi::Ffi::Bind()
                                  .RemainingArgs()
                                  .RemainingRets()
                                  .Attr<std::string_view>("program")
                                  .Attr<std::string_view>("kernel")
                                  .Attr<int64_t>("grid")
                                  .Attr<int64_t>("team")
                                  .Attr<int64_t>("shared")
                                  .Attr<int64_t>("operands")
                                  .Attr<int64_t>("threads")
                                  .Attr<int64_t>("cluster"));
