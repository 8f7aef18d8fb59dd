/* embed.cuh - a token's row of the embedding table. */
#include "cuda/pattern.cuh"

static __global__ void embed_forward_kernel(real *y, const int *token, const real *w, size_t N, int C)
{
    const size_t n = (size_t)blockIdx.x * blockDim.y + threadIdx.y;
    if (n < N)
        for (int j = threadIdx.x; j < C; j += 32)
            y[n*C + j] = w[(size_t)token[n]*C + j];
}

static void embed_forward(real *y, const int *token, const real *w, int N, int V, int C)
{
    (void)V;
    embed_forward_kernel<<<blocks(N, 8), dim3(32, 8)>>>(y, token, w, N, C);
    launched("embed_forward");
}

/* dw[v] (+)= the sum of the dy of v's tokens among rows first .. last-1, in their order.  One warp looks at all
 * of these tokens, 32 at a time, for one v: V times as many comparisons as a sort needs, but they are cheap
 * beside the sums, and nothing is left to chance. */
static __global__ void embed_backward_kernel(stat *dw, const real *dy, const int *token, size_t N, int V, int C,
                                             size_t rows, int add)
{
    const size_t v = (size_t)blockIdx.x * blockDim.y + threadIdx.y, first = blockIdx.y * rows;
    const size_t last = first + rows < N ? first + rows : N;
    if (v >= V)
        return;
    dw += (blockIdx.y * (size_t)V + v) * C;
    for (int j = threadIdx.x; j < C && !add; j += 32)
        dw[j] = 0;
    for (size_t n = first; n < last; n += 32) {
        const unsigned mine = __ballot_sync(~0u, n + threadIdx.x < last && token[n + threadIdx.x] == v);
        for (int j = threadIdx.x; j < C && mine; j += 32) {
            stat sum = dw[j];
            for (unsigned left = mine; left; left &= left - 1)
                sum += value(dy[(n + __ffs(left) - 1)*C + j]);
            dw[j] = sum;
        }
    }
}

static void embed_backward(stat *dw, const real *dy, const int *token, int N, int V, int C)
{
    const dim3 threads(32, 4);
    const size_t table = (size_t)V * C, most = ((size_t)4 << 20) / table;
    const unsigned pieces = most > blocks(N, 1024) ? blocks(N, 1024) : most ? (unsigned)most : 1;
    const size_t rows = blocks(N, pieces);
    if (pieces == 1) {
        embed_backward_kernel<<<blocks(V, 4), threads>>>(dw, dy, token, N, V, C, rows, 1);
        launched("embed_backward");
        return;
    }
    stat *part = (stat *)swax_cuda_workspace(pieces * table * sizeof *part);
    if (!part)
        return;
    embed_backward_kernel<<<dim3(blocks(V, 4), pieces), threads>>>(part, dy, token, N, V, C, rows, 0);
    sum_pieces(dw, part, pieces, table, table);
    launched("embed_backward");
}
