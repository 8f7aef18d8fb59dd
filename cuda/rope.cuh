/* rope.cuh - rotary position embedding; formulas in ref/rope.c.  A thread takes one pair of a few tokens, and
 * turns it in every head: the angle, in double, is most of the work. */
#include "pattern.cuh"

template <bool ADD> static __global__ void turn_kernel(real *y, const real *x, const int *start, size_t N, int T, int H, int D, int P,
                                                       double theta, int sign, int tokens)
{
    const int half = D / 2, columns = half + D % 2;
    const size_t id = (size_t)blockIdx.x * blockDim.x + threadIdx.x, from = id / columns * tokens, j = id % columns;
    const double rate = pow(theta, -2.0 * (double)j / D);
    const bool pair = j < half;   /* an odd D leaves its last element as it is */
    const size_t first = pair ? j : D - 1, second = pair ? j + half : D - 1;
    for (size_t n = from; n < from + tokens && n < N; n++) {
        double sine, cosine;
        sincos(((double)P + (double)(n % T) - (start ? start[n] : 0)) * rate, &sine, &cosine);
        const stat c = pair ? (stat)cosine : 1, s = pair ? (stat)(sign * sine) : 0;
        for (size_t h = n * H * D; h < (n + 1) * H * D; h += D) {
            const stat p = value(x[h + first]), q = value(x[h + second]);
            const stat old_p = ADD ? value(y[h + first]) : 0, old_q = ADD ? value(y[h + second]) : 0;
            y[h + first] = as<real>(old_p + (p * c - q * s));
            if (pair)
                y[h + second] = as<real>(old_q + (q * c + p * s));
        }
    }
}

template <bool ADD> static void turn(real *y, const real *x, const int *start, size_t N, int T, int H, int D, int P, double theta, int sign)
{
    const int tokens = H < 8 ? 4 : 1;
    turn_kernel<ADD><<<blocks(blocks(N, tokens) * (size_t)(D - D/2), 128), 128>>>(y, x, start, N, T, H, D, P, theta, sign, tokens);
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
