/* ablate.c - swax ablate: all runs of an ablation, in processes side by side, and its report.
 *
 * What is finished is kept, what is not goes on where it stopped, whoever starts it again and however it ended.
 * Machines that share a folder each take a shard of the runs; two that take the same run notice it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/ablate/examine.h"
#include "tools/ablate/jobs.h"
#include "tools/lib/commands.h"
#include "tools/lib/files.h"
#include "tools/lib/nearest.h"
#include "tools/lib/json.h"
#include "tools/lib/say.h"
#include "tools/lib/terminal.h"
#include "tools/lib/threads.h"

static const char *read_all(const struct ablation *a, struct outcome *r, char *why)
{
    for (int i = 0; i < a->arms; i++)
        for (int s = 0; s < a->seeds; s++)
            if (outcome_read(&r[i * a->seeds + s], a, i, s, why))
                return why;
    return NULL;
}

/* What the file says now, and did not when the runs were made. */
static void say_what_changed(const struct jobs *s, const struct outcome *r)
{
    char line[200];
    int other = 0;
    for (int k = 0; k < s->runs; k++)
        other += r[k].other;
    snprintf(line, sizeof line, "%d finished run%s asked other questions than the file has now, and left out: without "
             "report=yes %s asked again.", other, other == 1 ? " was" : "s were", other == 1 ? "it is" : "they are");
    if (other)
        terminal_wrap(line, 0, 0, terminal_columns());
    if (s->a.claims && s->a.rules == RULES_CHANGED)
        terminal_wrap("The rules of the verdicts were changed since the runs began.", 0, 0, terminal_columns());
}

static void say_verdict(const struct verdict *v)
{
    char measured[sizeof v->measured + sizeof v->why + 4];
    const int columns = terminal_columns(), at = printf("%-9s  ", ablate_verdict_name[v->says]);
    snprintf(measured, sizeof measured, "%s%s%s", v->measured, *v->why ? "; " : "", v->why);
    terminal_wrap(v->claim->claim, at, at, columns);
    terminal_wrap(measured, printf("%*s", at, ""), at, columns);
}

static const char *report(const struct jobs *s, char *why)
{
    struct outcome *r = calloc((size_t)s->runs, sizeof *r);
    static struct verdict v[ABLATE_CLAIMS];
    if (!r)
        return say(why, "There is no memory for the report.");
    const char *wrong = read_all(&s->a, r, why);
    if (!wrong)
        wrong = results_write(&s->a, r, why);
    if (!wrong)
        wrong = report_write(&s->a, r, s->command, why);
    if (!wrong) {
        say_what_changed(s, r);
        verdicts(v, &s->a, r);
        for (int c = 0; c < s->a.claims; c++)
            say_verdict(&v[c]);
        printf("%s/report.html and results.json hold it all.\n", s->a.out);
    }
    free(r);
    return wrong;
}

/* ---- the command line */

struct asked { char ablation[KEY_TEXT], arms[KEY_TEXT], out[KEY_TEXT], shard[KEY_TEXT]; int seeds, jobs, report; };

static const struct key keys[] = {
    KEY_ROW(&key_path, "ablation", struct asked, ablation, "",
            "one that is built in, by its name, or a file, FILE.json", .others = "preset file"),
    KEY_ROW(&key_path, "out", struct asked, out, "", "the folder; ablation-NAME if it is not given",
            .others = "output output_dir"),
    KEY_WHOLE("seeds", struct asked, seeds, NULL, 1, ABLATE_SEEDS, "1 to N; left out, as many as the ablation says",
              .others = "seed"),
    KEY_WHOLE("jobs", struct asked, jobs, NULL, 1, MOST_AT_ONCE,
              "runs side by side, each on its share of the cores; left out, as many as this process may use; on a GPU "
              "8 where its driver lets processes share it (MPS), else one", .others = "parallel workers"),
    KEY_ROW(&key_text, "arms", struct asked, arms, "", "only these arms, as short,long; left out, all of the ablation"),
    KEY_ROW(&key_text, "shard", struct asked, shard, "", "I/N: of N machines that share the folder, this is number I"),
    KEY_YES("report", struct asked, report, "train nothing, only make the report from what is there"),
    {0},
};

/* A path is named with its .json; a name is of one that is built in.  To be freed. */
static char *read_ablation(const char *name, char *why)
{
    size_t size;
    const size_t n = strlen(name);
    return n > 5 && !strcmp(name + n - 5, ".json") ? file_read(name, 1 << 20, &size, why)
                                                   : ablate_builtin_text(name, why);
}

/* The keys of a run but its seed: an ablation trains with several, and counts them. */
static const struct key *without_seed(void)
{
    static struct key row[64];
    for (int i = 0, n = 0; run_keys[i].name && n < 63; i++)
        if (strcmp(run_keys[i].name, "seed"))
            row[n++] = run_keys[i];
    return row;
}

static void tables(struct keys *k, const struct options *o)
{
    static struct run base;
    char why[SWAX_WHY];
    const char *name = o ? options_value(o, "ablation") : NULL;
    char *text = name ? read_ablation(name, why) : NULL;
    base = run_default();
    if (!text || ablation_settings(&base, text, why))
        run_set(&base, "data", "mentions", why);
    free(text);
    keys_add(k, NULL, keys, NULL);
    run_tables(k, &base, 0);
    k->table[1].title = "The runs, for all arms alike";
    k->table[1].rows = without_seed();
}

static const char *read_shard(struct jobs *s, const char *text, char *why)
{
    struct key number = {.name = "shard", .least = 1, .most = 1e6};
    char first[KEY_TEXT];
    const char *slash = strchr(text, '/');
    s->shards = 1;
    if (!*text)
        return NULL;
    snprintf(first, sizeof first, "%.*s", slash ? (int)(slash - text) : 0, text);
    if (!slash || key_whole.read(&s->shard, &number, first, why) ||
        key_whole.read(&s->shards, &number, slash + 1, why) || s->shards < s->shard)
        return say(why, "shard=%.60s: it is I/N, as 1/4 to 4/4 for four machines.", text);
    s->shard--;
    return NULL;
}

/* "short,long": which arms are trained. */
static const char *choose_arms(struct jobs *s, const char *arms, char *why)
{
    char copy[KEY_TEXT];
    memset(s->chosen, !*arms, sizeof s->chosen);
    snprintf(copy, sizeof copy, "%s", arms);
    for (char *name = strtok(copy, ", "); name; name = strtok(NULL, ", ")) {
        struct nearest n = nearest_to(name);
        int found = 0;
        for (int i = 0; i < s->a.arms; i++) {
            nearest_try(&n, s->a.arm[i].name);
            if (!strcmp(s->a.arm[i].name, name))
                s->chosen[i] = 1, found = 1;
        }
        if (!found)
            return n.best ? say(why, "arms=%.60s: there is no arm %.40s: did you mean %s?", arms, name, n.best)
                          : say(why, "arms=%.60s: there is no arm %.40s.", arms, name);
    }
    return NULL;
}

static const char *open_session(struct jobs *s, struct options *o, char *why)
{
    struct asked a = {.seeds = 0};
    struct keys k = {.of = "`swax ablate`"};
    keys_default(keys, &a);
    keys_add(&k, NULL, keys, &a);
    if (options_give(o, &k, why))
        return why;
    for (int i = 0; i < o->n; i++)                 /* a file that config= names may be that of one run */
        if (!strcmp(o->list[i].key, "seed") && !o->list[i].of_config)
            return keys_unknown(&k, "seed", why);
    if (!*a.ablation)
        return say(why, "Which ablation? `swax ablate help` lists those that are built in.");
    char *text = read_ablation(a.ablation, why);
    const char *wrong = !text || read_shard(s, a.shard, why) ? why : ablation_open(&s->a, text, o, why);
    free(text);
    if (wrong || choose_arms(s, a.arms, why))
        return why;
    const int cores = threads_allowed();
    if (snprintf(s->a.out, sizeof s->a.out, *a.out ? "%s" : "ablation-%s", *a.out ? a.out : s->a.name) >=
        (int)sizeof s->a.out - 64)
        return say(why, "out=%.60s...: this path is too long.", s->a.out);
    s->only_report = a.report;
    if (!s->only_report && examine_foresee(&s->a, why))        /* hours of training later would be late */
        return why;
    const enum ablation_trial trial = s->only_report ? ABLATION_ON_HOST : ablation_try(&s->a.run[0], why);
    if (trial == ABLATION_REFUSED)
        return why;
    s->a.seeds = a.seeds ? a.seeds : s->a.seeds;
    s->runs = s->a.arms * s->a.seeds;
    s->at_once = jobs_at_once(a.jobs, trial, cores, s->runs);
    s->threads = cores > s->at_once ? cores / s->at_once : 1;
    s->live = isatty(STDOUT_FILENO);
    return ablation_claim(&s->a, s->only_report, why);
}

/* What was said on the command line, as it may be typed again. */
static const char *remember_command(struct jobs *s, const struct options *o, char *why)
{
    size_t size;
    FILE *f = file_open_text(&s->command, &size);
    if (f)
        fputs("swax ablate", f);
    for (int i = 0; i < o->n && f; i++) {
        const struct option *p = &o->list[i];
        const int bare = !strcmp(p->key, "ablation") && !strchr(p->value, '=');
        if (p->of_config)
            continue;
        fputc(' ', f);
        say_word(f, bare ? NULL : p->key, p->value);
    }
    s->command = f ? file_close_text(f, &s->command) : NULL;
    return s->command ? NULL : say(why, "There is no memory for the command.");
}

/* What became of this shard's runs, as the exit status. */
static int status_of(const struct jobs *s)
{
    int count[STOPPED + 1];
    jobs_count(s, count);
    if (count[BUSY])
        printf("%d runs are being made by another process.\n", count[BUSY]);
    if (!s->only_report && (count[WAITING] || count[STOPPED]))
        printf("Stopped. To go on: %s\n", s->command);
    return count[FAILED] || (!s->only_report && (count[WAITING] || count[STOPPED]));
}

static int run(struct options *o)
{
    static struct jobs s;
    char why[SWAX_WHY];
    memset(&s, 0, sizeof s);
    const char *wrong = remember_command(&s, o, why) ? why : open_session(&s, o, why);
    if (!wrong && pipe(s.pipe))
        wrong = say_errno(why, "A pipe", "cannot be made");
    if (wrong) {
        free(s.command);
        ablation_close(&s.a);
        return command_fails(wrong);
    }
    if (!s.only_report) {
        jobs_catch_signals();
        jobs_run(&s);
    }
    close(s.pipe[0]);
    close(s.pipe[1]);
    wrong = report(&s, why);
    const int status = wrong ? command_fails(wrong) : status_of(&s);
    free(s.command);
    ablation_close(&s.a);
    return status;
}

const struct command command_ablate = {
    .name = "ablate",
    .summary = "train many networks that differ in their windows, and report what the paper claims of them",
    .usage = "NAME|FILE.json [key=value ...]", .words = "ablation", .prints = PROGRESS,
    .about =
        "Trains every arm of an ablation with every seed, in processes side by side, examines the networks, and says "
        "what the numbers say to the claims. An ablation is a JSON file of settings, arms, questions and claims, which "
        "data/ablate/README.md describes; built in are smoke, which exercises everything in under a minute and claims "
        "nothing; quick, short, long and stochastic windows, pure SWA and pure mLSTM on two cores; full, every window, "
        "probability and annealing over five seeds; code, code-small and code-smoke, the same question of text that "
        "`make corpus` makes, with code-gdn, code-decay and code-rates beside it; and ruler, the paper's windows.\n\n"
        "Stopped or killed, it goes on when it is started again; machines that share the folder take shard=1/4 to "
        "shard=4/4 and the report is made from what is there. The folder then holds report.html (plots, tables, and a "
        "verdict on each claim; it needs nothing from outside), results.json (the same for programs) and "
        "runs/ARM-sSEED: each run's log.jsonl, config.json, checkpoint, curve.json and result.json.",
    .keys = tables, .run = run,
};
