/* rope.cuh - rotary position embedding; formulas in ref/rope.c.  A block takes some tokens and up to 64 pairs: their
 * angles first, in double, which is most of the work; then every head is turned by them, P neighbours at a time. */
#include "cuda/pattern.cuh"

enum { ROPE_THREADS = 256, ROPE_PAIRS = 64, ROPE_ANGLES = 1024 };

template <bool ADD, int P>
static __global__ void __launch_bounds__(ROPE_THREADS)
    turn_kernel(real *y, const real *x, const int *start, size_t N, int T, int H, int D, int position, double theta,
                int sign, int width, int tokens)
{
    __shared__ double rate[ROPE_PAIRS];
    __shared__ __align__(16) stat cosine[ROPE_ANGLES], sine[ROPE_ANGLES];
    const int half = D / 2, first = blockIdx.y * width, pairs = min(half + D % 2 - first, width), pieces = pairs / P;
    const size_t from = (size_t)block_from_end() * tokens;
    const int count = (int)min(N - from, (size_t)tokens);
    if ((int)threadIdx.x < pairs)
        rate[threadIdx.x] = pow(theta, -2.0 * (first + (int)threadIdx.x) / D);
    __syncthreads();
    for (int i = threadIdx.x; i < count * pairs; i += ROPE_THREADS) {
        const size_t n = from + i / pairs;
        double s, c;
        sincos(((double)position + (double)(n % T) - (start ? start[n] : 0)) * rate[i % pairs], &s, &c);
        const bool pair = first + i % pairs < half;
        cosine[i] = pair ? (stat)c : 1;
        sine[i] = pair ? (stat)(sign * s) : 0;
    }
    __syncthreads();
    for (int i = threadIdx.x; i < count * H * pieces; i += ROPE_THREADS) {
        const int j = i % pieces * P, h = i / pieces % H, t = i / pieces / H;
        const bool pair = first + j < half;
        const size_t one = ((from + t) * H + h) * D + (pair ? first + j : D - 1), other = pair ? one + half : one;
        stat p[P], q[P], c[P], s[P];
        load(p, x + one);
        load(q, x + other);
        load(c, cosine + t * pairs + j);
        load(s, sine + t * pairs + j);
        for (int e = 0; e < P; e++) {
            const stat before = p[e];
            p[e] = before * c[e] - q[e] * s[e];
            q[e] = q[e] * c[e] + before * s[e];
        }
        store<ADD>(y + one, p);
        if (pair)
            store<ADD>(y + other, q);
    }
}

template <bool ADD>
static void turn(real *y, const real *x, const int *start, size_t N, int T, int H, int D, int P, double theta, int sign)
{
    const int columns = D / 2 + D % 2;      /* an odd D's last element is alone, and stays as it is */
    const int width = columns < ROPE_PAIRS ? columns : ROPE_PAIRS, tokens = ROPE_ANGLES / width;
    const dim3 grid(blocks(N, tokens), blocks(columns, width));
    const auto kernel = aligned16(y, x, 0) && D % 16 == 0 ? turn_kernel<ADD, 8> : turn_kernel<ADD, 1>;
    kernel<<<grid, ROPE_THREADS>>>(y, x, start, N, T, H, D, P, theta, sign, width, tokens);
}

static void rope_forward(real *y, const real *x, const int *start, int B, int T, int H, int D, int P, double theta)
{
    const size_t N = (size_t)B * T;
    turn<false>(y, x, start, N, T, H, D, P, theta, 1);
    launched("rope_forward");
}

static void rope_backward(real *dx, const real *dy, const int *start, int B, int T, int H, int D, int P, double theta)
{
    const size_t N = (size_t)B * T;
    turn<true>(dx, dy, start, N, T, H, D, P, theta, -1);
    launched("rope_backward");
}
