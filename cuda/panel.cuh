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

/* The 64 columns d as the left operand of a product: (row, column) stays where it is. */
DEVICE void as_operand(uint32_t (&a)[4][4], float (*d)[4])
{
#pragma unroll
    for (int k = 0; k < 4; k++)
#pragma unroll
        for (int i = 0; i < 4; i++)
            a[k][i] = pack(d[2 * k + i / 2][i % 2 * 2], d[2 * k + i / 2][i % 2 * 2 + 1]);
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

template <int N> DEVICE void clear(float (&d)[N][4])
{
#pragma unroll
    for (int j = 0; j < N; j++)
#pragma unroll
        for (int e = 0; e < 4; e++)
            d[j][e] = 0;
}

#endif
