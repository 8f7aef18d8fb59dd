/* own_tall.c - problems in which one size is tall. Kernels take a row in one block of 256 to 4,096 elements, and lose
 * what is behind it. So every size whose range goes beyond such a block crosses it in a problem of its own, where the
 * other sizes are small, and in a last one goes far beyond the largest.
 *
 * They come in the order of their blocks. What the plain function took for the lower ones says how long it would take
 * for the next, and where that is too long, the climb ends there and the report says so. */
#include "tools/verify/own.h"

#include <math.h>
#include <string.h>

static const int block[] = {256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536};
enum { STANDARD = 5, HARD = sizeof block / sizeof *block };
static const double SECONDS = 10;     /* of the plain function, in all tall problems together */

/* Block b of that suite, or 0 where it has no such. */
static int block_of(const char *suite, int b)
{
    const int quick = !strcmp(suite, "quick"), hard = !strcmp(suite, "hard");
    return b >= (hard ? HARD : STANDARD) || (quick && b % 2) ? 0 : block[b];
}

static int within(const struct own_size *s, int b)
{
    return !s->choices && !s->divides && s->least <= b && b < s->most / s->step * s->step;
}

/* The largest block that a size goes beyond, or 0. */
static int last_block(const struct own_size *s, const char *suite)
{
    int last = 0;
    for (int b = 0; b < (strcmp(suite, "hard") ? STANDARD : HARD); b++)
        last = within(s, block[b]) ? block[b] : last;
    return last;
}

/* The k-th: which size, and the block that it crosses, or 0 where it goes far beyond the last one.  0 if there are
 * fewer. */
static int find(int k, const struct own *w, const char *suite, int *size, int *at)
{
    for (int b = 0; b <= HARD; b++)
        for (int i = 0; i < w->sizes; i++) {
            *size = i;
            *at = b < HARD ? block_of(suite, b) : 0;
            if ((b < HARD ? *at && within(&w->size[i], *at) : last_block(&w->size[i], suite) > 0) && !k--)
                return 1;
        }
    return 0;
}

int own_talls(const struct own *w, const char *suite)
{
    int n = 0, size, at;
    while (find(n, w, suite, &size, &at))
        n++;
    return n;
}

/* Of a quarter just the block, of the others up to an eighth more; far beyond: in the upper half of what lies between
 * the last block and twice that. */
static int tall_size(const struct own_size *s, const char *suite, int at, uint64_t *random)
{
    const int last = last_block(s, suite), most = s->most / s->step * s->step;
    int x = at + (op_random(random) % 4 ? 1 + (int)(op_random(random) % (uint64_t)(at / 8 + 1)) : 0);
    if (!at) {
        const int end = most - last < last ? most : 2 * last, half = (end - last) / 2;
        x = end - (int)(op_random(random) % (uint64_t)(half + 1));
    }
    x = (x + s->step - 1) / s->step * s->step;
    return x < most ? x : most;
}

void own_tall_sizes(struct own_problem *p, const struct own *w, const char *suite, uint64_t seed, int number, int k,
                    double numbers)
{
    static const int few[] = {9, 3, 1};
    int size, at;
    find(k, w, suite, &size, &at);
    uint64_t random = (seed * 1000003 + (uint64_t)number) * 0x9e3779b97f4a7c15 + 2;
    const int extent = tall_size(&w->size[size], suite, at, &random);
    for (int f = 0; f < 3 && (!f || own_numbers(p, w) > numbers); f++)
        own_sizes(p, w, seed, number, &(struct own_tall){size, extent, few[f]});
}

/* ---- how far up */

/* As it grew between the last two, but no less than the size itself and no more than its cube. */
double own_climb_expects(const struct own_climb *c, int n)
{
    if (c->n[1] < 1)
        return 0;
    const double grew = c->n[0] > 0 && c->n[0] < c->n[1]
                          ? log(c->seconds[1] / c->seconds[0]) / log((double)c->n[1] / c->n[0])
                          : 3;
    return c->seconds[1] * pow((double)n / c->n[1], fmin(fmax(grew, 1), 3));
}

/* One problem may take a fifth of what is left. */
int own_climbs(const struct own_climb *c, int n, double spent)
{
    return own_climb_expects(c, n) <= (SECONDS - spent) / 5;
}

void own_climbed(struct own_climb *c, int n, double seconds)
{
    c->n[0] = c->n[1], c->seconds[0] = c->seconds[1];
    c->n[1] = n, c->seconds[1] = fmax(seconds, 1e-6);
}
