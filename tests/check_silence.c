/* check_silence.c - nothing is silent: a setting that does nothing is said, and where nothing was measured stands no
 * number. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/asked.h"
#include "tests/scratch.h"
#include "tests/sequences.h"
#include "tests/small_run.h"
#include "tests/suite.h"
#include "tools/lib/commands.h"
#include "tools/lib/files.h"
#include "tools/lib/json.h"
#include "tools/measure/measure.h"
#include "tools/train/checkpoint.h"
#include "tools/train/run_page.h"

static char why[SWAX_WHY];

/* Networks of a few thousand weights, on this repository's text. */
#define SIZES "width=8 heads=1 length=16 batch=2 tier=ref threads=1 steps=4 sample_tokens=0 "
#define TEXT "file=ref/network/model.c "
#define MIXTURE "{\"part_1\": \"1 text file=ref/real.h held_out=0\", " \
                "\"part_2\": \"1 mqar pairs=2 key_symbols=8 values=8\"}"

static char *file_of(const char *folder, const char *name)
{
    char *path = in_folder(placed(folder), name), *text;
    ck_assert_msg(!access(path, F_OK), "there is no %s", path);
    read_whole(path, &text);
    return scratch_keep(text);
}

static void says(const char *text, const char *wanted)
{
    ck_assert_msg(strstr(text, wanted) != NULL, "no '%s' in\n%.1500s", wanted, text);
}

static void does_not_say(const char *text, const char *unwanted)
{
    ck_assert_msg(!strstr(text, unwanted), "'%s' in\n%.1500s", unwanted, strstr(text, unwanted));
}

/* ---- while training */

START_TEST(one_sequence_has_no_standard_error)
{
    const char *said = done(cmd_train, placed("out=@one mixers=swa " SIZES TEXT "held_out_sequences=1"));
    says(said, "  held out ");
    does_not_say(said, "+-");
    does_not_say(said, "nan");
    const char *log = file_of("@one", "log.jsonl"), *page = file_of("@one", "run.html");
    says(log, "\"held_out_error\":null,\"held_out_bits\":");
    does_not_say(log, "\"held_out_error\":0");
    says(page, "Held-out loss");
    does_not_say(page, "&plusmn;");
    said = done(cmd_eval, placed("@one sequences=1 context=4"));
    says(said, "1 sequence: loss ");
    ck_assert_msg(!strstr(said, "standard error") && !strstr(said, "nan"), "%s", said);
    says(done(cmd_eval, placed("@one sequences=2 context=4")), "(standard error ");
    said = done(cmd_train, placed("out=@two mixers=swa " SIZES TEXT "held_out_sequences=2"));
    says(said, " +- ");
    says(file_of("@two", "run.html"), "&plusmn;");
}
END_TEST

/* What a run that goes on holds its looks against. */
START_TEST(the_best_of_a_log_is_its_lowest)
{
    static const char log[] = "{\"step\":1,\"held_out_loss\":3.5,\"x\":1}\n{\"step\":2,\"held_out_loss\":1.25}\n"
                              "{\"step\":3}\n{\"step\":4,\"held_out_loss\":2}\n";
    char *folder = scratch("best");
    struct run_log l;
    double best = 0;
    ck_assert(!file_make_folder(folder, why));
    put(in_folder(folder, "log.jsonl"), log, sizeof log - 1);
    ck_assert(run_log_open(&l, folder, why) == RUN_FINISHED && !run_log_best(&l, &best, why));
    ck_assert_msg(best == 1.25, "the best of 3.5, 1.25 and 2 is %g", best);
    run_log_close(&l);
}
END_TEST

/* A page has room for 400 looks: of more the picture shows every second, fourth, ..., and the best of all is named. */
START_TEST(a_page_of_many_looks_forgets_none)
{
    static const struct { int looks, best, between; } of[] = {
        {400, 399, 201}, {401, 3, 301}, {799, 650, 501}, {801, 500, 601}, {3210, 2900, 2001}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        char name[20], said[120];
        const int n = of[i].looks;
        snprintf(name, sizeof name, "looks-%zu", i);
        char *folder = scratch(name), *path = in_folder(folder, "log.jsonl"), *page;
        struct run r = small_run(folder);
        struct run_log l;
        r.steps = n;
        ck_assert(!file_make_folder(folder, why));
        FILE *f = fopen(path, "w");
        for (int k = 1; k <= n; k++)
            fprintf(f, "{\"step\":%d,\"tokens\":%d,\"loss\":4,\"gradient_norm\":1,\"rate\":0.1,\"window\":4,"
                       "\"tokens_per_second\":9,\"held_out_loss\":%d,\"held_out_error\":0.1,"
                       "\"time_constants\":[[1,%d,%d,%d]]}\n", k, k, k == of[i].best ? 1 : 10000 + k, k, k + 1, k + 2);
        fclose(f);
        ck_assert_msg(run_log_open(&l, folder, why) == RUN_FINISHED, "%s", why);
        ck_assert_msg(!run_page_write(&r, &l, n, PAGE_FINISHED, why), "%s", why);
        run_log_close(&l);
        page = file_of("@", in_folder(name, "run.html"));
        snprintf(said, sizeof said, "Held-out loss <b>%d.0000</b>", n == of[i].best ? 1 : 10000 + n);
        says(page, said);
        snprintf(said, sizeof said, "the lowest was 1.0000, after %d tokens", of[i].best);
        says(page, said);
        /* the description has some thirty of the points that are drawn: none far from its neighbours, the last there,
         * and the cells' beside the look they belong to */
        const char *held_out = strstr(page, "held out: ") + strlen("held out: "), *at = held_out;
        double before = 0, loss, x = 0;
        for (int used; sscanf(at, "%lf at %lf%n", &loss, &x, &used) == 2; at += used + 2 * (at[used] == ',')) {
            ck_assert_msg(x > before && x - before < n / 7.0, "%d looks: none between %g and %g", n, before, x);
            ck_assert_msg(loss == (x == of[i].best ? 1 : 10000 + x), "%d looks: %g at %g", n, loss, x);
            before = x;
            if (at[used] != ',')
                break;
        }
        ck_assert_msg(x == n, "%d looks: the last that is drawn is %g", n, x);
        snprintf(said, sizeof said, "%d at %d (%d to %d)", n + 1, n, n, n + 2);
        says(page, said);
    }
}
END_TEST

/* Each curve is of what its title says. */
START_TEST(a_page_shows_each_column_under_its_title)
{
    static const struct { const char *title, *name; } of[] = {
        {"Loss", "training: 4 at 100"}, {"Norm of the gradient", "gradient: 11 at 100"},
        {"Learning rate", "rate: 0.25 at 100"}, {"Window", "mean of some steps: 6 at 100"},
        {"Speed", "tokens a second: 777 at 100"}};
    static const char line[] = "{\"step\":1,\"tokens\":100,\"loss\":4,\"gradient_norm\":11,\"rate\":0.25,\"window\":6,"
                               "\"tokens_per_second\":777}\n";
    char *folder = scratch("columns");
    struct run r = small_run(folder);
    struct run_log l;
    r.steps = 1;
    ck_assert(!file_make_folder(folder, why));
    put(in_folder(folder, "log.jsonl"), line, sizeof line - 1);
    ck_assert_msg(run_log_open(&l, folder, why) == RUN_FINISHED, "%s", why);
    ck_assert_msg(!run_page_write(&r, &l, 1, PAGE_FINISHED, why), "%s", why);
    run_log_close(&l);
    const char *page = file_of("@columns", "run.html");
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        char title[60];
        snprintf(title, sizeof title, "<title>%s</title>", of[i].title);
        const char *at = strstr(page, title), *end = at ? strstr(at, "</desc>") : NULL,
                   *said = at ? strstr(at, of[i].name) : NULL;
        ck_assert_msg(end && said && said < end, "the curve \"%s\" does not say \"%s\": %.300s", of[i].title,
                      of[i].name, at ? at : "it is not there");
    }
}
END_TEST

START_TEST(the_page_of_a_run_that_diverged_says_so)
{
    const struct answer a = ask_command(cmd_train, placed("out=@diverged mixers=swa " SIZES TEXT
                                                  "rate=1e6 decay=1e6 clip=0 warmup=0"));
    ck_assert_int_eq(a.status, 1);
    const char *page = file_of("@diverged", "run.html");
    says(page, "of 4</b>, diverged.");
    does_not_say(page, "http-equiv=\"refresh\"");
}
END_TEST

/* The numbered checkpoints are of the steps of their names, and of no others. */
START_TEST(a_numbered_checkpoint_is_of_that_step)
{
    done(cmd_train, placed("out=@numbered mixers=swa " SIZES TEXT "keep_every=2 checkpoint_every=3"));
    for (int step = 1; step <= 4; step++) {
        char name[60];
        struct checkpoint c;
        snprintf(name, sizeof name, "checkpoint-%08d.safetensors", step);
        const char *path = in_folder(placed("@numbered"), name);
        ck_assert_msg(!access(path, F_OK) == (step % 2 == 0), "%s is %s", name, step % 2 ? "there" : "missing");
        if (step % 2)
            continue;
        ck_assert_msg(!checkpoint_open(&c, path, why), "%s", why);
        ck_assert_int_eq(c.step, step);
        checkpoint_close(&c);
    }
}
END_TEST

/* moment1.* is the mean of gradients, moment2.* that of their squares: whoever reads the file finds them so. */
START_TEST(moments_stand_under_their_names)
{
    done(cmd_train, placed("out=@moments mixers=swa " SIZES TEXT));
    struct st_file *f = st_open(placed("@moments/checkpoint.safetensors"), why);
    ck_assert_msg(f, "%s", why);
    int found[2] = {0}, below[2] = {0};
    for (int i = 0; i < st_count(f); i++) {
        const struct st_tensor *t = st_tensor(f, i);
        const int second = !strncmp(t->name, "moment2.", 8);
        float *x = malloc((size_t)t->size * sizeof *x);
        ck_assert_msg(!st_read(f, t, ST_F32, x, why), "%s", why);
        found[second] += second || !strncmp(t->name, "moment1.", 8);
        for (int64_t k = 0; k < t->size && (second || !strncmp(t->name, "moment1.", 8)); k++)
            below[second] += x[k] < 0;
        free(x);
    }
    ck_assert_int_eq(found[0], found[1]);
    ck_assert_msg(below[0] > 0 && !below[1], "%d numbers of moment1, %d of moment2 are below 0", below[0], below[1]);
    st_close(f);
}
END_TEST

/* A part that holds nothing out is no reason to end a run at its first look. */
START_TEST(a_mixture_may_hold_too_little_out)
{
    put(scratch("mixture.json"), MIXTURE, sizeof MIXTURE - 1);
    const char *said = done(cmd_train, placed("out=@mixed mixers=swa " SIZES "data=mixture config=@mixture.json"));
    says(said, "What a part of the data holds out is too little for a sequence of 16 tokens: there is no held-out");
    does_not_say(file_of("@mixed", "log.jsonl"), "held_out_loss");
}
END_TEST

START_TEST(steps_and_minutes_are_not_both_taken)
{
    refused(cmd_train, placed("out=@both mixers=swa " SIZES TEXT "minutes=0.0000001"),
            "steps=4 and minutes=0.0000001 both say how long the run is");
    ck_assert(access(placed("@both"), F_OK));
    put(scratch("steps.json"), "{\"steps\": 3}", 12);
    put(scratch("minutes.json"), "{\"minutes\": 0.0000001}", 22);
#define SHORT "mixers=swa width=8 heads=1 length=16 batch=2 tier=ref threads=1 sample_tokens=0 " TEXT
    says(done(cmd_train, placed("out=@m1 " SHORT "config=@steps.json minutes=0.0000001")), "\n1 steps of ");
    says(done(cmd_train, placed("out=@m2 " SHORT "config=@minutes.json steps=2")), "\n2 steps of ");
    says(done(cmd_train, placed("out=@m3 " SHORT "config=@minutes.json")), "\n1 steps of ");
    says(done(cmd_train, placed("@m1 resume=yes minutes=5")),
         "minutes=5 was asked for: the 1 steps that were counted when the run began stand.");
#undef SHORT
}
END_TEST

START_TEST(a_run_that_goes_on_keeps_its_own_weights)
{
    done(cmd_train, placed("out=@first mixers=swa " SIZES TEXT));
    done(cmd_train, placed("out=@second mixers=swa " SIZES TEXT "from=@first"));
    refused(cmd_train, placed("@first resume=yes from=@second"), "began without from=");
    refused(cmd_train, placed("@second resume=yes from=@second"), "began with ");
    says(file_of("@first", "config.json"), "\"from\": \"\"");
    done(cmd_train, placed("@second resume=yes from=@first"));
}
END_TEST

/* The lowest held-out loss is of one text, and of as many sequences of it. */
START_TEST(a_run_that_goes_on_is_held_against_the_same)
{
    char text[400];
    memset(text, 'a', sizeof text);
    put(scratch("one.txt"), text, sizeof text);
    put(scratch("as-one.txt"), text, sizeof text);
    text[200] = 'b';
    put(scratch("other.txt"), text, sizeof text);
    done(cmd_train, placed("out=@held mixers=swa " SIZES TEXT "held_out_file=@one.txt held_out_sequences=3"));
    says(done(cmd_train, placed("@held resume=yes held_out_file=@other.txt")), "What is held out is not what it was");
    ck_assert(!strstr(done(cmd_train, placed("@held resume=yes held_out_file=@as-one.txt")), "not what it was"));
    refused(cmd_train, placed("@held resume=yes held_out_sequences=8"), "looks at 3, and its best is the lowest");
    refused(cmd_train, placed("@held resume=yes held_out_sequences=1"), "looks at 3, and its best is the lowest");
    refused(cmd_train, placed("@held resume=yes held_out_sequences=1048576"), "looks at 3, and its best is the lowest");
    refused(cmd_train, placed("@held resume=yes held_out_sequences=1048577"), "1048576");
    done(cmd_train, placed("@held resume=yes held_out_sequences=3"));
    done(cmd_train, placed("@held resume=yes held_out_sequences=0"));
    put(scratch("as-one.txt"), text, sizeof text);
    says(done(cmd_train, placed("@held resume=yes")), "What is held out is not what it was");
}
END_TEST

/* 100 bytes are five sequences of 16, from a start of up to 15: a sixth is text that was there before. */
START_TEST(text_that_counts_twice_is_said)
{
    char text[1000];
    for (int i = 0; i < 1000; i++)
        text[i] = (char)('a' + i * i % 23);
    put(scratch("few.txt"), text, sizeof text);
    says(done(cmd_train, placed("out=@few mixers=swa " SIZES "file=@few.txt held_out_sequences=6")),
         "It holds out 5 sequences of 16 bytes, and 6 are looked at: some are the same text once more");
    does_not_say(done(cmd_train, placed("out=@enough mixers=swa " SIZES "file=@few.txt held_out_sequences=5")),
                 "once more");
    struct answer a = ask_command(cmd_eval, placed("@enough sequences=6"));
    ck_assert_msg(!a.status && strstr(a.text, "hold out 5 sequences of 16 tokens, and 6 are asked for"), "%s", a.text);
    a = ask_command(cmd_eval, placed("@enough sequences=5"));
    ck_assert_msg(!a.status && !*a.text, "%s", a.text);
    a = ask_command(cmd_eval, placed("@enough sequences=1 lengths=60"));
    ck_assert_msg(!a.status && !*a.text, "%s", a.text);
    a = ask_command(cmd_eval, placed("@enough sequences=99 data=mqar pairs=2 key_symbols=8 values=8"));
    ck_assert_msg(!a.status && !*a.text, "%s", a.text);
}
END_TEST

START_TEST(settings_that_do_nothing_are_named)
{
    static const struct { const char *asked, *said; } of[] = {
        {"mixers=swa anneal=0.3", "anneal=0.3 does nothing without short_window=.\n"},
        {"mixers=swa ramp=0.1", "ramp=0.1 does nothing without short_window=.\n"},
        {"mixers=swa short_probability=0.9", "short_probability=0.9 does nothing without short_window=.\n"},
        {"mixers=swa cooldown=0.4", "cooldown=0.4 does nothing without schedule=wsd.\n"},
        {"mixers=swa schedule=constant final_rate=0.2", "final_rate=0.2 does nothing without schedule=cosine or "},
        {"mixers=swa held_out_sequences=0 held_out_every=2", "held_out_every=2 does nothing without held_out_seq"},
        {"mixers=mlstm window=8", "window=8 does nothing without a layer of swa.\n"},
        {"mixers=full,mlstm window=8 short_window=4", "short_window=4 does nothing without a layer of swa.\n"},
        {"mixers=swa held_out_file=ref/real.h held_out=0.3", "held_out=0.3 does nothing without a part of file= to"},
        {"mixers=swa held_out_file=ref/real.h held_out_blocks=3", "held_out_blocks=3 does nothing without a part of "},
        {"mixers=swa held_out=0 held_out_blocks=3", "held_out_blocks=3 does nothing without a part of "},
        {"mixers=swa,mlstm cell_heads=1 window=8 held_out_blocks=3 held_out=0.3", NULL},
        {"mixers=swa cell_heads=2", "cell_heads=2 does nothing without a layer of "},
        {"mixers=mlstm cell_heads=1", NULL}, /* heads=1 of SIZES is of swa's, full's and others' */
        {"mixers=swa short_window=16 window=16", "short_window=16 is window= itself"},
        {"mixers=swa,mlstm cell_heads=1 short_window=4 anneal=0.3 schedule=wsd cooldown=0.4 final_rate=0", NULL},
        {"mixers=swa anneal=0 short_probability=0.5", NULL},
    };
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        char asked[400];
        snprintf(asked, sizeof asked, "out=@idle-%zu " SIZES TEXT "%s", i, of[i].asked);
        const char *said = done(cmd_train, placed(asked));
        if (of[i].said)
            says(said, of[i].said);
        else if (!strstr(of[i].asked, "mixers=mlstm"))
            does_not_say(said, "does nothing");
        else
            does_not_say(said, "cell_heads=1 does nothing");
    }
}
END_TEST

/* ---- data */

START_TEST(what_is_trained_on_is_not_held_out)
{
    put(scratch("a.txt"), "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz", 52);
    put(scratch("b.txt"), "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz", 52);
    ck_assert(!symlink(scratch("a.txt"), scratch("c.txt")));
    refused(cmd_train, placed("out=@x mixers=swa " SIZES "file=@a.txt held_out_file=@a.txt"), "is not held out");
    refused(cmd_train, placed("out=@x mixers=swa " SIZES "file=@[ab].txt held_out_file=@b.txt"), "b.txt is among");
    refused(cmd_train, placed("out=@x mixers=swa " SIZES "file=@a.txt held_out_file=@c.txt"), "c.txt is among");
    done(cmd_train, placed("out=@apart mixers=swa " SIZES "file=@a.txt held_out_file=@b.txt"));
}
END_TEST

/* "VAR X = 5" of two chains would have two answers, of which the target names one. */
START_TEST(chains_do_not_share_a_value)
{
    const char *value[SOURCE_KEYS] = {NULL};
    const struct source *vt = source_find("vt");
    struct data d;
    struct data_batch b;
    value[source_key(vt, "chains")] = "8";
    value[source_key(vt, "hops")] = "1";
    value[source_key(vt, "digits")] = "1";
    ck_assert(!data_open(&d, vt, value, 1500, why) && !data_batch_new(&b, 1, 1500, why));
    for (uint64_t n = 0; n < 40; n++) {
        int seen[10] = {0};
        ck_assert(!data_fill(&d, &b, 1, DATA_TRAIN, n, why));
        for (int t = 0; t + 12 < 1500; t++)         /* "VAR ABCDE = 5" */
            if (b.batch.token[t] == 'V' && b.batch.token[t + 10] == '=' && b.batch.token[t + 12] != 'V') {
                const int digit = b.batch.token[t + 12] - '0';
                ck_assert_msg(digit > 0 && digit < 10 && !seen[digit], "sequence %d: %d is assigned twice", (int)n,
                              digit);
                seen[digit] = 1;
            }
    }
    data_batch_free(&b), data_close(&d);
}
END_TEST

/* ---- evaluation */

static struct json *evaluated(const char *arguments)
{
    const char *text = done(cmd_eval, placed(arguments));
    struct json *j = json_parse(text, strlen(text), why);
    ck_assert_msg(j && j->type == JSON_ARRAY && j->count == 1, "%s: it is %s", arguments, why);
    return j;
}

static double number_of(const struct json *all, const char *key)
{
    const struct json *j = json_get(all->first, key);
    ck_assert_msg(j && j->type == JSON_NUMBER, "no number \"%s\"", key);
    return j->number;
}

/* Mean and standard error over sequences of a ratio, sum x / sum n. */
static void ratio(const double *x, const double *n, int sequences, double *mean, double *error)
{
    double sums[2] = {0, 0}, squares = 0;
    for (int s = 0; s < sequences; s++)
        sums[0] += x[s], sums[1] += n[s];
    *mean = sums[0] / sums[1];
    for (int s = 0; s < sequences; s++)
        squares += pow(x[s] - *mean * n[s], 2);
    *error = sqrt(squares * sequences / (sequences - 1)) / sums[1];
}

static int near(double a, double b) { return fabs(a - b) < 1e-6 * (1 + fabs(b)); }

/* Targets of the task weigh 1 and all others 0.05: the loss is by weights and so is its error, the bits are of every
 * token alike; and five sequences are five, though a network of 8 looks at them. */
START_TEST(a_loss_stands_beside_its_own_error)
{
    enum { S = 5, T = 16 };
    const char *value[SOURCE_KEYS] = {NULL}, *wrong;
    const struct source *mqar = source_find("mqar");
    struct checkpoint c;
    struct data d;
    struct data_batch b;
    float loss[T];
    double x[S] = {0}, n[S] = {0}, plain[S] = {0}, targets[S] = {0}, mean, error;
    done(cmd_train, placed("out=@weighed mixers=swa " SIZES TEXT));
    struct json *j = evaluated("@weighed sequences=5 data=mqar pairs=2 rest=0.05 key_symbols=8 values=8 json=yes "
                               "tier=ref seed=7");
    value[source_key(mqar, "pairs")] = "2", value[source_key(mqar, "rest")] = "0.05";
    value[source_key(mqar, "key_symbols")] = value[source_key(mqar, "values")] = "8";
    ck_assert(!checkpoint_open(&c, placed("@weighed"), why) && !data_open(&d, mqar, value, T, why) &&
              !data_batch_new(&b, 1, T, why));
    struct swax_network *net =
        swax_network_new(&c.run.model, swax_tier_find("ref", &wrong), SWAX_PREC_F32, 1, T, 0, why);
    ck_assert(net && !checkpoint_load(&c, net, SWAX_PREC_F32, 0, why));
    for (int s = 0; s < S; s++) {
        ck_assert(!data_fill(&d, &b, 7, DATA_HELD_OUT, (uint64_t)s, why));
        b.batch.window = c.run.windows.window;
        swax_network_evaluate(net, &b.batch, loss, NULL, NULL);
        for (int t = 0; t < T; t++)
            if (b.batch.target[t] >= 0) {
                const double weight = b.tag[t] ? 1 : (double)0.05f;
                x[s] += weight * (double)loss[t], n[s] += weight, plain[s] += (double)loss[t], targets[s]++;
            }
    }
    ratio(x, n, S, &mean, &error);
    ck_assert(number_of(j, "sequences") == S);
    ck_assert_msg(near(number_of(j, "loss"), mean), "loss %g, not %g", number_of(j, "loss"), mean);
    ck_assert_msg(near(number_of(j, "loss_error"), error), "its error %g, not %g", number_of(j, "loss_error"), error);
    const double weighted = error;
    ratio(plain, targets, S, &mean, &error);
    ck_assert_msg(fabs(error - weighted) > 0.02 * weighted, "the two errors, %g and %g, cannot be told apart", error,
                  weighted);
    ck_assert_msg(near(number_of(j, "bits_per_token"), mean / log(2)) &&
                      near(number_of(j, "bits_error"), error / log(2)),
                  "%g bits with error %g, not %g and %g", number_of(j, "bits_per_token"), number_of(j, "bits_error"),
                  mean / log(2), error / log(2));
    json_free(j), data_batch_free(&b), data_close(&d), swax_network_free(net), checkpoint_close(&c);
}
END_TEST

START_TEST(what_is_generated_is_asked_for_answers_that_it_can_hold)
{
    done(cmd_train, placed("out=@writer mixers=swa " SIZES TEXT));
    refused(cmd_eval, placed("@writer sequences=2 context=0 generate=5"), "None of the 2 sequences has an answer");
    refused(cmd_eval, placed("@writer sequences=2 data=niah lengths=600 generate=5"),
            "An answer has 7 tokens, which 5 generated ones cannot contain: say generate=7");
    says(done(cmd_eval, placed("@writer sequences=2 data=niah lengths=600 generate=7")),
         "answers contained in 7 generated tokens: 0.000");
}
END_TEST

/* Tokens of RULER's tasks are bytes, and of a mixture whose parts' are. */
START_TEST(bits_are_of_bytes_where_tokens_are)
{
    done(cmd_train, placed("out=@bytes mixers=swa " SIZES TEXT));
    static const char *const of[] = {"data=niah", "data=vt", "data=words"};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        char asked[200];
        snprintf(asked, sizeof asked, "@bytes sequences=2 lengths=1400 %s json=yes", of[i]);
        struct json *j = evaluated(asked);
        ck_assert_msg(json_get(j->first, "bits_per_byte") && !json_get(j->first, "bits_per_token"), "%s", of[i]);
        json_free(j);
    }
    static const struct { const char *parts[2], *unit; } mixed[] = {
        {{"1 text file=README.md", "1 niah"}, "byte"}, {{"1 niah", "1 mqar"}, "token"}, {{"1 mqar", ""}, "token"},
        {{"1 vt", ""}, "byte"}, {{"", ""}, "token"}};
    for (size_t i = 0; i < sizeof mixed / sizeof *mixed; i++) {
        struct run r = run_default();
        ck_assert(!run_set(&r, "data", "mixture", why) && !run_set(&r, "part_1", mixed[i].parts[0], why) &&
                  !run_set(&r, "part_2", mixed[i].parts[1], why));
        ck_assert_str_eq(run_unit(&r), mixed[i].unit);
    }
}
END_TEST

int main(void)
{
    scratch_open();
    Suite *s = suite_create("silence");
    TCase *t = tcase_create("silence");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, one_sequence_has_no_standard_error);
    tcase_add_test(t, the_best_of_a_log_is_its_lowest);
    tcase_add_test(t, a_page_of_many_looks_forgets_none);
    tcase_add_test(t, a_page_shows_each_column_under_its_title);
    tcase_add_test(t, the_page_of_a_run_that_diverged_says_so);
    tcase_add_test(t, a_numbered_checkpoint_is_of_that_step);
    tcase_add_test(t, moments_stand_under_their_names);
    tcase_add_test(t, a_mixture_may_hold_too_little_out);
    tcase_add_test(t, steps_and_minutes_are_not_both_taken);
    tcase_add_test(t, a_run_that_goes_on_keeps_its_own_weights);
    tcase_add_test(t, a_run_that_goes_on_is_held_against_the_same);
    tcase_add_test(t, text_that_counts_twice_is_said);
    tcase_add_test(t, settings_that_do_nothing_are_named);
    tcase_add_test(t, what_is_trained_on_is_not_held_out);
    tcase_add_test(t, chains_do_not_share_a_value);
    tcase_add_test(t, a_loss_stands_beside_its_own_error);
    tcase_add_test(t, what_is_generated_is_asked_for_answers_that_it_can_hold);
    tcase_add_test(t, bits_are_of_bytes_where_tokens_are);
    suite_add_tcase(s, t);
    const int failed = suite_ends(s);
    scratch_close();
    return failed;
}
