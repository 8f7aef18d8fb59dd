/* linear.cuh - the matrix products.
 *
 *   forward    y = x w^T + b
 *   backward   dx += dy w      dw += dy^T x      db += sum_n dy[n]
 *
 * cuBLASLt computes them, in true fp32 for float and with float sums for bf16 (matmul.cu).  Where it has no
 * algorithm (arrays at odd addresses, sizes it does not take), product_kernel does it, one thread a result. */
#include <type_traits>

#include "cuda/pattern.cuh"
#include "cuda/matmul.h"

template <class T> constexpr swax_type type_of =
    sizeof(T) == 8 ? SWAX_TYPE_F64 : sizeof(T) == 4 ? SWAX_TYPE_F32 : SWAX_TYPE_BF16;

/* Element (r, c) is at[r*down + c*across]; one of the two steps is 1. */
struct matrix { const real *at; size_t down, across; };

enum { SIDE = 16 };

/* z (R,C) = or += a (R,M) b (M,C) */
template <class Z>
static __global__ void product_kernel(Z *z, matrix a, matrix b, size_t R, size_t C, size_t M, int add)
{
    __shared__ stat at[SIDE][SIDE + 1], bt[SIDE][SIDE + 1];
    const size_t c = (size_t)blockIdx.x * SIDE + threadIdx.x;
    for (size_t r0 = (size_t)blockIdx.y * SIDE; r0 < R; r0 += (size_t)gridDim.y * SIDE) {
        const size_t r = r0 + threadIdx.y;
        stat sum = 0;
        for (size_t m0 = 0; m0 < M; m0 += SIDE) {
            const size_t ma = m0 + threadIdx.x, mb = m0 + threadIdx.y;
            at[threadIdx.y][threadIdx.x] = r < R && ma < M ? value(a.at[r*a.down + ma*a.across]) : 0;
            bt[threadIdx.y][threadIdx.x] = c < C && mb < M ? value(b.at[mb*b.down + c*b.across]) : 0;
            __syncthreads();
            for (int i = 0; i < SIDE; i++)
                sum += at[threadIdx.y][i] * bt[i][threadIdx.x];
            __syncthreads();
        }
        if (r < R && c < C)
            z[r*C + c] = as<Z>(add ? value(z[r*C + c]) + sum : sum);
    }
}

/* Stored column by column, the rows are columns: z' = b' a'. */
template <class Z>
static void product(const char *kernel, Z *z, matrix a, matrix b, size_t R, size_t C, size_t M, int add)
{
    const int ta = b.across != 1, tb = a.across != 1;
    const size_t lda = ta ? b.across : b.down, ldb = tb ? a.across : a.down;
    const size_t rows_a = ta ? M : C, rows_b = tb ? R : M;   /* a stride shorter than a column: there is only one */
    const swax_matmul what = {
        type_of<real>, type_of<Z>, (int64_t)C, (int64_t)R, (int64_t)M,
        (int64_t)(lda < rows_a ? rows_a : lda), (int64_t)(ldb < rows_b ? rows_b : ldb), ta, tb, add,
    };
    if (swax_cuda_matmul(&what, z, b.at, a.at))
        return;
    const unsigned down = blocks(R, SIDE);
    product_kernel<<<dim3(blocks(C, SIDE), down < 65535 ? down : 65535), dim3(SIDE, SIDE)>>>(z, a, b, R, C, M, add);
    launched(kernel);
}

static __global__ void spread_kernel(stat *y, const stat *b, size_t N, int O)
{
    const size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < N * O)
        y[i] = b[i % O];
}

template <class Y>
static void times_transposed(const char *kernel, Y *y, const real *x, const real *w, size_t N, size_t O, size_t I,
                             int add)
{
    product(kernel, y, matrix{ x, I, 1 }, matrix{ w, 1, I }, N, O, I, add);
}

static void readout_forward(stat *y, const real *x, const real *w, const stat *b, int N, int O, int I)
{
    if (b)
        spread_kernel<<<blocks((size_t)N * O, 256), 256>>>(y, b, N, O);
    times_transposed("readout_forward", y, x, w, N, O, I, b != nullptr);
}

/* So many rows of a product go through the workspace at once, behind cuBLASLt's part, at `bytes` a row. */
static size_t rows_at_once(size_t N, size_t bytes)
{
    const size_t fit = ((size_t)320 << 20) / bytes;
    return fit == 0 ? 1 : fit < N ? fit : N;
}

static stat *scratch(size_t bytes)
{
    char *p = (char *)swax_cuda_workspace(SWAX_MATMUL_WORKSPACE + bytes);
    return p ? (stat *)(p + SWAX_MATMUL_WORKSPACE) : nullptr;
}

static void cast(real *y, const stat *x, int N);

/* With a bias, y is rounded once, after it has been added: bf16 goes through float, some rows at a time. */
static void linear_forward(real *y, const real *x, const real *w, const stat *b, int N, int O, int I)
{
    if constexpr (std::is_same_v<real, stat>) {
        readout_forward((stat *)y, x, w, b, N, O, I);
    } else if (!b) {
        times_transposed("linear_forward", y, x, w, N, O, I, 0);
    } else {
        const size_t rows = rows_at_once(N, O * sizeof(stat));
        stat *part = scratch(rows * O * sizeof *part);
        for (size_t n = 0; n < (size_t)N && part; n += rows) {
            const size_t R = n + rows < (size_t)N ? rows : N - n;
            readout_forward(part, x + n*I, w, b, (int)R, O, I);
            cast(y + n*O, part, (int)(R * O));
        }
    }
}

/* f of column_sum: dy itself */
template <class DY> struct itself {
    const DY *dy;
    size_t O;
    template <int P> __device__ void at(stat (&x)[P], size_t n, size_t o) const { load(x, dy + n*O + o); }
};

template <class DY> static void bias_backward(const char *kernel, stat *db, const DY *dy, size_t N, size_t O)
{
    if (db)
        column_sum(kernel, db, N, O, aligned16(dy, dy, 0), itself<DY>{ dy, O });
}

/* Few outputs, the gates': a tensor core would be idle, and the rows of x are read once, by PIECEs of 16 bytes. */
enum { FEW = 8, PIECE = 16 / sizeof(real) };

/* dx[n,i] += sum_o dy[n,o] w[o,i] and, for each piece of `rows` rows, in part: sum_n dy[n,o] x[n,i], then sum_n
 * dy[n,o].  A thread takes P columns and every blockDim.y-th row. */
template <int P, int M>
static __global__ void __launch_bounds__(TEAM_THREADS)
    few_backward_kernel(real *dx, stat *part, const stat *dy, const real *x, const real *w, size_t N, int O, size_t I,
                        size_t rows)
{
    __shared__ stat all[TEAM_THREADS][P], all_d[TEAM_THREADS];
    const size_t i = P * ((size_t)blockIdx.x * blockDim.x + threadIdx.x), first = blockIdx.y * rows;
    const size_t last = first + rows < N ? first + rows : N;
    stat wo[M][P] = {}, sum[M][P] = {}, d_sum[M] = {};
#pragma unroll
    for (int o = 0; o < M; o++)
        if (o < O && i < I)
            load(wo[o], w + o*I + i);
    for (size_t n = first + threadIdx.y; n < last && i < I; n += blockDim.y) {
        stat xi[P], dxi[P] = {};
        load(xi, x + n*I + i);
#pragma unroll
        for (int o = 0; o < M; o++) {
            const stat d = o < O ? dy[n*O + o] : 0;
            d_sum[o] += d;
            for (int p = 0; p < P; p++) {
                dxi[p] += d * wo[o][p];
                sum[o][p] += d * xi[p];
            }
        }
        store<true>(dx + n*I + i, dxi);
    }
    part += blockIdx.y * (O*I + O);
#pragma unroll
    for (int o = 0; o < M; o++) {
        if (o >= O)
            break;
        const int at = threadIdx.y * blockDim.x + threadIdx.x;
        for (int p = 0; p < P; p++)
            all[at][p] = sum[o][p];
        all_d[at] = d_sum[o];
        __syncthreads();
        for (int y = 1; y < (int)blockDim.y && threadIdx.y == 0; y++) {
            for (int p = 0; p < P; p++)
                sum[o][p] += all[at + y * blockDim.x][p];
            d_sum[o] += all_d[at + y * blockDim.x];
        }
        for (int p = 0; p < P && threadIdx.y == 0 && i < I; p++)
            part[o*I + i + p] = sum[o][p];
        if (threadIdx.y == 0 && i == 0)
            part[O*I + o] = d_sum[o];
        __syncthreads();
    }
}

template <int P>
static void few_backward(real *dx, stat *dw, stat *db, const stat *dy, const real *x, const real *w, size_t N, int O,
                         size_t I)
{
    const team across = team_for<P>(I);
    const dim3 threads(across.lanes, TEAM_THREADS / across.lanes);
    const unsigned columns = blocks(I, across.lanes * P), most = columns < 256 ? 256 / columns : 1;
    const unsigned pieces = blocks(N, 64) < most ? blocks(N, 64) : most;
    const size_t OI = O * I, step = OI + O;
    stat *part = (stat *)swax_cuda_workspace(pieces * step * sizeof *part);
    if (!part)
        return;
    const auto kernel = O <= FEW / 2 ? few_backward_kernel<P, FEW / 2> : few_backward_kernel<P, FEW>;
    kernel<<<dim3(columns, pieces), threads>>>(dx, part, dy, x, w, N, O, I, blocks(N, pieces));
    sum_pieces(dw, part, pieces, OI, step);
    if (db)
        sum_pieces(db, part + OI, pieces, O, step);
    launched("readout_backward");
}

static void linear_backward(real *dx, stat *dw, stat *db, const real *dy, const real *x, const real *w, int N, int O,
                            int I)
{
    product("linear_backward", dw, matrix{ dy, 1, (size_t)O }, matrix{ x, (size_t)I, 1 }, O, I, N, 1);
    product("linear_backward", dx, matrix{ dy, (size_t)O, 1 }, matrix{ w, (size_t)I, 1 }, N, I, O, 1);
    bias_backward("linear_backward", db, dy, N, O);
}

/* In bf16, dy is float and x and w are not: dy goes in as a sum of two bf16.  dx, itself a bf16, needs only the
 * higher; dw takes both in one product, of [high; low]^T and [x; x]. */
static void readout_backward(real *dx, stat *dw, stat *db, const stat *dy, const real *x, const real *w, int N, int O,
                             int I)
{
    if (O <= FEW) {
        if (aligned16(x, w, 0) && aligned16(dx, dx, 0) && I % PIECE == 0)
            few_backward<PIECE>(dx, dw, db, dy, x, w, N, O, I);
        else
            few_backward<1>(dx, dw, db, dy, x, w, N, O, I);
    } else if constexpr (std::is_same_v<real, stat>) {
        linear_backward(dx, dw, db, (const real *)dy, x, w, N, O, I);
    } else {
        const size_t o = O, i = I, rows = rows_at_once(N, 2 * (o + i) * sizeof(real));
        real *both = (real *)scratch(2 * rows * (o + i) * sizeof(real)), *xx = both + 2 * rows * o;
        for (size_t n = 0; n < (size_t)N && both; n += rows) {
            const size_t R = n + rows < (size_t)N ? rows : N - n;
            map<false>("readout_backward", outputs<real>{ both, both + R * o }, (int)(R * o),
                [] __device__ (stat &high, stat &low, stat d) { high = value(as<real>(d)), low = d - high; }, dy + n*o);
            for (int half = 0; half < 2; half++)
                swax_cuda_note(cudaMemcpyAsync(xx + half * R * i, x + n*i, R * i * sizeof *xx,
                                               cudaMemcpyDeviceToDevice), "readout_backward");
            product("readout_backward", dx + n*i, matrix{ both, o, 1 }, matrix{ w, i, 1 }, R, i, o, 1);
            product("readout_backward", dw, matrix{ both, 1, o }, matrix{ xx, i, 1 }, o, i, 2 * R, 1);
        }
        bias_backward("readout_backward", db, dy, N, O);
    }
}
