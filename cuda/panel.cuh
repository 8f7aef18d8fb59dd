/* panel.cuh - tiles of bf16 in shared memory and their products on the tensor cores.
 *
 * A panel is [rows][64] elements, 128 bytes per row; the 16-byte piece p of row r lies at p ^ (r % 8), so that
 * the 8 rows of a matrix fragment touch all banks (and as the tensor cores of sm_90 expect it).  A tile that is
 * wider than 64 is several panels one after the other. */
#ifndef SWAX_PANEL_CUH
#define SWAX_PANEL_CUH

#include "cuda/common.cuh"
#include "cuda/ptx.cuh"

enum { PANEL = 64 * 64 * 2 };   /* bytes of a panel of 64 rows */

/* What the walks of the states take their state times: a value or a weighted key is rounded to bf16, which must not
 * cost an input near the smallest numbers more digits than it has. */
static const float LIFT = 0x1p20f;

DEVICE int swizzle(int row, int piece) { return row * 128 + ((piece ^ (row & 7)) << 4); }

#ifdef __CUDA_ARCH_FEAT_SM90_ALL
#include "cuda/wgmma.cuh"
#else
#include "cuda/warpmma.cuh"
#endif

/* Start copying rows x 64 P elements into P panels that are `panel` bytes apart; zeros outside the valid ones.
 * Rows are `stride` elements apart; 16-byte aligned, and the widths are multiples of 8.  WHOLE: a second copy of the
 * code for tiles that are valid all over, with a third of the instructions; it pays where instructions are what
 * limits. */
template <int P, int THREADS, bool WHOLE = false>
DEVICE void load_tile(unsigned char *to, int panel, const swax_bf16 *from, size_t stride, int rows, int valid_rows,
                      int valid_columns)
{
    const int piece = threadIdx.x % (8 * P), row = threadIdx.x / (8 * P), step = THREADS / (8 * P);
    const int valid = 8 * piece < valid_columns ? valid_rows : 0;
    const swax_bf16 *x = from + row * stride + 8 * piece;
    to += piece / 8 * panel;
    if (WHOLE && valid_rows >= rows && 64 * P <= valid_columns) {
#pragma unroll
        for (int i = 0; i < rows / step; i++, x += step * stride)
            cp_async(to + swizzle(row + i * step, piece % 8), x);
        return;
    }
#pragma unroll
    for (int i = 0; i < rows / step; i++, x += step * stride)
        cp_async(to + swizzle(row + i * step, piece % 8), row + i * step < valid ? x : from, row + i * step < valid);
}

/* A number that is none, in one tile of a product, makes NaN of every sum it meets, also with the weight 0 of a key
 * that a query does not see.  What a block finds spoiled is done again, with two more looks at its tiles: MARKS for
 * numbers, which weights of 1 for what is seen gather into who is to be NaN, then FINITE, for all others: to the bits
 * of what they are without the spoiled number. */
enum look { AS_IS, MARKS, FINITE, LOOKS };

DEVICE uint32_t looked_at(uint32_t pair, look how)
{
    const bool low = (pair & 0x7f80) == 0x7f80, high = (pair & 0x7f800000) == 0x7f800000;
    if (how == MARKS)
        return (low ? 0x3f80 : 0) | (high ? 0x3f800000 : 0);
    return (low ? 0 : pair & 0xffff) | (high ? 0 : pair & 0xffff0000);
}

/* load_tile, at once and with another look.  ROWS: a row of which one number is none is marked as a whole. */
template <int P, int THREADS, bool ROWS = false>
DEVICE void load_looked_at(look how, unsigned char *to, int panel, const swax_bf16 *from, size_t stride, int rows,
                           int valid_rows, int valid_columns)
{
    const int piece = threadIdx.x % (8 * P), first = threadIdx.x / (8 * P), step = THREADS / (8 * P);
    for (int row = first; row < rows; row += step) {
        const bool valid = row < valid_rows && 8 * piece < valid_columns;
        uint4 x = valid ? *(const uint4 *)(from + row * stride + 8 * piece) : uint4{ 0, 0, 0, 0 };
        x = { looked_at(x.x, how), looked_at(x.y, how), looked_at(x.z, how), looked_at(x.w, how) };
        if (ROWS && how == MARKS) {
            const uint32_t lanes = __ballot_sync(~0u, x.x | x.y | x.z | x.w) >> (threadIdx.x % 32 / (8 * P) * 8 * P);
            const uint32_t ones = lanes & (8 * P < 32 ? (1u << 8 * P % 32) - 1 : ~0u) ? 0x3f803f80 : 0;
            x = { ones, ones, ones, ones };
        }
        *(uint4 *)(to + piece / 8 * panel + swizzle(row, piece % 8)) = x;
    }
}

/* Is one of these no number? */
template <int N> DEVICE bool spoiled(const float (&d)[N][4], bool upper, bool lower)
{
    float sum[2] = { 0, 0 };                /* of zeros, or NaN */
#pragma unroll
    for (int j = 0; j < N; j++)
#pragma unroll
        for (int e = 0; e < 4; e++)
            sum[e / 2] = fmaf(d[j][e], 0, sum[e / 2]);
    return (upper && sum[0] != 0) || (lower && sum[1] != 0);
}

/* Which elements of d are not 0, a bit each; and NaN where a bit is set */
template <int P> DEVICE void keep_marks(uint32_t (&marks)[P], const float (&d)[8 * P][4])
{
#pragma unroll
    for (int p = 0; p < P; p++) {
        marks[p] = 0;
#pragma unroll
        for (int j = 0; j < 32; j++)
            marks[p] |= (uint32_t)(d[8 * p + j / 4][j % 4] != 0) << j;
    }
}
template <int P> DEVICE void put_marks(float (&d)[8 * P][4], const uint32_t (&marks)[P])
{
#pragma unroll
    for (int p = 0; p < P; p++)
#pragma unroll
        for (int j = 0; j < 32; j++)
            if (marks[p] >> j & 1)
                d[8 * p + j / 4][j % 4] = NAN;
}

/* What a block does that found its result spoiled, all over again; `walk` is what leads to d. */
template <int P, class F> DEVICE void look_again(int &how, float (&d)[8 * P][4], F walk)
{
    uint32_t marks[P];
    for (how = MARKS; how < LOOKS; how++) {
        walk();
        __syncthreads();
        if (how == MARKS)
            keep_marks(marks, d);
    }
    put_marks(d, marks);
}

/* again(block) for the blocks that found their results spoiled, shared out among those of a grid of its own: so the
 * kernel that nearly always is enough has no registers, and no instructions, for what follows. */
template <class F> DEVICE void for_spoiled(const int *spoiled, int blocks, F again)
{
    const int each = (blocks + gridDim.x - 1) / gridDim.x, first = blockIdx.x * each, last = min(first + each, blocks);
    int any = 0;
    for (int block = first + threadIdx.x; block < last; block += blockDim.x)
        any |= spoiled[block];
    if (!__syncthreads_or(any))
        return;
    for (int block = first; block < last; block++)
        if (spoiled[block]) {
            again(block);
            __syncthreads();
        }
}
enum { SPOILED_GRID = 128 };

/* The other way: write the valid elements of a tile of shared memory. */
template <int P, int THREADS> DEVICE void store_tile(swax_bf16 *to, size_t stride, const unsigned char *from, int panel,
                                                     int rows, int valid_rows, int valid_columns)
{
    const int piece = threadIdx.x % (8 * P), row = threadIdx.x / (8 * P), step = THREADS / (8 * P);
    const int valid = 8 * piece < valid_columns ? valid_rows : 0;
    swax_bf16 *x = to + row * stride + 8 * piece;
    from += piece / 8 * panel;
#pragma unroll
    for (int i = 0; i < rows / step; i++, x += step * stride)
        if (row + i * step < valid)
            *(uint4 *)x = *(const uint4 *)(from + swizzle(row + i * step, piece % 8));
}

/* Wait for all but the newest N copies that every thread started; their data then is everybody's. */
template <int N> DEVICE void tiles_arrive()
{
    cp_wait<N>();
    mm_fence();
    __syncthreads();
}

/* The 16 K columns d as the left operand of a product: (row, column) stays where it is. */
template <int K> DEVICE void as_operand(uint32_t (&a)[K][4], float (*d)[4])
{
#pragma unroll
    for (int k = 0; k < K; k++)
#pragma unroll
        for (int i = 0; i < 4; i++)
            a[k][i] = pack(d[2 * k + i / 2][i % 2 * 2], d[2 * k + i / 2][i % 2 * 2 + 1]);
}

/* x.y of two pieces of 16 bytes */
DEVICE float pieces_product(const uint4 &x, const uint4 &y)
{
    return low_half(x.x) * low_half(y.x) + high_half(x.x) * high_half(y.x) +
           low_half(x.y) * low_half(y.y) + high_half(x.y) * high_half(y.y) +
           low_half(x.z) * low_half(y.z) + high_half(x.z) * high_half(y.z) +
           low_half(x.w) * low_half(y.w) + high_half(x.w) * high_half(y.w);
}

/* add this thread's part of d, rounded once, to a tile in shared memory; row is its first one there */
template <int P> DEVICE void add_to_tile(unsigned char *tile, int panel, int row, float (&d)[8 * P][4])
{
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int j = 0; j < 8 * P; j++)
#pragma unroll
        for (int e = 0; e < 4; e += 2) {
            uint32_t *at = (uint32_t *)(tile + j / 8 * panel + swizzle(row + 4 * e, j % 8) + lane % 4 * 4);
            *at = pack(low_half(*at) + d[j][e], high_half(*at) + d[j][e + 1]);
        }
}
template <int P> DEVICE void put_in_tile(unsigned char *tile, int panel, int row, float (&d)[8 * P][4])
{
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int j = 0; j < 8 * P; j++)
#pragma unroll
        for (int e = 0; e < 4; e += 2)
            *(uint32_t *)(tile + j / 8 * panel + swizzle(row + 4 * e, j % 8) + lane % 4 * 4) =
                pack(d[j][e], d[j][e + 1]);
}

template <int N> DEVICE void multiply(float (&d)[N][4], float by)
{
#pragma unroll
    for (int j = 0; j < N; j++)
#pragma unroll
        for (int e = 0; e < 4; e++)
            d[j][e] *= by;
}

template <int N> DEVICE void add(float (&to)[N][4], const float (&d)[N][4])
{
#pragma unroll
    for (int j = 0; j < N; j++)
#pragma unroll
        for (int e = 0; e < 4; e++)
            to[j][e] += d[j][e];
}

template <int N> DEVICE void fill(float (&d)[N][4], float with)
{
#pragma unroll
    for (int j = 0; j < N; j++)
#pragma unroll
        for (int e = 0; e < 4; e++)
            d[j][e] = with;
}
template <int N> DEVICE void clear(float (&d)[N][4]) { fill(d, 0); }

#endif
