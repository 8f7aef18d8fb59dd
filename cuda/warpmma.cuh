/* warpmma.cuh - products of tiles by mma.sync, warp by warp: sm_80 and up.  wgmma.cuh has the same functions.
 *
 * Four warps (a group) share 64 rows; each holds 16 of them, all columns, in float: element e of d[j] is row
 * lane/4 + 8 (e/2), column 8j + 2 (lane%4) + e%2.  All functions add to d; N is the number of columns. */
#ifndef SWAX_WARPMMA_CUH
#define SWAX_WARPMMA_CUH

DEVICE void mm_begin() {}
DEVICE void mm_end() {}
template <int N = 0> DEVICE void mm_wait() {}
DEVICE void mm_fence() {}
template <int N> DEVICE void mm_settle(float (&)[N][4]) {}
template <int K> DEVICE void mm_settle(uint32_t (&)[K][4]) {}

/* d += a b^T (without ADD: =), a (64,64) and b (N,64) in shared memory */
template <int N, bool ADD = true> DEVICE void mm_nt(float (*d)[4], const unsigned char *a, const unsigned char *b)
{
    for (int j = 0; j < N / 8 && !ADD; j++)
        d[j][0] = d[j][1] = d[j][2] = d[j][3] = 0;
    const int lane = threadIdx.x % 32, row = threadIdx.x / 32 % 4 * 16 + lane % 16;
    for (int k = 0; k < 4; k++) {
        uint32_t x[4], y[4];
        ldmatrix(x, a + swizzle(row, 2 * k + lane / 16));
#pragma unroll
        for (int j = 0; j < N / 16; j++) {
            ldmatrix(y, b + swizzle(16 * j + lane / 16 * 8 + lane % 8, 2 * k + lane / 8 % 2));
            mma(d[2 * j], x, y[0], y[1]);
            mma(d[2 * j + 1], x, y[2], y[3]);
        }
    }
}

/* d += x b, x the fragment of (64,16) that starts at row 16 k of b, b (64,N) in panels */
template <int N> DEVICE void mm_step(float (*d)[4], const uint32_t (&x)[4], const unsigned char *b, int k,
                                         int panel = PANEL)
{
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int j = 0; j < N / 16; j++) {
        uint32_t y[4];
        ldmatrix_t(y, b + j / 4 * panel + swizzle(16 * k + lane % 16, j % 4 * 2 + lane / 16));
        mma(d[2 * j], x, y[0], y[1]);
        mma(d[2 * j + 1], x, y[2], y[3]);
    }
}

/* d += a b (without ADD: =), a (64,64) and b (64,N) in shared memory */
template <int N, bool ADD = true> DEVICE void mm_nn(float (*d)[4], const unsigned char *a, const unsigned char *b)
{
    for (int j = 0; j < N / 8 && !ADD; j++)
        d[j][0] = d[j][1] = d[j][2] = d[j][3] = 0;
    const int lane = threadIdx.x % 32, row = threadIdx.x / 32 % 4 * 16 + lane % 16;
    for (int k = 0; k < 4; k++) {
        uint32_t x[4];
        ldmatrix(x, a + swizzle(row, 2 * k + lane / 16));
        mm_step<N>(d, x, b, k);
    }
}

/* d += a b^T, a (64,64) in registers, b (N,64) in shared memory */
template <int N> DEVICE void mm_rt(float (*d)[4], const uint32_t (&a)[4][4], const unsigned char *b)
{
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int k = 0; k < 4; k++)
#pragma unroll
        for (int j = 0; j < N / 16; j++) {
            uint32_t y[4];
            ldmatrix(y, b + swizzle(16 * j + lane / 16 * 8 + lane % 8, 2 * k + lane / 8 % 2));
            mma(d[2 * j], a[k], y[0], y[1]);
            mma(d[2 * j + 1], a[k], y[2], y[3]);
        }
}

/* d += a b (without ADD: =), a (64,16 K) in registers, b (16 K,N) in shared memory, in panels that are `panel` bytes
 * apart */
template <int N, bool ADD = true, int K>
DEVICE void mm_rn(float (*d)[4], const uint32_t (&a)[K][4], const unsigned char *b, int panel = PANEL)
{
    for (int j = 0; j < N / 8 && !ADD; j++)
        d[j][0] = d[j][1] = d[j][2] = d[j][3] = 0;
#pragma unroll
    for (int k = 0; k < K; k++)
        mm_step<N>(d, a[k], b, k, panel);
}

#endif
