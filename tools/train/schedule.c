/* schedule.c - the window and the learning rate of a step. */
#include "tools/train/schedule.h"

#include <math.h>
#include "tools/lib/random.h"

/* 0.3 of 20 steps are 6, though 0.3 is a little less than 3/10 */
static const double rounding = 1e-6;

double short_probability_at(const struct windows *w, int step, int steps)
{
    if (!w->short_window)
        return 0;
    const int left = steps - step;                     /* this step included */
    const double long_only = w->anneal * steps, ramp = w->ramp * steps;
    if (left <= long_only + rounding)
        return 0;
    return w->short_probability * (left < long_only + ramp ? (left - long_only) / ramp : 1);
}

int window_at(const struct windows *w, uint64_t seed, int step, int steps)
{
    struct random r = random_open(seed, RANDOM_WINDOW, (uint64_t)step);
    return random_unit(&r) < short_probability_at(w, step, steps) ? w->short_window : w->window;
}

/* Checkpoints take three hundredths of the time, the update two of a gradient's, and the loss of a batch a third of its
 * gradient. */
int steps_in(double seconds, double gradient, double looked_at)
{
    const double looks = 20 * looked_at * gradient / 3;
    const double steps = fmax((0.97 * seconds - looks) / (1.02 * gradient), 1);
    return steps < 1 << 30 ? (int)steps : 1 << 30;
}

double rate_at(const struct rates *r, int step, int steps)
{
    const double up = r->warmup * steps, down = r->cooldown * steps, left = steps - step;      /* this step included */
    if (step < up)
        return r->highest * fmin((step + 1) / up, 1);
    if (r->schedule == SCHEDULE_CONSTANT)
        return r->highest;
    if (r->schedule == SCHEDULE_WSD)
        return r->highest * (left > down + rounding ? 1 : r->final_rate + (1 - r->final_rate) * left / (down + 1));
    const double done = (step - up) / (steps - up);
    return r->highest * (r->final_rate + (1 - r->final_rate) * 0.5 * (1 + cos(3.141592653589793 * done)));
}
