/* cuda.cu - the tier: is there a card, its memory, and what to say when something goes wrong. */
#include <cstdio>
#include <cstdlib>

#include "cuda/common.cuh"

extern "C" {
#include "ref/tier.h"
extern const struct swax_tier swax_cuda_tier;
extern const struct swax_kernels_f32 swax_cuda_f32;
extern const struct swax_kernels_f64 swax_cuda_f64;
extern const struct swax_kernels_bf16 swax_cuda_bf16;
}

static char trouble_text[320];

void swax_cuda_note(cudaError_t error, const char *doing)
{
    if (error != cudaSuccess && !trouble_text[0])
        snprintf(trouble_text, sizeof trouble_text, "the CUDA device failed in %s: %s", doing,
                 cudaGetErrorString(error));
}

static void note_memory(size_t bytes)
{
    size_t left = 0, all = 0;
    cudaMemGetInfo(&left, &all);
    if (!trouble_text[0])
        snprintf(trouble_text, sizeof trouble_text,
                 "the CUDA device has %zu bytes of memory left of %zu, and %zu more are needed: "
                 "lower the sequences per batch, the sequence length or the width", left, all, bytes);
}

static void *take(size_t bytes)
{
    void *p = nullptr;
    const cudaError_t error = cudaMalloc(&p, bytes ? bytes : 1);
    if (error == cudaSuccess)
        return p;
    cudaGetLastError();   /* not sticky: later launches must not report it again */
    if (error == cudaErrorMemoryAllocation)
        note_memory(bytes);
    else
        swax_cuda_note(error, "taking memory");
    return nullptr;
}

static void give(void *p)
{
    swax_cuda_note(cudaFree(p), "giving memory back");
}

/* What malloc gave has been read when this returns, and kernels that are under way go on. */
static void put(void *to, const void *from, size_t bytes)
{
    swax_cuda_note(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice), "copying to the device");
}

static void get(void *to, const void *from, size_t bytes)
{
    swax_cuda_note(cudaMemcpy(to, from, bytes, cudaMemcpyDeviceToHost), "the kernels, or copying from the device");
}

static void zero(void *p, size_t bytes)
{
    swax_cuda_note(cudaMemsetAsync(p, 0, bytes), "zeroing memory");
}

static const char *trouble(void)
{
    static char told[sizeof trouble_text];
    swax_cuda_note(cudaDeviceSynchronize(), "the kernels");
    memcpy(told, trouble_text, sizeof told);
    trouble_text[0] = '\0';
    return told[0] ? told : nullptr;
}

static const char *where()
{
    static char text[320];
    cudaDeviceProp p;
    const cudaError_t error = cudaGetDeviceProperties(&p, 0);
    swax_cuda_note(error, "asking for the device's name");
    if (error == cudaSuccess)
        snprintf(text, sizeof text, "%.255s, %.1f GB, compute capability %d.%d", p.name, (double)p.totalGlobalMem / 1e9,
                 p.major, p.minor);
    return text;
}

static void *workspace;

void *swax_cuda_workspace(size_t bytes)
{
    static size_t has;
    if (bytes > has) {
        give(workspace);   /* waits for the kernels that use it */
        has = bytes > (size_t)64 << 20 ? bytes : (size_t)64 << 20;
        workspace = take(has);
        has = workspace ? has : 0;
    }
    return workspace;
}

/* What is remembered of a sequence of kernels: a graph of it, once it has run as it is and its kernels have found what
 * they look for and take only once. */
struct sequence { cudaGraphExec_t graph; void *workspace; int runs; };

static void forget(void *kept)
{
    sequence *s = (sequence *)kept;
    if (s->graph)
        swax_cuda_note(cudaGraphExecDestroy(s->graph), "forgetting a sequence of kernels");
    free(s);
}

static cudaGraphExec_t record(void (*f)(void *arg), void *arg)
{
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t ready = nullptr;
    if (cudaStreamBeginCapture(cudaStreamPerThread, cudaStreamCaptureModeThreadLocal) != cudaSuccess)
        return nullptr;
    f(arg);
    if (cudaStreamEndCapture(cudaStreamPerThread, &graph) != cudaSuccess
        || cudaGraphInstantiate(&ready, graph, 0) != cudaSuccess)
        ready = nullptr;
    if (graph)
        cudaGraphDestroy(graph);
    return ready;
}

/* The graph is only good for the workspace that it was recorded with.  Where it cannot be, kernels start one by one. */
static void again(void **kept, void (*f)(void *arg), void *arg)
{
    sequence *s = (sequence *)(*kept ? *kept : (*kept = calloc(1, sizeof *s)));
    if (s && s->graph && s->workspace != workspace) {
        cudaGraphExecDestroy(s->graph);
        *s = sequence{};
    }
    if (s && s->runs++ == 1 && !trouble_text[0]) {
        s->graph = record(f, arg);
        s->workspace = workspace;
        if (!s->graph) {
            cudaGetLastError();
            trouble_text[0] = 0;
        }
    }
    if (s && s->graph)
        swax_cuda_note(cudaGraphLaunch(s->graph, cudaStreamPerThread), "the kernels of a training step");
    else
        f(arg);
}

/* Under the multi-process service of the driver; without, processes take turns. */
static int shared(void)
{
    const cudaDeviceAttr mps_enabled = (cudaDeviceAttr)133;      /* toolkits before 12.3 have no name for it */
    int yes = 0;
    if (cudaDeviceGetAttribute(&yes, mps_enabled, 0) != cudaSuccess)
        cudaGetLastError(), yes = 0;
    return yes;
}

static int usable(void)
{
    int count = 0, major = 0;
    if (cudaGetDeviceCount(&count) != cudaSuccess || count == 0 ||
        cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0) != cudaSuccess) {
        cudaGetLastError();
        return 0;
    }
    return major >= 8;
}

static const struct swax_memory memory = { take, give, put, get, zero, trouble, where, again, forget, shared };

const struct swax_tier swax_cuda_tier = {
    "cuda", usable, &swax_cuda_f32, &swax_cuda_f64, &swax_cuda_bf16, &memory, nullptr,
};
