// Launching kernels on a GPU through CUDA's driver, which is looked for when it is first needed: nothing is linked with it.
// The kernels are compiled elsewhere, and come as binaries with a name.

#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#if defined(__linux__)
#include <dlfcn.h>
#endif

namespace cuda {

// What cuda.h says, as far as it is used.
using Result = int;
using Handle = void *;  // of a context, a module, a function, a stream
enum { MAX_DYNAMIC_SHARED_SIZE_BYTES = 8, MULTIPROCESSOR_COUNT = 16, COOPERATIVE = 2, CLUSTER_DIMENSION = 4 };
struct Attribute {
  int id;
  char padding[4];
  union {
    unsigned int cluster[3];
    int cooperative;
    char size[64];
  } value;
};
struct Config {
  unsigned int grid[3], block[3], shared;
  Handle stream;
  Attribute *attributes;
  unsigned int count;
};

struct Driver {
  Result (*get_error_string)(Result, const char **);
  Result (*stream_get_context)(Handle, Handle *);
  Result (*push)(Handle);
  Result (*pop)(Handle *);
  Result (*load)(Handle *, const void *);
  Result (*get_function)(Handle *, Handle, const char *);
  Result (*set_attribute)(Handle, int, int);
  Result (*occupancy)(int *, Handle, int, size_t);
  Result (*get_device)(int *);
  Result (*get_device_attribute)(int *, int, int);
  Result (*launch)(const Config *, Handle, void **, void **);

  Driver() {
#if defined(__linux__)
    void *library = dlopen("libcuda.so.1", RTLD_NOW);
    if (!library) throw std::runtime_error(std::string("there is no driver of CUDA: ") + dlerror());
    auto find = [&](auto &to, const char *name) {
      void *found = dlsym(library, name);
      if (!found) throw std::runtime_error(std::string("the driver of CUDA is too old: it has no ") + name);
      to = reinterpret_cast<std::remove_reference_t<decltype(to)>>(found);
    };
    find(get_error_string, "cuGetErrorString");
    find(stream_get_context, "cuStreamGetCtx");
    find(push, "cuCtxPushCurrent_v2");
    find(pop, "cuCtxPopCurrent_v2");
    find(load, "cuModuleLoadData");
    find(get_function, "cuModuleGetFunction");
    find(set_attribute, "cuFuncSetAttribute");
    find(occupancy, "cuOccupancyMaxActiveBlocksPerMultiprocessor");
    find(get_device, "cuCtxGetDevice");
    find(get_device_attribute, "cuDeviceGetAttribute");
    find(launch, "cuLaunchKernelEx");
#else
    throw std::runtime_error("CUDA is used on Linux only");
#endif
  }
  void expect(Result code, const char *what) const {
    if (!code) return;
    const char *said = nullptr;
    get_error_string(code, &said);
    throw std::runtime_error(std::string("CUDA cannot ") + what + ": " + (said ? said : "error " + std::to_string(code)));
  }
};

// The driver, or why there is none.
inline const Driver &driver() {
  static const Driver found;
  return found;
}

// What a launch is of: `team` blocks in a row wait for each other, as a cluster where the program is compiled for one.
struct Launch {
  std::string program, kernel;
  int64_t grid, team, threads, shared, cluster;
};

class Programs {
 public:
  void add(const std::string &name, const std::string &binary) {
    std::lock_guard<std::mutex> held(guard);
    binaries.emplace(name, binary);
  }

  // Launches a kernel with pointers to its arguments.
  void launch(const Launch &launch, Handle stream, void **arguments) {
    const Driver &cuda = driver();
    Current current(cuda, stream);
    Handle function = find(cuda, current.context, launch);
    int64_t grid = launch.grid;
    std::vector<Attribute> attributes;
    if (launch.team > 1 && launch.cluster) {
      attributes.push_back({CLUSTER_DIMENSION, {}, {{(unsigned int)launch.team, 1, 1}}});
    } else if (launch.team > 1) {  // all that are launched must be there at once: teams take turns
      int each = 0, device = 0, count = 0;
      cuda.expect(cuda.occupancy(&each, function, (int)launch.threads, (size_t)launch.shared), "tell how many blocks fit");
      cuda.expect(cuda.get_device(&device), "name the device");
      cuda.expect(cuda.get_device_attribute(&count, MULTIPROCESSOR_COUNT, device), "count multiprocessors");
      int64_t most = (int64_t)each * count / launch.team * launch.team;
      if (!most) throw std::runtime_error("the blocks of a team do not fit on the GPU at once");
      if (grid > most) grid = most;
      Attribute attribute{COOPERATIVE, {}, {}};
      attribute.value.cooperative = 1;
      attributes.push_back(attribute);
    }
    Config config{{(unsigned int)grid, 1, 1}, {(unsigned int)launch.threads, 1, 1}, (unsigned int)launch.shared, stream,
                  attributes.data(), (unsigned int)attributes.size()};
    cuda.expect(cuda.launch(&config, function, arguments, nullptr), ("launch " + launch.kernel).c_str());
  }

 private:
  // The context of a stream, while it lives.
  struct Current {
    const Driver &cuda;
    Handle context = nullptr;
    Current(const Driver &cuda, Handle stream) : cuda(cuda) {
      cuda.expect(cuda.stream_get_context(stream, &context), "tell a stream's context");
      cuda.expect(cuda.push(context), "enter a context");
    }
    ~Current() {
      Handle was;
      cuda.pop(&was);
    }
  };

  Handle find(const Driver &cuda, Handle context, const Launch &launch) {
    std::lock_guard<std::mutex> held(guard);
    auto at = std::make_pair(context, launch.program);
    auto module = modules.find(at);
    if (module == modules.end()) {
      auto binary = binaries.find(launch.program);
      if (binary == binaries.end()) throw std::runtime_error("there is no program " + launch.program);
      Handle loaded;
      cuda.expect(cuda.load(&loaded, binary->second.data()), "load a program");
      module = modules.emplace(at, loaded).first;
    }
    auto name = std::make_pair(module->second, launch.kernel);
    auto known = functions.find(name);
    if (known == functions.end()) {
      Handle function;
      cuda.expect(cuda.get_function(&function, module->second, launch.kernel.c_str()), "find a kernel");
      cuda.expect(cuda.set_attribute(function, MAX_DYNAMIC_SHARED_SIZE_BYTES, (int)launch.shared), "take shared memory");
      known = functions.emplace(name, function).first;
    }
    return known->second;
  }

  std::mutex guard;
  std::map<std::string, std::string> binaries;
  std::map<std::pair<Handle, std::string>, Handle> modules;    // by context and program
  std::map<std::pair<Handle, std::string>, Handle> functions;  // by module and kernel
};

inline Programs &programs() {
  static Programs all;
  return all;
}

}  // namespace cuda
