/* random.c - random numbers by counter. */
#include "tools/lib/random.h"

#include <math.h>
#include "ref/splitmix.h"

struct random random_open(uint64_t seed, uint64_t stream, uint64_t number)
{
    struct random r =
        {splitmix(splitmix(splitmix(seed + splitmix_step) + stream + splitmix_step) + number + splitmix_step), 0};
    return r;
}

uint64_t random_next(struct random *r)
{
    return splitmix(r->key + splitmix_step * ++r->drawn);
}

double random_unit(struct random *r)
{
    return (double)(random_next(r) >> 11) * 0x1p-53;
}

uint64_t random_below(struct random *r, uint64_t n)
{
    const uint64_t uneven = (0 - n) % n;   /* 2^64 mod n: the lowest values, which would make some results likelier */
    uint64_t x = random_next(r);
    while (x < uneven)
        x = random_next(r);
    return x % n;
}

double random_normal(struct random *r)
{
    const double u = 1 - random_unit(r), v = random_unit(r);
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

void random_shuffle(struct random *r, int *x, int n)
{
    for (int i = n - 1; i > 0; i--) {
        const int j = (int)random_below(r, (uint64_t)i + 1), keep = x[i];
        x[i] = x[j];
        x[j] = keep;
    }
}

void random_order(struct random *r, int *x, int n)
{
    for (int i = 0; i < n; i++)
        x[i] = i;
    random_shuffle(r, x, n);
}

/* Four Feistel rounds permute 0 .. 4^half - 1, the next such power from n on; walking the cycle until it
 * comes back below n permutes 0 .. n-1, in fewer than four steps on average. */
uint64_t random_permute(uint64_t key, uint64_t n, uint64_t i)
{
    int half = 1;
    while (half < 31 && n > (uint64_t)1 << (2 * half))
        half++;
    const uint64_t mask = ((uint64_t)1 << half) - 1;
    do {
        uint64_t left = i >> half, right = i & mask;
        for (uint64_t round = 1; round <= 4; round++) {
            const uint64_t next = left ^ (splitmix(splitmix(key + splitmix_step * round) + right) & mask);
            left = right;
            right = next;
        }
        i = left << half | right;
    } while (i >= n);
    return i;
}
