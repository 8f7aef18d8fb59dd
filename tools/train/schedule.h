/* schedule.h - what changes from step to step: the window and the learning rate.  Steps count from 0. */
#ifndef SWAX_SCHEDULE_H
#define SWAX_SCHEDULE_H

#include <stdint.h>

/* Fixed: short_window = 0.  Stochastic (arXiv 2509.24552): each step draws the short window with probability
 * short_probability, from a generator of its own, for all layers.  The last `anneal` of the steps take the long
 * one only; over the `ramp` of the steps before them the probability falls to 0 in a straight line. */
struct windows {
    int window, short_window;
    double short_probability, anneal, ramp;
};

double short_probability_at(const struct windows *w, int step, int steps);
int window_at(const struct windows *w, uint64_t seed, int step, int steps);

/* The learning rate: up in a straight line over `warmup` of the steps; then
 *   cosine     down half a cosine to final_rate times the highest;
 *   wsd        constant, and over the last `cooldown` of the steps down in a straight line to final_rate times the
 *              highest (warm-up, stable, decay): a run may be cut short anywhere before, and cooled down from there;
 *   constant   constant. */
enum schedule { SCHEDULE_COSINE, SCHEDULE_WSD, SCHEDULE_CONSTANT };
struct rates { enum schedule schedule; double highest, warmup, cooldown, final_rate; };

/* How many steps fit into so many seconds, where the gradient of one takes `gradient`, and each of a run's twenty looks
 * at held-out sequences `looked_at` batches; from 1 to 2^30. */
int steps_in(double seconds, double gradient, double looked_at);

double rate_at(const struct rates *r, int step, int steps);

#endif
