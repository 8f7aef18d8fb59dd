/* pattern.cuh - two shapes of computation that most kernels have: element by element, and sums over rows. */
#ifndef SWAX_CUDA_PATTERN_CUH
#define SWAX_CUDA_PATTERN_CUH

#include "common.cuh"

/* P neighbours, moved in pieces of up to 16 bytes. */
template <class T, int P> struct alignas(P * sizeof(T) < 16 ? P * sizeof(T) : 16) pack { T x[P]; };

template <int P, class T> static __device__ void load(stat (&to)[P], const T *from)
{
    const pack<T, P> p = *(const pack<T, P> *)from;
    for (int i = 0; i < P; i++)
        to[i] = value(p.x[i]);
}

template <bool ADD, int P, class T> static __device__ void store(T *to, const stat (&from)[P])
{
    pack<T, P> p;
    stat old[P] = {};
    if constexpr (ADD)
        load(old, to);
    for (int i = 0; i < P; i++)
        p.x[i] = as<T>(ADD ? old[i] + from[i] : from[i]);
    *(pack<T, P> *)to = p;
}

/* The inputs of a map are X..., its outputs one or two arrays of Y. */
template <class Y> struct outputs { Y *a, *b; };

template <int P, bool ADD, class Y, class F, size_t... k, class... X>
static __device__ void map_pack(size_t n, outputs<Y> y, F f, std::index_sequence<k...>, const X *...x)
{
    stat in[sizeof...(X)][P], a[P], b[P];
    (load(in[k], x + n), ...);
    for (int i = 0; i < P; i++)
        f(a[i], b[i], in[k][i]...);
    store<ADD>(y.a + n, a);
    if (y.b)
        store<ADD>(y.b + n, b);
}

template <int P, bool ADD, class Y, class F, class... X>
static __global__ void map_kernel(outputs<Y> y, size_t N, F f, const X *...x)
{
    const size_t n = P * ((size_t)blockIdx.x * blockDim.x + threadIdx.x);
    constexpr auto k = std::index_sequence_for<X...>{};
    if (n + P <= N)
        map_pack<P, ADD>(n, y, f, k, x...);
    else
        for (size_t i = n; i < N; i++)
            map_pack<1, ADD>(i, y, f, k, x...);
}

/* f(a, b, x...) for N elements, each of a and b then written to, or with ADD added to, y.a and y.b (may be NULL). */
template <bool ADD, class Y, class F, class... X>
static void map(const char *kernel, outputs<Y> y, int N, F f, const X *...x)
{
    const uintptr_t misaligned = (((uintptr_t)y.a | (uintptr_t)y.b) | ... | (uintptr_t)x) % 16;
    if (misaligned)
        map_kernel<1, ADD><<<blocks(N, 256), 256>>>(y, N, f, x...);
    else
        map_kernel<8, ADD><<<blocks(N, 8 * 256), 256>>>(y, N, f, x...);
    launched(kernel);
}

/* out[j] = or += the sum over the rows n of a piece of f(n, j). */
template <class F>
static __global__ void column_sum_kernel(stat *out, size_t N, int C, size_t rows, int add, F f)
{
    __shared__ stat part[16][32];
    const size_t j = (size_t)blockIdx.x * 32 + threadIdx.x, first = blockIdx.y * rows;
    stat sum = 0;
    if (j < (size_t)C)
        for (size_t n = first + threadIdx.y; n < first + rows && n < N; n += 16)
            sum += f(n, j);
    part[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y || j >= (size_t)C)
        return;
    for (int i = 1; i < 16; i++)
        sum += part[i][threadIdx.x];
    out += blockIdx.y * (size_t)C + j;
    *out = add ? *out + sum : sum;
}

/* dw[j] += sum_n f(n, j), for N rows and C columns: in pieces of rows, then over the pieces. */
template <class F> static void column_sum(const char *kernel, stat *dw, int N, int C, F f)
{
    const dim3 threads(32, 16);
    const unsigned across = blocks(C, 32), most = across < 1024 ? 1024 / across : 1;
    const unsigned pieces = blocks(N, 128) < most ? blocks(N, 128) : most;
    const size_t rows = blocks(N, pieces);
    if (pieces == 1) {
        column_sum_kernel<<<across, threads>>>(dw, N, C, rows, 1, f);
    } else {
        stat *part = (stat *)swax_cuda_workspace((size_t)pieces * C * sizeof *part);
        if (!part)
            return;
        column_sum_kernel<<<dim3(across, pieces), threads>>>(part, N, C, rows, 0, f);
        column_sum_kernel<<<across, threads>>>(dw, pieces, C, pieces, 1,
            [=] __device__ (size_t p, size_t j) { return part[p * C + j]; });
    }
    launched(kernel);
}

#endif
