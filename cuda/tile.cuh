/* tile.cuh - what attention and the cell are made of: 32 x 32 tiles of scores, computed by a block of 32 x 8
 * threads.  Of a tile, a thread holds the column threadIdx.x and the four rows threadIdx.y + 8 i.  Of a result
 * that is 128 columns wide it holds the same rows, and the columns threadIdx.x + 32 c. */
#ifndef SWAX_CUDA_TILE_CUH
#define SWAX_CUDA_TILE_CUH

#include "cuda/common.cuh"

enum { TILE = 32, STRIP = 128 };

struct square { stat x[TILE][TILE + 1]; };   /* the spare column keeps a column's elements in different banks */
struct wide { stat x[4][4]; };

/* w x, and 0 where the weight is 0, whatever x is */
static inline __device__ stat weighted(stat w, stat x) { return w != 0 ? w * x : 0; }

static inline __device__ int row_of(int i) { return threadIdx.y + 8 * i; }

/* `count` rows (those past them read as 0) of something with `step` elements from one to the next. */
template <class T> struct rows { const T *at; size_t step; int count; };

template <class T> static inline __device__ rows<T> rows_from(const T *at, size_t step, int first, int all)
{
    return { at + first * step, step, min(all - first, (int)TILE) };
}

/* sum[i] += sum_m a[row i][m] b[column][m], m < M, in this order. */
template <class A, class B>
static __device__ void tile_dot(stat (&sum)[4], square &ta, square &tb, rows<A> a, rows<B> b, int M)
{
    for (int m0 = 0; m0 < M; m0 += TILE) {
        const int m = m0 + threadIdx.x;
        for (int i = 0; i < 4; i++) {
            const int r = row_of(i);
            ta.x[r][threadIdx.x] = r < a.count && m < M ? value(a.at[r * a.step + m]) : 0;
            tb.x[r][threadIdx.x] = r < b.count && m < M ? value(b.at[r * b.step + m]) : 0;
        }
        __syncthreads();
        #pragma unroll 8
        for (int j = 0; j < TILE; j++)
            for (int i = 0; i < 4; i++)
                sum[i] += ta.x[row_of(i)][j] * tb.x[threadIdx.x][j];
        __syncthreads();
    }
}

/* z[row i][column c] += sum_m w[row i][m] b[m][first + column c], over the rows of b; columns from `width` on are not
 * there.  A weight of 0 means that nothing depends on the row, not even if it holds a NaN. */
template <class T> static __device__ void tile_mul(wide &z, const square &w, rows<T> b, int first, int width)
{
    for (int m = 0; m < b.count; m++) {
        stat bm[4];
        for (int c = 0; c < 4; c++) {
            const int column = first + threadIdx.x + 32 * c;
            bm[c] = column < width ? value(b.at[m * b.step + column]) : 0;
        }
        for (int i = 0; i < 4; i++) {
            const stat wm = w.x[row_of(i)][m];
            for (int c = 0; c < 4 && wm != 0; c++)
                z.x[i][c] += wm * bm[c];
        }
    }
}

/* y[row i][first + column c] = or += z, for the rows and columns that are there. */
template <bool ADD, class T>
static __device__ void put_wide(T *y, size_t step, int count, const wide &z, int first, int width)
{
    for (int i = 0; i < 4; i++)
        for (int c = 0; c < 4; c++) {
            const int r = row_of(i), column = first + threadIdx.x + 32 * c;
            if (r < count && column < width)
                y[r * step + column] = as<T>(ADD ? value(y[r * step + column]) + z.x[i][c] : z.x[i][c]);
        }
}

#endif
