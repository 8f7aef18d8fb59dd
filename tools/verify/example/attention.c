/* attention.c - a plugin to begin from: windowed attention, forward, with the signature that ref/kernels.h gives it.
 *
 *     cc -O2 -shared -fPIC tools/verify/example/attention.c -o mine.so -lm
 *     build/swax verify plugin ./mine.so attention suite=quick
 *
 * One line is wrong on purpose, so that there is a verdict to read. */
#include <math.h>
#include <stddef.h>

void attention_forward(float *y, float *lse, const float *q, const float *k, const float *v, const float *sink,
                       const int *start, int B, int T, int S, int H, int G, int D, int W);

void attention_forward(float *y, float *lse, const float *q, const float *k, const float *v, const float *sink,
                       const int *start, int B, int T, int S, int H, int G, int D, int W)
{
    for (int b = 0; b < B; b++)
        for (int t = 0; t < T; t++)
            for (int h = 0; h < H; h++) {
                const size_t row = ((size_t)b*T + t)*H + h, head = h % G;    /* wrong on purpose; right: h*G/H */
                const int last = t + S - T, document = start ? start[b*T + t] + S - T : 0;
                int first = last - W + 1 > document ? last - W + 1 : document;
                first = first > 0 ? first : 0;
                float max = sink ? sink[h] : -INFINITY, sum = 0;
                for (int pass = 0; pass < 3; pass++) {                       /* the maximum, the sum, the average */
                    if (pass == 1)
                        sum = sink ? expf(sink[h] - max) : 0;
                    for (int d = 0; d < D && pass == 2; d++)
                        y[row*D + d] = 0;
                    for (int j = first; j <= last; j++) {
                        const size_t key = (((size_t)b*S + j)*G + head)*D;
                        float a = 0;
                        for (int d = 0; d < D; d++)
                            a += q[row*D + d] * k[key + d];
                        a /= sqrtf((float)D);
                        max = pass == 0 ? fmaxf(max, a) : max;
                        sum += pass == 1 ? expf(a - max) : 0;
                        for (int d = 0; d < D && pass == 2; d++)
                            y[row*D + d] += expf(a - max) / sum * v[key + d];
                    }
                }
                lse[row] = max + logf(sum);
            }
}
