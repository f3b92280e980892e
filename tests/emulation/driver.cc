// A driver of CUDA that only says what it is asked for, a line a call.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#define CALL extern "C" __attribute__((visibility("default"))) int

static bool fails(const char *call) {
  const char *asked = getenv("FAILS");
  return asked && !strcmp(asked, call);
}

CALL cuGetErrorString(int code, const char **to) { return *to = code == 2 ? "out of memory" : nullptr, 0; }
CALL cuStreamGetCtx(void *stream, void **to) { return *to = (char *)stream + 1, 0; }
CALL cuCtxPushCurrent_v2(void *context) { return printf("push %zu\n", (size_t)context), 0; }
CALL cuCtxPopCurrent_v2(void **) { return printf("pop\n"), 0; }
CALL cuModuleLoadData(void **to, const void *binary) {
  printf("load %s\n", (const char *)binary);
  return *to = (void *)binary, fails("load") ? 2 : 0;
}
CALL cuModuleGetFunction(void **to, void *module, const char *name) {
  printf("find %s in %s\n", name, (const char *)module);
  return *to = strdup(name), fails("find") ? 500 : 0;
}
CALL cuFuncSetAttribute(void *, int attribute, int value) { return printf("attribute %d = %d\n", attribute, value), 0; }
CALL cuOccupancyMaxActiveBlocksPerMultiprocessor(int *to, void *, int threads, size_t shared) {
  return *to = fails("room") ? 0 : threads > 512 ? 1 : 2, 0;
}
CALL cuCtxGetDevice(int *to) { return *to = 7, 0; }
CALL cuDeviceGetAttribute(int *to, int attribute, int device) { return *to = attribute == 16 && device == 7 ? 13 : 0, 0; }

struct Attribute {
  int id;
  char padding[4];
  unsigned int value[16];
};
struct Config {
  unsigned int grid[3], block[3], shared;
  void *stream;
  const Attribute *attributes;
  unsigned int count;
};
CALL cuLaunchKernelEx(const Config *config, void *function, void **arguments, void **) {
  printf("launch %s, %ux%ux%u blocks of %ux%ux%u threads, %u bytes, stream %zu, first argument %d\n",
         (const char *)function, config->grid[0], config->grid[1], config->grid[2], config->block[0], config->block[1],
         config->block[2], config->shared, (size_t)config->stream, *(int *)arguments[0]);
  for (unsigned int k = 0; k < config->count; k++)
    printf("with %d: %u %u %u\n", config->attributes[k].id, config->attributes[k].value[0],
           config->attributes[k].value[1], config->attributes[k].value[2]);
  return fails("launch") ? 2 : 0;
}
