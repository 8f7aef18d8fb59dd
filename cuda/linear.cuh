/* linear.cuh - the matrix products.
 *
 *   forward    y = x w^T + b
 *   backward   dx += dy w      dw += dy^T x      db += sum_n dy[n]
 *
 * cuBLASLt computes them, in true fp32 for float and with float sums for bf16 (matmul.cu).  Where it has no
 * algorithm (arrays at odd addresses, sizes it does not take), product_kernel does it, one thread a result. */
#include <type_traits>

#include "pattern.cuh"
#include "matmul.h"

template <class T> constexpr swax_type type_of = sizeof(T) == 8 ? SWAX_TYPE_F64 : sizeof(T) == 4 ? SWAX_TYPE_F32 : SWAX_TYPE_BF16;

/* Element (r, c) is at[r*down + c*across]; one of the two steps is 1. */
struct matrix { const real *at; size_t down, across; };

enum { SIDE = 16 };

/* z (R,C) = or += a (R,M) b (M,C) */
template <class Z> static __global__ void product_kernel(Z *z, matrix a, matrix b, size_t R, size_t C, size_t M, int add)
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

template <class Y> static void times_transposed(const char *kernel, Y *y, const real *x, const real *w, size_t N, size_t O, size_t I, int add)
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

/* Few outputs, the gates': a tensor core would be idle, and the rows of x are read as they are.
 *     dx[n,i] += sum_o dy[n,o] w[o,i]      f of column_sum: dw[o,i] += sum_n dy[n,o] x[n,i] */
enum { FEW = 8 };

template <int P> static __global__ void few_kernel(real *dx, const stat *dy, const real *w, size_t N, int O, size_t I)
{
    const size_t at = P * ((size_t)blockIdx.x * blockDim.x + threadIdx.x), n = at / I, i = at % I;
    if (n >= N)
        return;
    stat sum[P] = {};
    for (int o = 0; o < O; o++) {
        const stat d = dy[n*O + o];
        stat wo[P];
        load(wo, w + o*I + i);
        for (int p = 0; p < P; p++)
            sum[p] += d * wo[p];
    }
    store<true>(dx + at, sum);
}

struct outer {
    const stat *dy;
    const real *x;
    int O;
    size_t I;
    template <int P> __device__ void at(stat (&s)[P], size_t n, size_t j) const
    {
        const unsigned o = (unsigned)j / (unsigned)I;     /* P divides I, or is 1 */
        const stat d = dy[n*O + o];
        load(s, x + n*I + (j - o * I));
        for (int p = 0; p < P; p++)
            s[p] *= d;
    }
};

static void few_backward(real *dx, stat *dw, const stat *dy, const real *x, const real *w, size_t N, int O, size_t I)
{
    const bool wide = aligned16(x, w, 0) && aligned16(dx, dx, 0) && I % 8 == 0;
    if (wide)
        few_kernel<8><<<blocks(N * I, 8 * 256), 256>>>(dx, dy, w, N, O, I);
    else
        few_kernel<1><<<blocks(N * I, 256), 256>>>(dx, dy, w, N, O, I);
    column_sum("readout_backward", dw, N, O * I, wide, outer{ dy, x, O, I });
}

static void linear_backward(real *dx, stat *dw, stat *db, const real *dy, const real *x, const real *w, int N, int O, int I)
{
    product("linear_backward", dx, matrix{ dy, (size_t)O, 1 }, matrix{ w, (size_t)I, 1 }, N, I, O, 1);
    product("linear_backward", dw, matrix{ dy, 1, (size_t)O }, matrix{ x, (size_t)I, 1 }, O, I, N, 1);
    bias_backward("linear_backward", db, dy, N, O);
}

/* high + low = dy to 16 bits, each of them a bf16 */
static __global__ void split_kernel(real *high, real *low, const stat *dy, size_t n)
{
    const size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n)
        return;
    high[i] = as<real>(dy[i]);
    low[i] = as<real>(dy[i] - value(high[i]));
}

/* In bf16, dy is float and x and w are not: dy goes in as a sum of two bf16.  dx, itself a bf16, needs only the
 * higher; dw takes both in one product, of [high; low]^T and [x; x]. */
static void readout_backward(real *dx, stat *dw, stat *db, const stat *dy, const real *x, const real *w, int N, int O, int I)
{
    if (O <= FEW) {
        few_backward(dx, dw, dy, x, w, N, O, I);
        bias_backward("readout_backward", db, dy, N, O);
    } else if constexpr (std::is_same_v<real, stat>) {
        linear_backward(dx, dw, db, (const real *)dy, x, w, N, O, I);
    } else {
        const size_t o = O, i = I, rows = rows_at_once(N, 2 * (o + i) * sizeof(real));
        real *both = (real *)scratch(2 * rows * (o + i) * sizeof(real)), *xx = both + 2 * rows * o;
        for (size_t n = 0; n < (size_t)N && both; n += rows) {
            const size_t R = n + rows < (size_t)N ? rows : N - n;
            split_kernel<<<blocks(R * o, 256), 256>>>(both, both + R * o, dy + n*o, R * o);
            for (int half = 0; half < 2; half++)
                swax_cuda_note(cudaMemcpyAsync(xx + half * R * i, x + n*i, R * i * sizeof *xx, cudaMemcpyDeviceToDevice), "readout_backward");
            product("readout_backward", dx + n*i, matrix{ both, o, 1 }, matrix{ w, i, 1 }, R, i, o, 1);
            product("readout_backward", dw, matrix{ both, 1, o }, matrix{ xx, i, 1 }, o, i, 2 * R, 1);
        }
        bias_backward("readout_backward", db, dy, N, O);
    }
}
