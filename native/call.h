// A call of the target that launches kernels, as a program of JAX makes it (fast/cuda/launching.py): for a GPU, and for what
// stands in for one in tests.

#pragma once

#include "cuda.h"
#include "xla/ffi/api/ffi.h"

namespace cuda {

struct Call {
  Launch launch;
  int teams;
  std::vector<void *> buffers, arguments;  // operands and results; pointers to the kernel's arguments, of which `teams` is first

  Call(xla::ffi::RemainingArgs args, xla::ffi::RemainingRets rets, xla::ffi::Dictionary attributes) {
    auto word = [&](const char *name) { return std::string(attributes.get<std::string_view>(name).value()); };
    auto number = [&](const char *name) { return attributes.get<int64_t>(name).value(); };
    launch = {word("program"), word("kernel"), number("grid"), number("team"), number("threads"), number("shared"),
              number("cluster")};
    teams = (int)(launch.grid / launch.team);
    for (int64_t k = 0; k < number("operands"); k++)  // what is changed in place comes twice, as an operand and a result
      buffers.push_back(args.get<xla::ffi::AnyBuffer>(k).value().untyped_data());
    for (size_t k = 0; k < rets.size(); k++)
      buffers.push_back(rets.get<xla::ffi::AnyBuffer>(k).value()->untyped_data());
    arguments.push_back(&teams);
    for (void *&buffer : buffers) arguments.push_back(&buffer);
  }
  Call(const Call &) = delete;
};

}  // namespace cuda
