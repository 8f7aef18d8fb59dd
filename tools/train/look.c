/* look.c - what a run shows of itself now and then: its loss on what it does not train on, how long its cells remember,
 * what it would write, and a page of it all.  No bit of the training depends on it: weights are read alone. */
#include "tools/train/session.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "tools/lib/clock.h"
#include "tools/lib/files.h"
#include "tools/lib/pick.h"
#include "tools/lib/say.h"
#include "tools/train/held_out.h"

enum { PAGE_SECONDS = 5 };

/* What the network made of finite weights is not finite: the run has diverged, whoever noticed it. */
static enum run_end look_diverged(struct session *s, const char *where, const char *trouble, char *why)
{
    say(why, "Step %d, %s: %s", s->step, where, trouble);
    session_name_last_good(s, why);
    return RUN_DIVERGED;
}

/* One token after another into f, as `swax sample` draws them. */
static const char *write_sample(const struct session *s, struct swax_decoder *d, const struct vocabulary *words,
                                FILE *f, char *why)
{
    const struct run *r = &s->r;
    const int V = r->model.vocabulary, separator = run_separator(r);
    const struct pick p = {.temperature = 1, .top_p = 1, .vocabulary = V, .order = malloc((size_t)V * sizeof(int))};
    float *logits = malloc((size_t)V * sizeof *logits);
    int token = run_first_token(r);
    const char *wrong = p.order && logits ? NULL : say(why, "There is no memory for the logits of a sample.");
    swax_decoder_separator(d, separator);
    for (int i = 0; i < r->sample_tokens && !wrong; i++) {
        struct random draw = random_open(1, RANDOM_SAMPLE, (uint64_t)i);
        const char *bad = swax_decoder_feed(d, &token, 1, logits);
        if (bad)
            wrong = say(why, "%s", bad);
        else
            vocabulary_write(f, words, 1, token = pick_token(&p, logits, &draw));
    }
    free(p.order);
    free(logits);
    return wrong;
}

/* Where tokens are text. */
static enum run_end sample(struct session *s, struct run_point *p, char *why)
{
    const struct source *from = s->r.source;
    const struct vocabulary *words = from->words ? from->words(s->data.opened) : NULL;
    if (!s->r.sample_tokens || !(words || s->r.model.vocabulary == 256))
        return RUN_FINISHED;
    free(s->sample);
    s->sample = NULL;
    FILE *f = file_open_text(&s->sample, &p->sample_bytes);
    struct swax_decoder *d = f ? swax_decoder_new(s->n, 1, s->r.windows.window, why) : NULL;
    const char *wrong = !f ? say(why, "There is no memory for a sample.")
                      : !d ? why
                           : write_sample(s, d, words, f, why);
    if (d)
        swax_decoder_free(d);
    if (f && !file_close_text(f, &s->sample) && !wrong)
        wrong = say(why, "There is no memory for a sample.");
    p->sample = wrong ? NULL : s->sample;
    const char *trouble = wrong ? swax_network_trouble(s->n) : NULL;       /* NULL: there was no memory */
    return trouble ? look_diverged(s, "a sample", trouble, why) : wrong ? RUN_REFUSED : RUN_FINISHED;
}

enum run_end session_look(struct session *s, struct run_point *p, char *why)
{
    const struct run *r = &s->r;
    const int every = r->held_out_every ? r->held_out_every : r->steps > 20 ? r->steps / 20 : 1;
    p->held_out = p->held_out_error = (double)NAN;
    p->sample = NULL;
    p->cells = 0;
    if (!r->held_out_sequences || (s->step % every && s->step != r->steps))
        return RUN_FINISHED;
    if (held_out_loss(s->n, &s->data, &s->part[0], r, r->held_out_sequences, &p->held_out, &p->held_out_error, why) ||
        data_same(&s->data, why))
        return RUN_REFUSED;
    const char *trouble = swax_network_trouble(s->n);
    if (trouble)
        return look_diverged(s, "held out", trouble, why);
    if (held_out_cells(s->n, &s->part[0], p, why))
        return RUN_REFUSED;
    return sample(s, p, why);
}

const char *session_show(struct session *s, enum run_page state, char *why)
{
    const double now = clock_seconds();
    if (!*s->r.out || (!state && s->shown > 0 && now - s->shown < PAGE_SECONDS))
        return NULL;
    s->shown = now;
    return run_page_write(&s->r, &s->log, s->step, state, why);
}
