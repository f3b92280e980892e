// What the kernels ask of the machine that runs them: threads of a block, blocks of a team, and how they wait for each
// other. This is a GPU's; tests/emulation has one of the same names for a CPU, under which the same kernels are tested.
#ifndef MACHINE
#define MACHINE

#define KERNEL(threads) extern "C" __global__ __launch_bounds__(threads, 1)
#define DEVICE static __device__ __forceinline__
#define METHOD __device__ __forceinline__

DEVICE int thread() { return (int)threadIdx.x; }
DEVICE int block() { return (int)blockIdx.x; }
DEVICE int blocks() { return (int)gridDim.x; }
DEVICE char *shared_memory() {
  extern __shared__ float4 all_of_it[];
  return reinterpret_cast<char *>(all_of_it);
}

// All threads of the block are here, and see what the others have written.
DEVICE void barrier() { __syncthreads(); }

// All threads of a team of blocks are here, and see what the others have written by `publish`. `arrivals` counts blocks
// that have come to this team's barriers since the launch, `expected` of them by now; a cluster has a barrier of its own.
DEVICE void team_barrier(unsigned int *arrivals, unsigned int &expected) {
#if SHAPE_BLOCKS == 1
  barrier();
#elif SHAPE_CLUSTER
  asm volatile("barrier.cluster.arrive.release;\n\tbarrier.cluster.wait.acquire;" ::: "memory");
#else
  expected += SHAPE_BLOCKS;
  barrier();
  if (thread() == 0) {
    unsigned int seen;
    __threadfence();
    atomicAdd(arrivals, 1u);
    do {
      asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(seen) : "l"(arrivals) : "memory");
    } while (seen < expected);
    __threadfence();
  }
  barrier();
#endif
}
DEVICE void publish(float *to, float x) { __stcg(to, x); }  // past the caches that blocks have to themselves
DEVICE float published(const float *from) { return __ldcg(from); }

// Puts together, by `join` of two, what the threads of a warp have whose numbers agree modulo `apart`, a power of two: pairs
// first that are 16 apart, then 8, down to `apart`. All threads of a warp call this together, and have the same of it.
template <typename T, typename J>
DEVICE T joined(T x, int apart, J join) {
#pragma unroll
  for (int mask = 16; mask >= apart; mask /= 2) x = join(x, __shfl_xor_sync(~0u, x, mask));
  return x;
}
DEVICE unsigned int ballot(bool x) { return __ballot_sync(~0u, x); }

DEVICE void set_bits(unsigned int *in, unsigned int bits) { atomicOr(in, bits); }
DEVICE void raise(int *most, int x) { atomicMax(most, x); }
DEVICE int count_bits(unsigned int x) { return __popc(x); }

// What no one writes while the kernel runs.
template <typename T>
DEVICE T fixed(const T *from) {
  return __ldg(from);
}

DEVICE float infinity() { return __int_as_float(0x7f800000); }
DEVICE float not_a_number() { return __int_as_float(0x7fc00000); }

DEVICE float quick_root(float x) {
  float out;
  asm("sqrt.approx.ftz.f32 %0, %1;" : "=f"(out) : "f"(x));  // to an ulp
  return out;
}
DEVICE float quick_quotient(float x, float y) { return __fdividef(x, y); }  // to two ulps

#endif
