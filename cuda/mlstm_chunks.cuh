/* mlstm_chunks.cuh - the parallel part of the mLSTM cell: outputs and gradients inside the chunks.
 *
 * Four times the same three products, for 128 rows of a chunk and up to 64 P columns of the result:
 *
 *     X = A B^T,   W = (X f + g) o D,        D_ts the weight of key s for query t (mlstm_gates.cuh)
 *     Y = scale (A S) + one vec^T + W R
 *
 *     Y                  rows      A    B    S     R    f     g         scale        one, vec
 *     h, before 1/N      queries   q    k    C     v    s     0         s enter
 *     dq                 queries   dh   v    C^T   k    s/N   s gamma   s enter/N    s enter gamma, n
 *     dk                 keys      v    dh   dC^T  q    s/N   s gamma   leave        leave, dn
 *     dv                 keys      k    q    dC    dh   s/N   0         leave
 *
 * C is the state before the chunk, dC its gradient behind it; f and g belong to the query.  qn is the row sum of W plus
 * s enter q.n.  q.dq and k.dk are taken from Y before it is rounded. */
#ifndef SWAX_MLSTM_CHUNKS_CUH
#define SWAX_MLSTM_CHUNKS_CUH

#include "cuda/mlstm_gates.cuh"

/* d += a b^T for the first `blocks` of MAX blocks of 64 columns */
template <int MAX> DEVICE void product_nt(float (*d)[4], int blocks, const unsigned char *a, const unsigned char *b)
{
    if (blocks == MAX) {
        mm_begin();
        mm_nt<64 * MAX>(d, a, b);
        mm_end();
    } else if constexpr (MAX > 1) {
        product_nt<MAX - 1>(d, blocks, a, b);
    }
}

/* <x, row e of this thread's in d>; x(j) is the pair that stands where d[j] does */
template <int N, class F> DEVICE float along(float (&d)[N][4], int e, F x)
{
    float sum = 0;
#pragma unroll
    for (int j = 0; j < N; j++) {
        const uint32_t pair = x(j);
        sum += d[j][2 * e] * low_half(pair) + d[j][2 * e + 1] * high_half(pair);
    }
    return quad_sum(sum);
}

enum cell_result { CELL_H, CELL_DQ, CELL_DK, CELL_DV };

struct chunk_args {
    const swax_bf16 *a, *b, *r, *state;
    int inner, width;                       /* columns of a and b, and of r and y; multiples of 8 */
    int K8, V8;                             /* of state */
    const float *row, *column;              /* exponents in units of log 2 */
    const float *f, *g, *scale, *one, *vec; /* NULL where the table has none; f too for h */
    const int *start;
    swax_bf16 *y;
    const swax_bf16 *self;                  /* q for dq, k for dk: */
    float *dot;                             /* self.y per row, (tile of columns,B,H,T) */
    float *state_dot, *own_dot;             /* in steep chunks: the state's share of it; the row's own, not in it */
    const int *steep;
    int *spoiled;                           /* per block, a flag */
    const float *m;                         /* the rest is for h */
    float *qn, eps;
    int gate;
};

/* KEYS: a chunk has at most 64 KEYS tokens.  SMALL: two blocks share a multiprocessor; their 128 registers per thread
 * leave none for starting copies while a product is under way. */
template <int P, int KEYS> struct chunk_tile {
    enum { SMALL = P + KEYS <= 4, WIDE = P > KEYS ? P : KEYS, STAGES = 3, STAGE = (2 + WIDE) * PANEL,
           COLUMNS = STAGES * STAGE, VECTOR = COLUMNS + 64 * KEYS * 16 };
};

struct column_data { float exponent, f, g; int start; };

/* One block of 256 threads per chunk of a head, 128 of its rows and 64 P columns of the result.  False where that is
 * spoiled, which is why it is done AGAIN.
 *
 *     A, B, R, S           where the block's tiles of the table above begin in memory; S: the state, for both dq and dk
 *                          turned
 *     turns                panels of 64 that the inner columns have.  Steps: so many of A and B, so many of A and S,
 *                          then the blocks of R
 *     row0, column0        the block's first row in the chunk, its first column;  row: this lane's first row, and
 *                          row + 8
 *     first, from, count   the first column of W that is needed; of its blocks of 64, a group's first and how many
 *     columns, n           what belongs to the columns of W; vec
 *     exponent, f, g       what belongs to this lane's rows;  sum, dot: qn's two parts
 *     X, then W            scores, then weights, as left operand;  Y: the result
 *     own                  in steep chunks the weight of a token for itself is not in W: what is the same in q.dq and
 *                          in k.dk must not be rounded with the rest, where it outweighs all of it */
template <int RESULT, int P, int KEYS, bool AGAIN>
DEVICE bool chunk_block(int block, const chunk_args &a, const cell_shape &shape)
{
    using tile = chunk_tile<P, KEYS>;
    constexpr bool BY_KEY = RESULT == CELL_DK || RESULT == CELL_DV, TURNED = RESULT == CELL_DQ || RESULT == CELL_DK;
    const int column_tiles = (a.width + 64 * P - 1) / (64 * P), row_tiles = (shape.size + 127) / 128;
    const int column_tile = block % column_tiles, column0 = column_tile * 64 * P;
    block /= column_tiles;
    const int row0 = block % row_tiles * 128;
    block /= row_tiles;
    const int chunk = block % shape.chunks, bh = block / shape.chunks;
    const int begin = shape.begin(chunk), length = shape.end(chunk) - begin;
    if (row0 >= length)
        return true;

    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, group = warp / 4, row = row0 + 16 * warp + lane / 4;
    const int first = BY_KEY ? row0 : 0;
    const int blocks_of_columns = ((BY_KEY ? length : min(length, row0 + 128)) - first + 63) / 64;
    /* the triangle leaves this group of warps so many blocks of 64 columns, and the first of them */
    const int from = BY_KEY ? group : 0;
    const int count = row0 + 64 * group >= length ? 0
                    : BY_KEY ? blocks_of_columns - group : min(blocks_of_columns, row0 / 64 + group + 1);
    const size_t token = (size_t)(bh / shape.H) * shape.T + begin, h = bh % shape.H;
    const size_t scalar = (size_t)bh * shape.T + begin;
    const size_t inner_stride = (size_t)shape.H * a.inner, stride = (size_t)shape.H * a.width;
    const swax_bf16 *A = a.a + (token * shape.H + h) * a.inner + row0 * inner_stride;
    const swax_bf16 *B = a.b + (token * shape.H + h) * a.inner + first * inner_stride;
    const swax_bf16 *R = a.r + (token * shape.H + h) * a.width + first * stride + column0;
    const swax_bf16 *S =
        a.state + ((size_t)bh * shape.chunks + chunk) * a.K8 * a.V8 + (TURNED ? (size_t)column0 * a.V8 : column0);
    const int turns = (a.inner + 63) / 64;
    unsigned char *stages = shared_memory();
    column_data *columns = (column_data *)(stages + tile::COLUMNS);
    float *n = (float *)(stages + tile::VECTOR);

    int how = AGAIN ? MARKS : AS_IS;    /* looked at R; for MARKS, W is 1 for what is seen */
    auto load = [&](int step) {
        unsigned char *s = stages + step % tile::STAGES * tile::STAGE, *right = s + 2 * PANEL;
        const int c = 64 * (step < turns ? step : step - turns);
        if (step < 2 * turns)
            load_tile<1, 256>(s, 0, A + c, inner_stride, 128, length - row0, a.inner - c);
        if (step < turns)
            load_tile<1, 256>(right, 0, B + c, inner_stride, 64 * blocks_of_columns, length - first, a.inner - c);
        else if (step < 2 * turns && TURNED)
            load_tile<1, 256>(right, 0, S + c, a.V8, 64 * P, a.width - column0, a.inner - c);
        else if (step < 2 * turns)
            load_tile<P, 256>(right, PANEL, S + (size_t)c * a.V8, a.V8, 64, a.inner - c, a.width - column0);
        else if (step < 2 * turns + blocks_of_columns && !AGAIN)
            load_tile<P, 256>(right, PANEL, R + (step - 2 * turns) * 64 * stride, stride, 64,
                              length - first - 64 * (step - 2 * turns), a.width - column0);
        else if (step < 2 * turns + blocks_of_columns)
            load_looked_at<P, 256>((look)how, right, PANEL, R + (step - 2 * turns) * 64 * stride, stride, 64,
                                   length - first - 64 * (step - 2 * turns), a.width - column0);
        cp_commit();
    };

    const bool steep = TURNED && a.steep[(size_t)bh * shape.chunks + chunk];
    const swax_bf16 *self = a.self + (token * shape.H + h) * a.width + row0 * stride + column0;
    const int place = 16 * warp + lane / 4;
    float *own = n + 64 * P;                /* of the block's rows */
    uint32_t marks[P];
    for (;; how++) {
        const bool seen = AGAIN && how == MARKS;        /* and nothing else counts */
        load(0);
        load(1);
        for (int c = threadIdx.x; c < 64 * blocks_of_columns; c += 256) {
            const bool valid = first + c < length;
            const size_t at = scalar + first + c;
            columns[c].exponent = !valid ? -INFINITY : seen ? 0 : a.column[at];
            columns[c].start = !valid ? 0x7fffffff : BY_KEY && a.start ? a.start[token + first + c] - begin : -1;
            columns[c].f = BY_KEY && valid && !seen ? a.f[at] : 0;
            columns[c].g = seen ? 1 : BY_KEY && valid && a.g ? a.g[at] : 0;
        }
        if (a.vec)
            for (int c = threadIdx.x; c < (TURNED ? 64 * P : 64 * turns); c += 256) {
                const int at = TURNED ? column0 + c : c;
                n[c] = at < shape.K ? a.vec[((size_t)bh * shape.chunks + chunk) * shape.K + at] : 0;
            }
        float exponent[2], f[2], g[2];
        int start[2];
        float sum[2] = { 0, 0 }, dot[2] = { 0, 0 };
#pragma unroll
        for (int e = 0; e < 2; e++) {
            const bool valid = row + 8 * e < length;
            const size_t at = scalar + row + 8 * e;
            exponent[e] = !valid ? -INFINITY : seen ? 0 : a.row[at];
            start[e] = !valid ? 0x7fffffff : !BY_KEY && a.start ? a.start[token + row + 8 * e] - begin : -1;
            f[e] = a.f && !BY_KEY && valid && !seen ? a.f[at] : rsqrtf((float)shape.K);
            g[e] = seen ? 1 : a.g && !BY_KEY && valid ? a.g[at] : 0;
        }

        uint32_t W[KEYS][4][4];
        {
            float X[8 * KEYS][4];
            clear(X);
            for (int step = 0; step < turns; step++) {
                tiles_arrive<1>();
                const unsigned char *s = stages + step % tile::STAGES * tile::STAGE;
                if (tile::SMALL)
                    load(step + 2);
                product_nt<KEYS>(X, seen ? 0 : count, s + group * PANEL, s + (2 + from) * PANEL);
                if (!tile::SMALL)
                    load(step + 2);
                mm_wait();
            }
#pragma unroll
            for (int p = 0; p < KEYS; p++) {
                if (p >= count)
                    break;
                /* below the triangle's edge every key is seen, unless a document starts in between */
                const bool edge = a.start || 64 * (p + from) + first == row0 + 64 * group;
#pragma unroll
                for (int j = 8 * p; j < 8 * p + 8; j++)
#pragma unroll
                    for (int o = 0; o < 2; o++) {
                        const int c = 64 * from + 8 * j + lane % 4 * 2 + o, t = first + c;
                        const column_data column = columns[c];
#pragma unroll
                        for (int e = 0; e < 2; e++) {
                            const int r = row + 8 * e;
                            float &x = X[j][2 * e + o];
                            x = (x * (BY_KEY ? column.f : f[e]) + (BY_KEY ? column.g : g[e]))
                              * exp2_fast(exponent[e] + column.exponent);
                            if (edge && (BY_KEY ? t < r || column.start > r : t > r || start[e] > t))
                                x = 0;
                            sum[e] += x;
                        }
                    }
                if (steep && edge)
#pragma unroll
                    for (int j = 8 * p; j < 8 * p + 8; j++)
#pragma unroll
                        for (int e = 0; e < 4; e++)
                            if (first + 64 * from + 8 * j + lane % 4 * 2 + e % 2 == row + e / 2 * 8)
                                own[place + e / 2 * 8] = X[j][e], X[j][e] = 0;
                as_operand(W[p], X + 8 * p);
            }
        }

        float Y[8 * P][4];
        clear(Y);
        for (int step = turns; step < 2 * turns; step++) {
            tiles_arrive<1>();
            const unsigned char *s = stages + step % tile::STAGES * tile::STAGE, *left = s + group * PANEL;
            mm_begin();
            if constexpr (TURNED)
                mm_nt<64 * P>(Y, left, s + 2 * PANEL);
            else
                mm_nn<64 * P>(Y, left, s + 2 * PANEL);
            mm_end();
            load(step + 2);
            if (RESULT == CELL_H)                       /* q.n: each of the 4 lanes of a row takes 2 of the 8 pieces */
#pragma unroll
                for (int e = 0; e < 4; e++) {
                    const int piece = lane % 4 + e % 2 * 4;
                    const uint4 x = *(const uint4 *)(left + swizzle(warp % 4 * 16 + lane / 4 + e / 2 * 8, piece));
                    const float *y = n + 64 * (step - turns) + 8 * piece;
                    dot[e / 2] += low_half(x.x) * y[0] + high_half(x.x) * y[1] + low_half(x.y) * y[2] +
                                  high_half(x.y) * y[3] + low_half(x.z) * y[4] + high_half(x.z) * y[5] +
                                  low_half(x.w) * y[6] + high_half(x.w) * y[7];
                }
            mm_wait();
        }
        float scale[2], one[2];
#pragma unroll
        for (int e = 0; e < 2; e++) {
            const bool valid = row + 8 * e < length && !seen;
            scale[e] = valid ? a.scale[scalar + row + 8 * e] : 0;
            one[e] = valid && a.one ? a.one[scalar + row + 8 * e] : 0;
        }
#pragma unroll
        for (int j = 0; j < 8 * P; j++)
#pragma unroll
            for (int e = 0; e < 4; e++) {
                Y[j][e] = scale[e / 2] == 0 ? 0 : Y[j][e] * scale[e / 2];
                if (TURNED && one[e / 2] != 0)
                    Y[j][e] += one[e / 2] * n[8 * j + lane % 4 * 2 + e % 2];
            }
        if (steep)
#pragma unroll
            for (int e = 0; e < 2; e++) {
                const bool valid = row + 8 * e < length;
                const float share = along(Y, e, [&](int j) {
                    const int c = 8 * j + lane % 4 * 2;
                    return valid && column0 + c < a.width ? *(const uint32_t *)(self + (place + 8 * e) * stride + c)
                                                          : 0;
                });
                if (valid && lane % 4 == 0)
                    a.state_dot[(size_t)column_tile * shape.B * shape.H * shape.T + scalar + row + 8 * e] =
                        scale[e] == 0 ? 0 : share;
            }
#pragma unroll
        for (int p = 0; p < KEYS; p++)
            if (p < blocks_of_columns) {
                const int step = 2 * turns + p;
                tiles_arrive<BY_KEY ? 0 : 1>();             /* the second group is a block ahead if its first is 1 */
                if (tile::SMALL)
                    load(step + 2);
                if (p < count) {
                    mm_begin();
                    mm_rn<64 * P>(Y, W[p], stages + (step + from) % tile::STAGES * tile::STAGE + 2 * PANEL);
                    mm_end();
                }
                if (!tile::SMALL)
                    load(step + 2);
                mm_wait();
            }
        mm_settle(Y);
        if (!AGAIN && __syncthreads_or(spoiled(Y, row < length, row + 8 < length)))
            return false;
        if (AGAIN && how == MARKS) {
            keep_marks(marks, Y);
            __syncthreads();
            continue;
        }
        if (AGAIN)
            put_marks(Y, marks);

        swax_bf16 *y = a.y + (token * shape.H + h) * a.width + row0 * stride + column0;
        unsigned char *with = stages + 2 * P * PANEL;
        if (RESULT != CELL_H) {
            __syncthreads();
            load_tile<P, 256>(stages, 2 * PANEL, y, stride, 128, length - row0, a.width - column0);
            if (TURNED)
                load_tile<P, 256>(with, 2 * PANEL, self, stride, 128, length - row0, a.width - column0);
            cp_commit();
        }
        tiles_arrive<0>();
#pragma unroll
        for (int e = 0; e < 2; e++) {
            const int t = row + 8 * e;
            const bool valid = t < length;
            if (RESULT == CELL_H) {
                const float within = quad_sum(sum[e]), before = quad_sum(dot[e]);
                const float qn = within + (scale[e] == 0 ? 0 : scale[e] * before);
                const size_t at = (token + t) * shape.H + h;
                float over = 1;
                if (valid && normalised(a.gate)) {
                    const float floor = floor_of(a.m[at]);
                    over = 1 / ((fabsf(qn) <= floor ? floor : fabsf(qn)) + a.eps);
                }
                if (valid && column_tile == 0 && lane % 4 == 0)
                    a.qn[at] = qn;
#pragma unroll
                for (int j = 0; j < 8 * P; j++)
                    Y[j][2 * e] *= over, Y[j][2 * e + 1] *= over;
            }
            if (TURNED) {
                const float all = along(Y, e, [&](int j) {
                    return *(const uint32_t *)(with + j / 8 * 2 * PANEL + swizzle(place + 8 * e, j % 8) + lane % 4 * 4);
                });
                const size_t at = (size_t)column_tile * shape.B * shape.H * shape.T + scalar + t;
                if (valid && lane % 4 == 0)
                    a.dot[at] = all;
                if (steep) {
                    const float weight = valid ? low_half(pack(own[place + 8 * e], 0)) : 0;
                    const swax_bf16 *r = a.r + (self - a.self) + (place + 8 * e) * stride;
                    float of_own = 0;
#pragma unroll
                    for (int j = 0; j < 8 * P; j++) {
                        const int c = 8 * j + lane % 4 * 2;
                        const uint32_t pair = valid && column0 + c < a.width ? *(const uint32_t *)(r + c) : 0;
                        const uint32_t of_self = *(const uint32_t *)(with + j / 8 * 2 * PANEL +
                                                                     swizzle(place + 8 * e, j % 8) + lane % 4 * 4);
                        const float x = weight * low_half(pair), z = weight * high_half(pair);
                        Y[j][2 * e] += x, Y[j][2 * e + 1] += z;
                        of_own += x * low_half(of_self) + z * high_half(of_self);
                    }
                    of_own = quad_sum(of_own);
                    if (valid && lane % 4 == 0)
                        a.own_dot[at] = of_own;
                }
            }
        }
        if (RESULT == CELL_H)
            put_in_tile<P>(stages, 2 * PANEL, place, Y);
        else
            add_to_tile<P>(stages, 2 * PANEL, place, Y);
        __syncthreads();
        store_tile<P, 256>(y, stride, stages, 2 * PANEL, 128, length - row0, a.width - column0);
        return true;
    }
}

template <int RESULT, int P, int KEYS>
static __global__ void __launch_bounds__(256, chunk_tile<P, KEYS>::SMALL ? 2 : 1)
    chunk_kernel(chunk_args a, cell_shape shape)
{
    const bool good = chunk_block<RESULT, P, KEYS, false>(blockIdx.x, a, shape);
    if (threadIdx.x == 0)
        a.spoiled[blockIdx.x] = !good;
}

template <int RESULT, int P, int KEYS>
static __global__ void __launch_bounds__(256, 1) chunk_again_kernel(chunk_args a, cell_shape shape, int blocks)
{
    for_spoiled(a.spoiled, blocks, [&](int block) { chunk_block<RESULT, P, KEYS, true>(block, a, shape); });
}

#endif
