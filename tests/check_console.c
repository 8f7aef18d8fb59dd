/* check_console.c - what train and eval print, and the log of a run, are the lines that are kept, but for times and
 * speeds. */
#include <check.h>
#include <ctype.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/golden.h"
#include "tests/printed.h"
#include "tests/scratch.h"
#include "tests/suite.h"
#include "tools/ablate/jobs.h"
#include "tools/lib/commands.h"
#include "tools/train/progress.h"

/* Numbers that the clock or the machine decides become '#', the folder a word. */
static char *without_clock(char *text, const char *folder)
{
    static const char *const before[] = {"\"tokens_per_second\":", "\"time\":", NULL},
                      *const behind[] = {" tokens/s", " % of peak", " left", " s\n", NULL};
    char *to = text;
    for (char *s = text; *s;) {
        const size_t n = strlen(folder);
        size_t digits = 0;
        int masked = 0;
        if (n && !strncmp(s, folder, n)) {
            to += sprintf(to, "FOLDER");
            s += n;
            continue;
        }
        for (int i = 0; before[i] && !masked; i++)
            if (!strncmp(s, before[i], strlen(before[i]))) {
                memmove(to, s, strlen(before[i]));
                to += strlen(before[i]);
                s += strlen(before[i]);
                masked = 1;
            }
        while (isdigit((unsigned char)s[digits]) || (digits && strchr(".:kM", s[digits]) && s[digits]))
            digits++;
        for (int i = 0; behind[i] && digits && !masked; i++)
            masked = !strncmp(s + digits, behind[i], strlen(behind[i]));
        if (masked)
            *to++ = '#';
        else if (digits)
            memmove(to, s, digits), to += digits;
        else
            *to++ = *s++;
        s += digits;
    }
    *to = 0;
    return text;
}

/* What is written is nobody's to execute, in folders below too. */
static void no_programs(const char *folder)
{
    DIR *d = opendir(folder);
    int files = 0;
    ck_assert_msg(d != NULL, "there is no folder %s", folder);
    for (struct dirent *e; (e = readdir(d));) {
        char *path = in_folder(folder, e->d_name);
        struct stat s;
        ck_assert(!stat(path, &s));
        if (S_ISREG(s.st_mode))
            files++, ck_assert_msg(!(s.st_mode & 0111) && s.st_mode & 0600, "%s has mode %o", path, s.st_mode);
        else if (e->d_name[0] != '.')
            no_programs(path);
        free(path);
    }
    closedir(d);
    ck_assert_msg(files || strstr(folder, "runs"), "%s is empty", folder);
}

static const char settings[] = "data=mentions keys=3 key_symbols=5 values=3 filler=6 copies=1 copy_symbols=3 "
                               "copy_lags=8 span=6 tier=ref threads=1 width=16 heads=2 cell_heads=2 batch=2 length=48 "
                               "window=8 short_window=4 rate=0.01 mixers=swa,mlstm,full";

START_TEST(train_says_how_far_it_is)
{
    char arguments[2048], *log, *const out = scratch("run"), *const bytes = scratch("bytes");
    snprintf(arguments, sizeof arguments, "out=%s steps=6 held_out_every=2 held_out_sequences=4 %s", out, settings);
    golden_is("train.txt", without_clock(printed_by(cmd_train, arguments), out), 1e-3);
    no_programs(out);
    read_whole(in_folder(out, "log.jsonl"), &log);
    golden_is("log.txt", without_clock(log, out), 1e-3);
    snprintf(arguments, sizeof arguments, "out=%s file=ref/rope.c steps=41 length=16 batch=1 window=16 tier=ref "
                                          "threads=1 width=8 heads=1 cell_heads=1 held_out=0.2",
             bytes);
    char *text = without_clock(printed_by(cmd_train, arguments), bytes), *line = strstr(text, "step ");
    ck_assert_msg(strstr(text, "window=16 is not shorter than the sequences of 16 tokens: it is full attention.") !=
                      NULL,
                  "%s", text);
    ck_assert_msg(strstr(text, " bytes for training (") != NULL, "%s", text);
    ck_assert_msg(strstr(text, "bits per byte") != NULL, "%s", text);
    int lines = 0;
    for (int last = 0, step; line; line = strstr(line + 1, "step "), lines++, last = step) {
        step = atoi(line + 5);
        /* twenty lines and the last */
        ck_assert_msg(step == last + 2 || (step == 41 && last == 40), "step %d is said after step %d", step, last);
    }
    ck_assert_int_eq(lines, 21);

    /* how many steps fit is said by the run that found out, and not by one that goes on */
    char *const hurried = scratch("hurried");
    for (int again = 0; again < 2; again++) {
        snprintf(arguments, sizeof arguments, "out=%s file=ref/rope.c minutes=0.0000001 length=16 batch=1 window=8 "
                                              "tier=ref threads=1 width=8 heads=1 cell_heads=1 resume=%s",
                 hurried, again ? "yes" : "no");
        text = printed_by(cmd_train, arguments);
        ck_assert_msg((strstr(text, "1e-07 minutes are about 1 steps here.\n") == NULL) == again, "%s time: %s",
                      again ? "the second" : "the first", text);
    }

    /* the same network, asked */
    snprintf(arguments, sizeof arguments,
             "%s sequences=4 lengths=48,96 windows=4,8 inside=yes generate=6 threads=1 tier=ref", out);
    golden_is("eval.txt", without_clock(printed_by(cmd_eval, arguments), out), 1e-3);
    snprintf(arguments, sizeof arguments,
             "%s sequences=4 lengths=48,96 inside=yes generate=6 json=yes threads=1 tier=ref", out);
    golden_is("eval.json", without_clock(printed_by(cmd_eval, arguments), out), 1e-3);
    snprintf(arguments, sizeof arguments,
             "%s sequences=4 probe=span_cut facts_end=6 facts_first=1 ask=20-40 threads=1 tier=ref", out);
    golden_is("eval_probe.txt", without_clock(printed_by(cmd_eval, arguments), out), 1e-3);
    snprintf(arguments, sizeof arguments, "%s tokens=12 seed=3 tier=ref threads=1 prompt=1,2,3", out);
    golden_is("sample.txt", printed_by(cmd_sample, arguments), 0);
}
END_TEST

/* ---- an ablation: a line a run, in the order in which they end; what failed, and the verdicts */

static const char tiny[] =
    "{\"name\": \"tiny\", \"seeds\": 2, \"sequences\": 6, \"points\": 2, \"memory\": \"beyond\", "
    "\"near\": \"in-short\",\n"
    " \"settings\": {\"width\": 16, \"heads\": 2, \"cell_heads\": 2, \"cell_key_dim\": 8, \"input_gate_bias\": 0, "
    "\"mixers\": \"swa mlstm\", \"length\": 48, \"batch\": 2,\n"
    "  \"steps\": 3, \"window\": 16, \"tier\": \"ref\", \"data\": \"mentions\", \"keys\": 3, \"key_symbols\": 4, "
    "\"values\": 2, \"typed\": 0, \"filler\": 1, \"copies\": 0},\n"
    " \"arms\": [{\"name\": \"short\", \"role\": \"short\", \"settings\": {\"window\": 4}}, "
    "{\"name\": \"long\", \"role\": \"long\"},\n"
    "  {\"name\": \"wild\", \"settings\": {\"rate\": 1000000, \"clip\": 0}}],\n"
    " \"claims\": [{\"claim\": \"memory\", \"holds\": [\"short.beyond >= 0.5\", "
    "\"long.beyond <= 0.5 * short.beyond\"]}]}\n";

static void ablate(void *arg)
{
    char *argv[] = {scratch("tiny.json"), arg, "jobs=1", "threads=1"};
    const int err = dup(2);
    dup2(1, 2);
    put(argv[0], tiny, sizeof tiny - 1);
    ck_assert_int_eq(cmd_ablate(4, argv), 1);
    fflush(stdout);
    dup2(err, 2);
    close(err);
}

START_TEST(ablate_says_what_came_out)
{
    char out[700], command[1600], *folder = scratch("tiny"), *page;
    snprintf(out, sizeof out, "out=%s", folder);
    golden_is("ablate.txt", without_clock(printed_in(ablate, out), folder), 1e-3);
    no_programs(folder);
    read_whole(in_folder(folder, "report.html"), &page);
    snprintf(command, sizeof command, "swax ablate %s out=%s jobs=1 threads=1", scratch("tiny.json"), folder);
    ck_assert_msg(strstr(page, command) != NULL, "the page does not say how it was made: %s", command);
}
END_TEST

/* Stands in for the C library's: is what is printed seen on a terminal, whose columns $COLUMNS says? */
static int on_terminal;

int isatty(int fd) { return on_terminal && fd == 1; }

/* What a terminal shows: a line that is written over again is its last state.  Each is no longer than the terminal is
 * wide, so that none is broken in the middle of a word. */
static char *screen_of(const char *text, int columns)
{
    char *screen = scratch_keep(calloc(strlen(text) + 2, 1)), *line = screen;
    int at = 0, end = 0;
    for (; *text; text++) {
        if (*text == '\r')
            at = 0;
        else if (*text == '\n') {
            while (end && line[end - 1] == ' ')
                end--;
            line[end] = '\n', line += end + 1, at = end = 0;
        } else {
            line[at++] = *text;
            end = at > end ? at : end;
        }
        ck_assert_msg(end <= columns, "a line of more than %d letters: %.200s", columns, line);
    }
    line[end] = 0;
    return screen;
}

START_TEST(an_ablation_fits_the_terminal)
{
    static const char *const wide[] = {"80", "60", "40"};
    for (int i = 0; i < 3; i++) {
        char out[700], name[20];
        snprintf(name, sizeof name, "wide-%s", wide[i]);
        snprintf(out, sizeof out, "out=%s", scratch(name));
        on_terminal = 1;
        setenv("COLUMNS", wide[i], 1);
        char *text = printed_in(ablate, out);
        on_terminal = 0;
        /* what went wrong is a sentence at the beginning of a line, of any length; so is where it all lies */
        for (char *p = text; (p = strstr(p, "swax: wild"));) {
            ck_assert_msg(p[-1] == '\r' || p[-1] == '\n', "it goes on behind '%.20s'", p - 20);
            memmove(p, strchr(p, '\n') + 1, strlen(strchr(p, '\n') + 1) + 1);
        }
        *strstr(text, scratch(name)) = 0;
        char *screen = screen_of(text, atoi(wide[i]));
        ck_assert_msg(strstr(screen, "\nundecided  memory\n           short.beyond = ") != NULL, "%s", screen);
        ck_assert_msg(!strstr(screen, "\n\n"), "an empty line at %s columns:\n%s", wide[i], screen);
        ck_assert_msg((strstr(screen, "\n           in-short ") != NULL) == (i == 2), "at %s columns:\n%s", wide[i],
                      screen);
        ck_assert_msg(strstr(screen, "short      seed 1   beyond 0.") != NULL, "%s", screen);
    }
}
END_TEST

/* ---- a line of an ablation's progress, of made-up runs: steps of 100, of arms a, b and c for two seeds */

static void show(void *s) { jobs_show(s, 60); }

static void line_is(struct jobs *s, const char *expected)
{
    char line[100];
    snprintf(line, sizeof line, "\r%-78.78s", expected);
    const char *text = printed_in(show, s);
    ck_assert_msg(!strcmp(text, line), "the line is '%s' and should be '%s'", text, line);
}

START_TEST(a_line_of_an_ablation_has_its_numbers)
{
    static const struct job job[] = {{DONE, 0, 100}, {RUNNING, 0, 25}, {RUNNING, 0, 50}, {WAITING, 0, 10},
                                     {FAILED, 0, 70}, {BUSY, 0, 30}};
    static const char *const name[] = {"a", "b", "c"};
    static struct jobs s;
    s.a.arms = 3, s.runs = 6, s.shards = 1;
    for (int k = 0; k < 6; k++)
        s.job[k] = job[k], s.a.run[k % 3].steps = 100, s.chosen[k % 3] = 1, s.a.arm[k % 3].name = name[k % 3];
    line_is(&s, "1 of 6 runs | b s1 25 % | c s1 50 %");
    s.steps_done = 43;         /* in a minute; 75 + 50 + 90 are left */
    line_is(&s, "1 of 6 runs | b s1 25 % | c s1 50 % | 5 min left");
    s.shards = 2, s.shard = 1, s.job[2].state = WAITING, s.job[3].state = RUNNING;
    line_is(&s, "0 of 3 runs | b s1 25 % | a s2 10 % | 4 min left");
    s.shards = 1, s.shard = 0, s.chosen[1] = 0, s.job[1].state = WAITING, s.job[2].state = RUNNING;
    line_is(&s, "1 of 4 runs | c s1 50 % | a s2 10 % | 3 min left");
    s.job[0] = (struct job){RUNNING, 0, 0};       /* the first counts as the others do: all of it is left */
    line_is(&s, "0 of 4 runs | a s1 0 % | c s1 50 % | a s2 10 % | 6 min left");
    s.job[0] = job[0];
    /* no run is begun where the line has 54 letters */
    s.chosen[1] = 1, s.job[1].state = RUNNING;
    s.a.arm[1].name = "a-name-of-thirty-one-letters-is";
    line_is(&s, "1 of 6 runs | a-name-of-thirty-one-letters-is s1 25 % | c s1 50 % | 5 min left");
    s.a.arm[1].name = "a-name-of-thirty-two-letters-is-";
    line_is(&s, "1 of 6 runs | a-name-of-thirty-two-letters-is- s1 25 % | 5 min left");
}
END_TEST

/* A folder whose name a shell would take apart is quoted where the run says how to go on. */
static void stopped(void *out)
{
    char *argv[] = {out, "data=copy", "span=2", "length=16", "batch=1", "width=8", "heads=1", "cell_heads=1", "steps=9",
                    "tier=ref", "threads=1"};
    run_interrupted = 1;
    ck_assert_int_eq(cmd_train(sizeof argv / sizeof *argv, argv), 1);
    run_interrupted = 0;
}

START_TEST(as_many_run_at_once_as_pays)
{
    static const struct { int asked; enum ablation_trial trial; int cores, runs, at_once; } of[] = {
        {0, ABLATION_ON_HOST, 6, 20, 6}, {0, ABLATION_ON_HOST, 6, 5, 5}, {0, ABLATION_ON_HOST, 300, 999, 256},
        {0, ABLATION_ON_DEVICE, 6, 20, 1}, {0, ABLATION_ON_SHARED_DEVICE, 6, 20, 8},
        {0, ABLATION_ON_SHARED_DEVICE, 6, 3, 3}, {4, ABLATION_ON_HOST, 2, 20, 4}, {4, ABLATION_ON_DEVICE, 2, 20, 4},
        {9, ABLATION_ON_SHARED_DEVICE, 2, 20, 9}, {9, ABLATION_ON_HOST, 2, 8, 8}, {1, ABLATION_ON_HOST, 6, 20, 1}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++)
        ck_assert_msg(jobs_at_once(of[i].asked, of[i].trial, of[i].cores, of[i].runs) == of[i].at_once,
                      "row %d: %d runs at once, not %d", (int)i,
                      jobs_at_once(of[i].asked, of[i].trial, of[i].cores, of[i].runs), of[i].at_once);
}
END_TEST

START_TEST(how_to_go_on_can_be_typed)
{
    static const char *const name[][2] = {          /* and as a shell reads it back */
        {"plain", "plain"}, {"\xc3\xbc", "\xc3\xbc"}, {"two words", "two words'"}, {"o'clock", "o'\\''clock'"},
        {"$HOME", "$HOME'"}
    };
    for (int i = 0; i < 5; i++) {
        char out[700], expected[800], *const folder = scratch("");
        snprintf(out, sizeof out, "out=%s%s", folder, name[i][0]);
        snprintf(expected, sizeof expected, "Stopped after step 0 of 9. To go on: swax train %sout=%s%s resume=yes\n",
                 i < 2 ? "" : "'", folder, name[i][1]);
        const char *text = printed_in(stopped, out);
        ck_assert_msg(strstr(text, expected) != NULL, "no '%s' in\n%s", expected, text);
    }
}
END_TEST

/* ---- how much data there is */

START_TEST(data_are_counted_in_words_that_fit_them)
{
    static const struct { int bytes; const char *held_out, *said; } asked[] = {
        {90, "0.1", "81 bytes for training (0.198 epochs), 9 held out\nThat is too little "
                    "for a sequence of 16 bytes: there is no held-out loss and no best.safetensors.\n"},
        {170, "0.1", "153 bytes for training (0.105 epochs), 17 held out\nwindow=64"},
        {160, "0.1", "144 bytes for training (0.111 epochs), 16 held out\nThat is too"},
        {160, "0", "160 bytes for training (0.1 epochs), 0 held out\nwindow=64"},
        {20000, "0.5",
         "10 thousand bytes for training (0.0016 epochs), 10 thousand held out\n"},
        {1250000, "0.2",
         "1 million bytes for training (1.6e-05 epochs), 250 thousand held out\n"},
    };
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        char arguments[1024], name[16], *const file = scratch("bytes.txt"), *const text = calloc(1, 1250000);
        snprintf(name, sizeof name, "amount%zu", i);
        put(file, text, (size_t)asked[i].bytes);
        snprintf(arguments, sizeof arguments,
                 "out=%s file=%s held_out=%s steps=1 length=16 batch=1 tier=ref threads=1 width=8 heads=1 cell_heads=1 "
                 "mixers=swa sample_tokens=0 held_out_sequences=1", scratch(name), file, asked[i].held_out);
        const char *said = printed_by(cmd_train, arguments);
        ck_assert_msg(strstr(said, asked[i].said) != NULL, "no '%s' in\n%s", asked[i].said, said);
        free(text);
    }
}
END_TEST

/* ---- a line of progress, of made-up points */

struct made_up {
    const struct run *r;
    int done, steps, points;
    double peak;
    const struct run_point *point;
    int columns;
};

static void progress(void *arg)
{
    const struct made_up *m = arg;
    struct progress p;
    progress_open(&p, m->done, m->steps, m->peak, 1);
    p.live = p.columns = m->columns;
    for (int i = 0; i < m->points; i++)
        progress_step(&p, m->r, &m->point[i]);
    progress_close(&p);
}

START_TEST(a_line_of_progress_has_its_numbers)
{
    static const struct run_point point[] = {
        {.step = 8, .loss = 3, .tokens_per_second = 950, .window = 4, .held_out = NAN},
        {.step = 9, .loss = 1, .tokens_per_second = 450, .window = 8, .held_out = 2, .held_out_error = 0.25},
        {.step = 10, .loss = 5, .tokens_per_second = 123456789, .window = 8, .held_out = NAN},
        {.step = 11, .loss = 5, .tokens_per_second = 1e9, .window = 8, .held_out = NAN}};
    struct run r = run_default();
    char why[SWAX_WHY];
    ck_assert(!run_set(&r, "data", "text", why) && !run_set(&r, "vocabulary", "256", why) &&
              !run_set(&r, "length", "64", why));
    const double flops = swax_network_flops(&r.model, 64, 8, 1);
    struct made_up m = {&r, 7, 11, 4, flops * 1000, point, 0};
    char expected[300], *text = printed_in(progress, &m);
    double loss = 0, parts = 0, slowness = 1.0 / 950;
    const char *line = text;
    for (int i = 0; i < 4; i++) {
        char amount[20];
        loss = 0.95 * loss + 0.05 * point[i].loss, parts = 0.95 * parts + 0.05;
        slowness = i ? 0.95 * slowness + 0.05 / point[i].tokens_per_second : slowness;
        const double speed = 1 / slowness;
        snprintf(amount, sizeof amount, "%.0f", speed);
        snprintf(expected, sizeof expected, "step %d/11  loss %.4f%s  %s tokens/s  %.0f %% of peak  window %d  ",
                 point[i].step, loss / parts, i ? "  held out 2.0000 +- 0.2500 (2.8854 bits per byte)" : "", amount,
                 100 * speed * swax_network_flops(&r.model, 64, point[i].window, 1) / m.peak, point[i].window);
        ck_assert_msg(!strncmp(line, expected, strlen(expected)), "the line is\n%.*s\nand should begin with\n%s",
                      (int)strcspn(line, "\n"), line, expected);
        line += strcspn(line, "\n") + 1;
    }
    ck_assert(!*line);

    static const struct { double speed; const char *said; } speeds[] = {
        {9999, "  9999 tokens/s"}, {12345, "  12.3k tokens/s"}, {1e6, "  1M tokens/s"}, {2.5e6, "  2.5M tokens/s"},
        {10000, "  10k tokens/s"}};
    for (size_t i = 0; i < sizeof speeds / sizeof *speeds; i++) {
        const struct run_point one = {.step = 1, .loss = 1, .tokens_per_second = speeds[i].speed, .window = 4,
                                      .held_out = NAN};
        m = (struct made_up){&r, 0, 1, 1, 0, &one, 0};
        text = printed_in(progress, &m);
        ck_assert_msg(strstr(text, speeds[i].said) && !strstr(text, "peak") && strstr(text, "  0:00 left\n"),
                      "'%s' does not say '%s'", text, speeds[i].said);
    }
}
END_TEST

static void ten_seconds_ago(void *arg)
{
    const struct made_up *m = arg;
    struct progress p;
    progress_open(&p, m->done, m->steps, 0, 10);
    progress_step(&p, m->r, m->point);
    progress_close(&p);
}

/* A run that goes on knows its pace from the steps that it made itself: one in ten seconds, and nine are left. */
START_TEST(time_that_is_left_is_that_of_steps_made_here)
{
    static const struct run_point point = {.step = 91, .loss = 1, .tokens_per_second = 1, .window = 4, .held_out = NAN,
                                           .sample = "", .sample_bytes = 0};
    struct run r = run_default();
    struct made_up m = {&r, 90, 100, 1, 0, &point, 0};
    int minutes = 0, seconds = 0;
    const char *text = printed_in(ten_seconds_ago, &m), *at = strstr(text, "window 4  ");
    ck_assert_msg(at && sscanf(at, "window 4 %d:%d left", &minutes, &seconds) == 2, "%s", text);
    const int left = 60 * minutes + seconds;           /* on a machine that is held up for a while, more */
    ck_assert_msg(left >= 90 && left < 3600, "%d seconds are left, of nine steps that take ten each", left);
}
END_TEST

/* On a terminal a line that is longer than it would be left behind at each step: what matters least goes first. */
START_TEST(a_line_of_progress_fits_the_terminal)
{
    static const struct run_point point = {.step = 9, .loss = 1, .tokens_per_second = 1000, .window = 8, .held_out = 2,
                                           .held_out_error = 0.25, .sample = "abcdefghijklmnopqrstuvwxyz",
                                           .sample_bytes = 26};
    static const struct { int columns; const char *line; } asked[] = {
        {200, "[==================> ] step 9/10  loss 1.0000  held out 2.0000 +- 0.2500 (2.8854 bits per byte)  1000 "
              "tokens/s  "}, {80, "step 9/10  loss 1.0000  held out 2.0000  1000 tokens/s  "},
        {55, "step 9/10  loss 1.0000  held out 2.0000  0:0"}, {40, "step 9/10  loss 1.0000  0:0"},
        {30, "step 9/10  loss 1.0000"}, {20, "step 9/10"}, {5, "step 9/10"}};
    struct run r = run_default();
    char why[SWAX_WHY];
    ck_assert(!run_set(&r, "data", "text", why) && !run_set(&r, "vocabulary", "256", why));
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        struct made_up m = {&r, 8, 10, 1, 1e12, &point, asked[i].columns};
        const char *text = printed_in(progress, &m), *line = strrchr(text, '\r') + 1;
        const int said = (int)(strrchr(text, '\n') - text), long_as = (int)strcspn(line, "\033");
        ck_assert_msg(!strncmp(line, asked[i].line, strlen(asked[i].line)), "in %d columns:\n%s", asked[i].columns,
                      line);
        ck_assert_msg(long_as < asked[i].columns || !strncmp(line, "step 9/10\033", 10), "%d in %d columns:\n%s",
                      long_as, asked[i].columns, line);
        ck_assert_msg(said > 0 && ((int)strcspn(text + 1, "\033") < asked[i].columns || asked[i].columns < 15),
                      "in %d columns:\n%s", asked[i].columns, text);
        const char *sample = asked[i].columns >= 60 ? "step 9, held out 2.0000, writes: abc" : "  it writes: ";
        ck_assert_msg(!strncmp(text + 1, sample, strlen(sample)), "in %d columns no '%s':\n%s", asked[i].columns,
                      sample, text);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("console");
    TCase *t = tcase_create("console");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, train_says_how_far_it_is);
    tcase_add_test(t, ablate_says_what_came_out);
    tcase_add_test(t, an_ablation_fits_the_terminal);
    tcase_add_test(t, a_line_of_an_ablation_has_its_numbers);
    tcase_add_test(t, as_many_run_at_once_as_pays);
    tcase_add_test(t, how_to_go_on_can_be_typed);
    tcase_add_test(t, data_are_counted_in_words_that_fit_them);
    tcase_add_test(t, a_line_of_progress_has_its_numbers);
    tcase_add_test(t, time_that_is_left_is_that_of_steps_made_here);
    tcase_add_test(t, a_line_of_progress_fits_the_terminal);
    suite_add_tcase(s, t);
    scratch_open();
    const int failed = suite_ends(s);
    scratch_close();
    return failed;
}
