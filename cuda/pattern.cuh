/* pattern.cuh - shapes of computation that most kernels have: element by element, along a row, and sums over rows. */
#ifndef SWAX_CUDA_PATTERN_CUH
#define SWAX_CUDA_PATTERN_CUH

#include "cuda/common.cuh"

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
    const size_t n = P * ((size_t)block_from_end() * blockDim.x + threadIdx.x);
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

static inline bool aligned16(const void *a, const void *b, size_t row)
{
    return ((uintptr_t)a | (uintptr_t)b | row) % 16 == 0;
}

/* A row is taken by as many lanes as it has pieces of P elements, up to a warp: which row, and which piece of it, this
 * thread has. */
struct team {
    int lanes;

    __device__ size_t row() const { return ((size_t)block_from_end() * blockDim.x + threadIdx.x) / lanes; }
    __device__ int lane() const { return threadIdx.x % lanes; }
    __device__ stat sum(stat x) const
    {
        for (int l = lanes / 2; l; l /= 2)
            x += __shfl_xor_sync(~0u, x, l);
        return x;
    }
};

enum { TEAM_THREADS = 256 };

template <int P> static team team_for(size_t row)
{
    int lanes = 1;
    while (lanes < 32 && (size_t)lanes * P < row)
        lanes *= 2;
    return { lanes };
}

/* out[j] = or += the sum over the rows n of a piece of f(n, j).  A thread takes P columns and every blockDim.y-th row;
 * blockDim.y is a power of 2. */
template <int P, int THREADS, class F>
static __global__ void __launch_bounds__(THREADS)
    column_sum_kernel(stat *out, size_t N, size_t C, size_t rows, int add, F f)
{
    __shared__ stat part[THREADS][P];
    const size_t j = P * ((size_t)blockIdx.x * blockDim.x + threadIdx.x), first = blockIdx.y * rows;
    const size_t last = first + rows < N ? first + rows : N;
    stat sum[P] = {};
    if (j < C)
        #pragma unroll 4
        for (size_t n = first + threadIdx.y; n < last; n += blockDim.y) {
            stat x[P];
            f.at(x, n, j);
            for (int i = 0; i < P; i++)
                sum[i] += x[i];
        }
    const int at = threadIdx.y * blockDim.x + threadIdx.x;
    for (int i = 0; i < P; i++)
        part[at][i] = sum[i];
    for (unsigned half = blockDim.y / 2; half; half /= 2) {
        __syncthreads();
        for (int i = 0; i < P && threadIdx.y < half; i++)
            part[at][i] += part[at + half * blockDim.x][i];
    }
    if (threadIdx.y || j >= C)
        return;
    out += blockIdx.y * C + j;
    for (int i = 0; i < P; i++)
        out[i] = add ? out[i] + part[at][i] : part[at][i];
}

/* What has been summed over pieces of rows, as f. */
struct pieces_of {
    const stat *part;
    size_t step;
    template <int P> __device__ void at(stat (&x)[P], size_t n, size_t j) const { load(x, part + n*step + j); }
};

/* out[j] += sum_n part[n step + j] for C columns: the fewer, the more rows at once */
static void sum_pieces(stat *out, const stat *part, unsigned pieces, size_t C, size_t step)
{
    const dim3 threads = C < 8192 ? dim3(16, 64) : dim3(32, 8);
    column_sum_kernel<1, 1024><<<blocks(C, threads.x), threads>>>(out, pieces, C, pieces, 1, pieces_of{ part, step });
}

template <int P, class F> static void column_sum_by(stat *dw, size_t N, size_t C, F f)
{
    unsigned x = 32;
    while (x > 1 && x / 2 * P >= C)
        x /= 2;
    const dim3 threads(x, 256 / x);
    const unsigned across = blocks(C, x * P), most = across < 512 ? 512 / across : 1;
    const unsigned pieces = blocks(N, 64) < most ? blocks(N, 64) : most;
    const size_t rows = blocks(N, pieces);
    if (pieces == 1) {
        column_sum_kernel<P, 256><<<across, threads>>>(dw, N, C, rows, 1, f);
        return;
    }
    stat *part = (stat *)swax_cuda_workspace(pieces * C * sizeof *part);
    if (!part)
        return;
    column_sum_kernel<P, 256><<<dim3(across, pieces), threads>>>(part, N, C, rows, 0, f);
    sum_pieces(dw, part, pieces, C, C);
}

/* dw[j] += sum_n f(n, j), for N rows and C columns: in pieces of rows, then over the pieces.  f.at(x, n, j) gives P
 * neighbours at a time, of arrays that are aligned for it if `wide`. */
template <class F> static void column_sum(const char *kernel, stat *dw, size_t N, size_t C, bool wide, F f)
{
    if (wide && C % 8 == 0)
        column_sum_by<8>(dw, N, C, f);
    else
        column_sum_by<1>(dw, N, C, f);
    launched(kernel);
}

#endif
