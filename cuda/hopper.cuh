/* hopper.cuh - what sm_90a has for kernels whose groups of warps do different things: barriers in shared memory, bulk
 * copies of boxes of an array, registers that go from one group to another.
 *
 * A barrier is at phase 0, 1, 0, ...: a phase ends when as many have arrived as were announced, and the bytes of the
 * copies have too.  Elsewhere all of this is nothing, and kernels that need it are not launched (on_hopper). */
#ifndef SWAX_HOPPER_CUH
#define SWAX_HOPPER_CUH

#include <cuda.h>

#include "cuda/launch.cuh"
#include "cuda/panel.cuh"

#ifdef __CUDA_ARCH_FEAT_SM90_ALL
#define HOPPER(...) asm volatile(__VA_ARGS__)
#else
#define HOPPER(...) (void)0
#endif

typedef uint64_t barrier;

DEVICE void barrier_init(barrier *b, int arrivals)
{
    HOPPER("mbarrier.init.shared::cta.b64 [%0], %1;" :: "r"(shared_address(b)), "r"(arrivals) : "memory");
}
/* After the barriers are begun, before a copy or another thread uses them; then the block's own barrier */
DEVICE void barriers_begun()
{
    HOPPER("fence.mbarrier_init.release.cluster; fence.proxy.async.shared::cta;" ::: "memory");
}
DEVICE void arrive(barrier *b)
{
    HOPPER("mbarrier.arrive.shared::cta.b64 _, [%0];" :: "r"(shared_address(b)) : "memory");
}
/* Arrive, and announce so many bytes of copies */
DEVICE void arrive_with(barrier *b, int bytes)
{
    HOPPER("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" :: "r"(shared_address(b)), "r"(bytes) : "memory");
}
DEVICE void wait_for(barrier *b, int phase)
{
    HOPPER("{ .reg .pred p; again: mbarrier.try_wait.parity.shared::cta.b64 p, [%0], %1; @!p bra again; }"
           :: "r"(shared_address(b)), "r"(phase) : "memory");
}
/* Has that phase ended? */
DEVICE bool passed(barrier *b, int phase)
{
    int r = 1;
    HOPPER("{ .reg .pred p; mbarrier.test_wait.parity.shared::cta.b64 p, [%1], %2; selp.s32 %0, 1, 0, p; }"
           : "=r"(r) : "r"(shared_address(b)), "r"(phase) : "memory");
    return r;
}

/* A group's four warps wait for one another, each group at a barrier of its own, from 1 on. */
DEVICE void together(int barrier) { HOPPER("bar.sync %0, 128;" :: "r"(barrier) : "memory"); }

/* A box of its tokens and 64 columns of one head of (batch, tokens, heads, columns) into a panel; zeros outside */
DEVICE void copy_box(unsigned char *to, const CUtensorMap *of, int column, int head, int token, int batch, barrier *b)
{
    HOPPER("cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes "
           "[%0], [%1, {%2, %3, %4, %5}], [%6];"
           :: "r"(shared_address(to)), "l"(of), "r"(column), "r"(head), "r"(token), "r"(batch),
               "r"(shared_address(b)) : "memory");
}
/* Bytes, a multiple of 16, as are both addresses */
DEVICE void copy_bytes(unsigned char *to, const void *from, int bytes, barrier *b)
{
    HOPPER("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];"
           :: "r"(shared_address(to)), "l"(from), "r"(bytes), "r"(shared_address(b)) : "memory");
}

/* Four 8x8 matrices of bf16, turned, to shared memory; lane l points at row l%8 of matrix l/8 */
DEVICE void stmatrix_t(void *p, const uint32_t (&r)[4])
{
    HOPPER("stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1, %2, %3, %4};"
           :: "r"(shared_address(p)), "r"(r[0]), "r"(r[1]), "r"(r[2]), "r"(r[3]) : "memory");
}

/* The other way: floats that are added to those that are there, or anything in their place.  Until bulk_read the source
 * must not change; after bulk_wait this thread may say that it is done. */
DEVICE void bulk_add(float *to, const unsigned char *from, int bytes)
{
    HOPPER("cp.reduce.async.bulk.global.shared::cta.bulk_group.add.f32 [%0], [%1], %2; cp.async.bulk.commit_group;"
           :: "l"(to), "r"(shared_address(from)), "r"(bytes) : "memory");
}
DEVICE void bulk_store(void *to, const unsigned char *from, int bytes)
{
    HOPPER("cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], %2; cp.async.bulk.commit_group;"
           :: "l"(to), "r"(shared_address(from)), "r"(bytes) : "memory");
}
/* A panel of so many tokens to where copy_box would take it from, but what lies outside; then bulk_commit */
DEVICE void store_box(const CUtensorMap *of, int column, int head, int token, int batch, const unsigned char *from)
{
    HOPPER("cp.async.bulk.tensor.4d.global.shared::cta.bulk_group [%0, {%1, %2, %3, %4}], [%5];"
           :: "l"(of), "r"(column), "r"(head), "r"(token), "r"(batch), "r"(shared_address(from)) : "memory");
}
DEVICE void bulk_commit() { HOPPER("cp.async.bulk.commit_group;" ::: "memory"); }
DEVICE void bulk_read() { HOPPER("cp.async.bulk.wait_group.read 0;" ::: "memory"); }
DEVICE void bulk_wait() { HOPPER("cp.async.bulk.wait_group 0;" ::: "memory"); }
/* What this thread knows to have been written, its bulk copies know. */
DEVICE void bulk_fence() { HOPPER("fence.proxy.async.global;" ::: "memory"); }

/* A box, as copy_box takes it, into the second-level cache */
DEVICE void prefetch_box(const CUtensorMap *of, int column, int head, int token, int batch)
{
    HOPPER("cp.async.bulk.prefetch.tensor.4d.L2.global.tile [%0, {%1, %2, %3, %4}];"
           :: "l"(of), "r"(column), "r"(head), "r"(token), "r"(batch) : "memory");
}

/* A kernel that was launched after another (launch_after) may begin before it is over: what that one wrote is there
 * after `others_done`.  It begins no sooner than all blocks of the other have come to `next_may_begin`, or ended. */
DEVICE void others_done() { HOPPER("griddepcontrol.wait;" ::: "memory"); }
DEVICE void next_may_begin() { HOPPER("griddepcontrol.launch_dependents;"); }

/* By all warps of a group: so many registers a thread from here on */
template <int N> DEVICE void fewer_registers() { HOPPER("setmaxnreg.dec.sync.aligned.u32 %0;" :: "n"(N)); }
template <int N> DEVICE void more_registers() { HOPPER("setmaxnreg.inc.sync.aligned.u32 %0;" :: "n"(N)); }

/* Is the card one, and are these kernels compiled for it?  The code for sm_80 runs there, too, without all of this. */
static __global__ void compiled_like_all() {}
static inline bool on_hopper()
{
    static int major, code;
    cudaFuncAttributes of = {};
    if (!major) {
        swax_cuda_note(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0), "asking what the card is");
        swax_cuda_note(cudaFuncGetAttributes(&of, compiled_like_all), "asking what a kernel was compiled for");
        code = of.ptxVersion;
    }
    return major == 9 && (code < 80 || code >= 90);
}

/* As launch, for a kernel that calls others_done: it gets ready while the one before it comes to its end.  In a graph
 * it is launched as any other. */
template <class... P, class... A>
static void launch_after(const char *name, void (*kernel)(P...), unsigned grid, unsigned threads, size_t shared, A... a)
{
    cudaStreamCaptureStatus recording = cudaStreamCaptureStatusNone;
    swax_cuda_note(cudaStreamIsCapturing(cudaStreamPerThread, &recording), name);
    if (recording != cudaStreamCaptureStatusNone || !on_hopper()) {
        launch(name, kernel, grid, threads, shared, a...);
        return;
    }
    cudaLaunchAttribute early = {};
    early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    early.val.programmaticStreamSerializationAllowed = 1;
    cudaLaunchConfig_t how = {};
    how.gridDim = grid, how.blockDim = threads, how.dynamicSmemBytes = shared, how.attrs = &early, how.numAttrs = 1;
    let_share(name, kernel, shared);
    swax_cuda_note(cudaLaunchKernelEx(&how, kernel, P(a)...), name);
}

/* The driver's function of that name; toolkits before 12.5 ask in another way. */
#if CUDART_VERSION >= 12050
static inline cudaError_t driver_function(const char *name, void **f)
{
    cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSuccess;
    return cudaGetDriverEntryPointByVersion(name, f, 12000, cudaEnableDefault, &found);
}
#else
static inline cudaError_t driver_function(const char *name, void **f)
{
    return cudaGetDriverEntryPoint(name, f, cudaEnableDefault);
}
#endif

/* What copy_box takes its boxes from, of so many tokens: x (B,T,H,width), aligned to 16 bytes, width a multiple of 8.
 * False, noted, if the driver refuses. */
static inline bool boxes_of(CUtensorMap *to, const void *x, int B, int T, int H, int width, int tokens = 64)
{
    static void *encode;
    if (!encode)
        swax_cuda_note(driver_function("cuTensorMapEncodeTiled", &encode), "looking for the driver's tensor maps");
    if (!encode)
        return false;
    const cuuint64_t row = 2 * (cuuint64_t)width,
        size[] = { (cuuint64_t)width, (cuuint64_t)H, (cuuint64_t)T, (cuuint64_t)B },
        step[] = { row, H * row, T * (H * row) };
    const cuuint32_t box[] = { 64, 1, (cuuint32_t)tokens, 1 }, each[] = { 1, 1, 1, 1 };
    const CUresult said = ((decltype(&cuTensorMapEncodeTiled))encode)(
        to, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 4, (void *)x, size, step, box, each, CU_TENSOR_MAP_INTERLEAVE_NONE,
        CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
    if (said != CUDA_SUCCESS)
        swax_cuda_note(cudaErrorInvalidValue, "describing an array for bulk copies");
    return said == CUDA_SUCCESS;
}

#endif
