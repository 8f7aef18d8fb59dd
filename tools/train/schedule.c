/* schedule.c - the window and the learning rate of a step. */
#include "tools/train/schedule.h"

#include <math.h>
#include "tools/lib/random.h"

double short_probability_at(const struct windows *w, int step, int steps)
{
    if (!w->short_window)
        return 0;
    const double left = 1 - (double)step / steps;      /* of the run, this step included */
    if (left <= w->anneal)
        return 0;
    return w->short_probability * (left < w->anneal + w->ramp ? (left - w->anneal) / w->ramp : 1);
}

int window_at(const struct windows *w, uint64_t seed, int step, int steps)
{
    struct random r = random_open(seed, RANDOM_WINDOW, (uint64_t)step);
    return random_unit(&r) < short_probability_at(w, step, steps) ? w->short_window : w->window;
}

double rate_at(double highest, double warmup, double final_rate, int step, int steps)
{
    const double up = warmup * steps;
    if (step < up)
        return highest * fmin((step + 1) / up, 1);
    const double done = (step - up) / (steps - up);
    return highest * (final_rate + (1 - final_rate) * 0.5 * (1 + cos(3.141592653589793 * done)));
}
