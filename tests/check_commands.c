/* check_commands.c - what is asked for on the command line is done, or answered with one sentence and status 2. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "ref/oracle/oracle.h"
#include "tools/train/checkpoint.h"
#include "tools/train/progress.h"
#include "tools/lib/commands.h"
#include "tools/lib/json.h"
#include "tools/lib/threads.h"
#include "tests/asked.h"
#include "tests/printed.h"
#include "tests/scratch.h"
#include "tests/small_run.h"
#include "tests/suite.h"

static char why[SWAX_WHY];

static void nap(int ms)
{
    const struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
    nanosleep(&t, NULL);
}

/* ---- bad input, from the command line */

#define FAR "no/such/folder/as/this/nor/any/in/it/that/goes/on/for/so/long/"

static const char *const bad_arguments[][2] = {
    {"", "out=FOLDER"},
    {"out=@x", "file="},
    {"out=@x widht=64", "did you mean width?"},
    {"out=@x stpes=64", "did you mean steps?"},
    {"out=@x fiel=ref/network/model.c", "did you mean file?"},
    {"out=@x data=txet", "did you mean text?"},
    {"out=@x width=64 width=none", "width=none"},
    {"out=@x width=none width=64", "file="},
    {"out=~/x file=ref/real.h", "$HOME"},
    {"out=@x lr=0.1", "did you mean rate?"},
    {"out=@x learning_rate=0.1", "did you mean rate?"},
    {"out=@x epochs=3", "did you mean steps?"},
    {"out=@x batch_size=3", "did you mean batch?"},
    {"out=@x --rate", "a value belongs behind it"},
    {"@x @y", "key=value"},
    {"out=@x config=tiny key_symbols=4", "key_symbols"},
    {"out=@x banana", "key=value"},
    {"out=@x steps=0", "steps=0"},
    {"out=@x steps=ten", "steps=ten"},
    {"out=@x steps=99999999999999999999", "whole number"},
    {"out=@x window=0", "window=0"},
    {"out=@x rate=nan", "rate=nan"},
    {"out=@x rate=-1", "rate=-1"},
    {"out=@x seed=-1", "seed=-1"},
    {"out=@x seed=18446744073709551616", "seed=18446744073709551616"},
    {"out=@x precision=fp8", "fp32, fp64 or bf16"},
    {"out=@x resume=maybe", "yes or no"},
    {"out=@x batch=4 accumulate=3 file=ref/network/model.c", "accumulate=3"},
    {"out=@x window=8 short_window=9 file=ref/network/model.c", "short_window=9"},
    {"out=@x anneal=0.6 ramp=0.5 file=ref/network/model.c", "anneal=0.6"},
    {"out=@x heads=5 file=ref/network/model.c", "heads"},
    {"out=@x mixers=swa,mlsm,swa file=ref/network/model.c", "'mlsm' is no mixer: should be"},
    {"out=@x tier=abacus file=ref/network/model.c", "abacus"},
    {"out=@x file=no/such/file", "no/such/file"},
    {"out=@x file=ref", "ref is not a file"},
    {"out=@x file=@empty", "empty"},
    {"out=@x file=ref/real.h length=100000", "too few"},
    {"out=@x file=ref/network/model.c held_out=1", "held_out"},
    {"out=@x file=ref/network/model.c separator=256", "separator"},
    {"out=@x file=ref/network/model.c vocabulary=100", "vocabulary"},
    {"out=@x data=shards file=ref/network/model.c", "no llm.c token file"},
    {"out=@nothing-here resume=yes", "file="},
    {"config=no/such/file.json", "no/such/file.json"},
    {"config=" FAR FAR FAR FAR FAR FAR "file.json", "file.json cannot be read: No such file"},
    {"out=@x beta1=1", "0.9999999"},
    {"config=ref/network/model.c", "not valid JSON"},
    {"config=@list.json", "object"},
    {"config=@nested.json", "\"a\""},
    {"out=@x file=\xff", "UTF-8"},
    {"out=@occupied/x file=ref/network/model.c", "occupied"},
};

START_TEST(bad_arguments_get_one_sentence_and_leave_nothing)
{
    put(scratch("empty"), "", 0);
    put(scratch("list.json"), "[1]", 3);
    put(scratch("nested.json"), "{\"a\":{}}", 8);
    put(scratch("occupied"), "mine", 4);
    refused(cmd_train, placed(bad_arguments[_i][0]), bad_arguments[_i][1]);
    ck_assert_msg(access(scratch("x"), F_OK), "a folder was made for: %s", bad_arguments[_i][0]);
}
END_TEST

static enum run_verdict stop_at_9(void *arg, const struct run *r, const struct run_point *p, struct swax_network *n)
{
    (void)arg, (void)r, (void)n;
    return p && p->step == 9 ? RUN_STOP : RUN_GO_ON;
}

START_TEST(nothing_is_overwritten)
{
    char *out = scratch("mine"), *path = in_folder(out, checkpoint_name), *before, *after, arguments[1024];
    struct run r = small_run(out);
    ck_assert_msg(run_train(&r, NULL, NULL, why) == RUN_FINISHED, "%s", why);
    const size_t n = read_whole(path, &before);
    snprintf(arguments, sizeof arguments, "out=%s file=ref/network/model.c", out);
    refused(cmd_train, arguments, "resume=yes");
    snprintf(arguments, sizeof arguments, "out=%s resume=yes width=32", out);
    refused(cmd_train, arguments, "\"width\": 16, where \"width\": 32");
    snprintf(arguments, sizeof arguments, "out=%s resume=yes seed=2", out);
    refused(cmd_train, arguments, "\"seed\": 1");
    snprintf(arguments, sizeof arguments, "from=%s to=%s", out, path);
    refused(cmd_convert, arguments, "not overwritten");

    char *other = scratch("other");      /* the checkpoint of a network of another shape */
    struct run wide = small_run(other);
    wide.model.width = 32;
    ck_assert_msg(run_train(&wide, NULL, NULL, why) == RUN_FINISHED, "%s", why);
    ck_assert_int_eq(rename(in_folder(other, checkpoint_name), path), 0);
    const size_t m = read_whole(path, &before);
    snprintf(arguments, sizeof arguments, "out=%s resume=yes", out);
    refused(cmd_train, arguments, "\"width\": 32");
    ck_assert(read_whole(path, &after) == m && !memcmp(before, after, m) && m != n);

    char *log_only = scratch("log-only"), *log = in_folder(log_only, "log.jsonl");
    ck_assert_int_eq(mkdir(log_only, 0777), 0);
    put(log, "my own notes\n", 13);
    snprintf(arguments, sizeof arguments, "out=%s file=ref/network/model.c", log_only);
    refused(cmd_train, arguments, "log.jsonl");
    ck_assert(read_whole(log, &after) == 13 && !memcmp(after, "my own notes\n", 13));
}
END_TEST
START_TEST(an_interrupt_finishes_the_step_and_can_be_resumed)
{
    char *whole = scratch("uninterrupted"), *out = scratch("interrupted"), *log = in_folder(out, "log.jsonl");
    struct run r = small_run(whole);
    r.steps = 100000000;      /* hours: only the signal ends it */
    r.checkpoint_every = 1000000;
    int status;
    struct stat s = {0};
    snprintf(r.out, sizeof r.out, "%s", out);
    char *json = scratch_keep(run_json(&r, 0)), *config = scratch("interrupted.json"), arguments[1024];
    put(config, json, strlen(json));
    /* threads=1: with CK_FORK=no this process may have had threads, which no child of it has */
    snprintf(arguments, sizeof arguments, "config=%s out=%s threads=1", config, out);
    signal(SIGINT, SIG_DFL);        /* what a shell starts in the background ignores it, and a run would too */
    const pid_t child = fork();
    if (!child)
        _exit(ask_command(cmd_train, arguments).status);
    while (s.st_size < 1000 && !waitpid(child, &status, WNOHANG)) {
        nap(10);
        stat(log, &s);
    }
    ck_assert_msg(s.st_size >= 1000, "it ended before its signal, with %x", (unsigned)status);
    kill(child, SIGINT);
    ck_assert(waitpid(child, &status, 0) == child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 1, "status %x", status);
    struct checkpoint c;
    ck_assert_msg(!checkpoint_open(&c, out, why), "%s", why);
    ck_assert_int_gt(c.step, 0);
    ck_assert_int_lt(c.step, 100000000);
    char *said, wanted[80];
    read_whole(scratch("stdout"), &said);
    snprintf(wanted, sizeof wanted, "Stopped after step %d of 100000000. To go on: swax train ", c.step);
    ck_assert_msg(strstr(scratch_keep(said), wanted) != NULL, "no '%s' in %s", wanted, said);
    checkpoint_close(&c);
}
END_TEST

/* One command in a loop does a run, whatever ends it: in a new folder resume=yes begins.  What is said of steps is
 * said of the run. */
START_TEST(one_command_begins_and_goes_on)
{
    char *out = scratch("looped"), arguments[1024];
    struct run r = small_run(out);
    struct checkpoint c;
    char *json = scratch_keep(run_json(&r, 0)), *config = scratch("looped.json"), *text;
    put(config, json, strlen(json));
    snprintf(arguments, sizeof arguments, "%s config=%s resume=yes steps=24", out, config);
    run_interrupted = 1;
    text = printed_by(cmd_train, arguments);
    ck_assert_msg(strstr(text, "this run begins") && strstr(text, "Stopped after step 0 of 24"), "%s", text);
    run_interrupted = 0;
    text = printed_by(cmd_train, arguments);
    ck_assert_msg(strstr(text, "Finished"), "%s", text);
    ck_assert_msg(!checkpoint_open(&c, out, why) && c.step == 24, "%s", why);
    checkpoint_close(&c);

    char *half = scratch("half");
    struct run h = small_run(half);
    ck_assert_msg(run_train(&h, stop_at_9, NULL, why) == RUN_INTERRUPTED, "%s", why);
    snprintf(arguments, sizeof arguments, "%s resume=yes", half);
    run_interrupted = 1;
    text = printed_by(cmd_train, arguments);
    run_interrupted = 0;
    ck_assert_msg(strstr(text, "Going on after step 9") && strstr(text, "Stopped after step 9 of 24"), "%s", text);
}
END_TEST

/* What a run was made on is said when it goes on elsewhere; time that is given counts where no step was made yet; and a
 * folder with a checkpoint alone holds a run. */
START_TEST(a_run_that_goes_on_knows_what_it_was)
{
    char *out = scratch("elsewhere"), arguments[1024], *text;
    struct run r = small_run(out), there;
    const char *other = swax_tier_find(NULL, &(const char *){0})->name;
    strcpy(r.tier, "ref");
    ck_assert_msg(run_train(&r, stop_at_9, NULL, why) == RUN_INTERRUPTED, "%s", why);
    snprintf(arguments, sizeof arguments, "%s resume=yes tier=%s", out, other);
    run_interrupted = 1;
    text = printed_by(cmd_train, arguments);
    run_interrupted = 0;
    ck_assert_msg(strstr(text, "Going on after step 9.") != NULL, "%s", text);
    if (strcmp(other, "ref"))
        ck_assert_msg(strstr(text, "It was trained on ref: ") != NULL, "%s", text);

    ck_assert_int_eq(unlink(in_folder(out, "config.json")), 0);
    ck_assert_msg(run_exists(out), "a checkpoint without config.json is no run");
    ck_assert(!run_exists(scratch("nowhere")));

    char *first = scratch("first");
    struct run f = small_run(first);
    run_interrupted = 1;
    ck_assert_msg(run_train(&f, NULL, NULL, why) == RUN_INTERRUPTED, "%s", why);
    run_interrupted = 0;
    ck_assert_int_eq(unlink(in_folder(first, checkpoint_name)), 0);
    snprintf(arguments, sizeof arguments, "%s resume=yes minutes=0.0000001", first);
    text = printed_by(cmd_train, arguments);
    ck_assert_msg(!run_read(&there, first, why) && there.steps == 1, "%d steps: %s", there.steps, text);
}
END_TEST

/* After the first of ten steps, which took 2 seconds, 18 are left. */
static int show_first_step(int argc, char **argv)
{
    struct progress p;
    const struct run r = small_run("");
    const struct run_point first = {.step = 1, .window = 4, .loss = 5, .seconds = 2, .tokens_per_second = 64};
    (void)argc, (void)argv;
    progress_open(&p, 0, 10, 0, first.seconds);
    progress_step(&p, &r, &first);
    return 0;
}

START_TEST(time_that_is_left_is_known_from_the_first_step_on)
{
    char *text = printed_by(show_first_step, "");
    ck_assert_msg(strstr(text, "0:18 left") || strstr(text, "0:19 left"), "%s", text);
}
END_TEST

/* ---- from a checkpoint */

START_TEST(models_survive_the_way_to_hugging_face_and_back)
{
    char *out = scratch("model"), arguments[2048];
    struct run r = small_run(out);
    const char *const settings[][2] = {{"mixers", "swa mlstm full"}, {"key_value_heads", "1"}, {"head_dim", "7"},
                                       {"cell_key_dim", "3"}, {"cell_value_dim", "5"}};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        ck_assert_msg(!run_set(&r, settings[i][0], settings[i][1], why), "%s", why);
    r.steps = 3;
    ck_assert_msg(run_train(&r, NULL, NULL, why) == RUN_FINISHED, "%s", why);
    static const char *const rope[] = {"half_split", "interleaved"};
    char path[2][600], hf[2][600];
    for (int i = 0; i < 2; i++) {
        snprintf(hf[i], sizeof hf[i], "%s-%s", out, rope[i]);
        snprintf(path[i], sizeof path[i], "%s-%s.safetensors", out, rope[i]);
        snprintf(arguments, sizeof arguments, "from=%s to=%s rope=%s", out, hf[i], rope[i]);
        ck_assert_int_eq(ask_command(cmd_convert, arguments).status, 0);
        snprintf(arguments, sizeof arguments, "from=%s to=%s rope=%s", hf[i], path[i], rope[i]);
        const struct answer a = ask_command(cmd_convert, arguments);
        ck_assert_msg(a.status == 0, "%s", a.text);
    }
    ck_assert(same_bytes(path[0], path[1]));

    struct checkpoint before, after;
    ck_assert(!checkpoint_open(&before, out, why) && !checkpoint_open(&after, path[0], why));
    ck_assert_int_eq(after.run.windows.window, 16);
    ck_assert(!memcmp(before.run.model.mixer, after.run.model.mixer, 3) && after.run.model.layers == 3);
    for (int i = 0; i < st_count(after.file); i++) {
        const struct st_tensor *t = st_tensor(after.file, i), *u = st_find(before.file, t->name);
        static float x[16384], y[16384];
        ck_assert(u && t->size == u->size && t->size <= 16384);
        ck_assert(!st_read_raw(after.file, t, x, why) && !st_read_raw(before.file, u, y, why) &&
                  !memcmp(x, y, (size_t)t->size * sizeof *x));
    }

    /* rows of an interleaved q: pair p of a head stands at 2p and 2p + 1 */
    char inside[700];
    snprintf(inside, sizeof inside, "%s/model.safetensors", hf[1]);
    struct st_file *pairs = st_open(inside, why);
    ck_assert_msg(pairs != NULL, "%s", why);
    float q[14 * 16], p[14 * 16];
    const char name[] = "backbone.blocks.0.swa_layer.q.weight";
    ck_assert(!st_read_raw(before.file, st_find(before.file, name), q, why) &&
              !st_read_raw(pairs, st_find(pairs, name), p, why));
    const int from[7] = {0, 3, 1, 4, 2, 5, 6};
    for (int row = 0; row < 14; row++)
        ck_assert(!memcmp(p + 16 * row, q + 16 * (row / 7 * 7 + from[row % 7]), 16 * sizeof *p));
    st_close(pairs);
    checkpoint_close(&before);
    checkpoint_close(&after);
}
END_TEST

static void ends_with_a_line(const char *path)
{
    char *text;
    const size_t n = read_whole(path, &text);
    ck_assert_msg(n > 1 && text[n - 1] == '\n' && text[n - 2] != '\n', "%s does not end with the end of a line", path);
    free(text);
}

/* GPT-2's alphabet: bytes that print stand for themselves, the others, in order, for the letters from 256 on. */
static void bytes_have_their_letters(const char *path)
{
    struct json *root = json_read(path, 1 << 20, why);
    ck_assert_msg(root, "%s", why);
    const struct json *vocab = json_get(json_get(root, "model"), "vocab");
    ck_assert(vocab && vocab->count == 256);
    for (int b = 0, next = 256; b < 256; b++) {
        const int prints = (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
        const int letter = prints ? b : next++;
        const char utf8[3] = {(char)(letter < 128 ? letter : 0xc0 | letter >> 6), (char)(0x80 | (letter & 63)), 0},
                   ascii[2] = {(char)letter, 0};
        const struct json *token = json_get(vocab, letter < 128 ? ascii : utf8);
        ck_assert_msg(token && token->number == b, "byte %d is not the letter U+%04X", b, (unsigned)letter);
    }
    json_free(root);
}

/* What theirs has no model for brings its own, whatever its layers; and comes back as it was. */
START_TEST(a_hybrid_brings_its_own_model)
{
    char *out = scratch("hybrid"), *hf = scratch("hybrid-hf"), *back = scratch("hybrid-back.safetensors"), *config;
    char *name = in_folder(hf, "config.json");
    struct run r = small_run(out);
    const char *const settings[][2] = {
        {"mixers", "gdn swa mlstm kda mamba2 gla"}, {"gdn_heads", "2"}, {"gdn_conv", "3"}, {"kda_heads", "2"},
        {"gla_heads", "2"}, {"cell_gate", "sigmoid"}, {"tied", "yes"}};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        ck_assert_msg(!run_set(&r, settings[i][0], settings[i][1], why), "%s", why);
    r.steps = 2;
    ck_assert_msg(run_train(&r, NULL, NULL, why) == RUN_FINISHED, "%s", why);
    ck_assert_int_eq(ask_command(cmd_convert, placed("from=@hybrid to=@hybrid-hf")).status, 0);
    read_whole(name, &config);
    ck_assert(strstr(config, "\"model_type\": \"swax\"") && !strstr(config, "xLSTM") &&
              strstr(config, "\"separator\": 10"));
    ck_assert(same_bytes(in_folder(hf, "modeling_swax.py"), "tools/python/modeling_swax.py"));
    bytes_have_their_letters(in_folder(hf, "tokenizer.json"));
    static const char *const files[] = {"config.json", "modeling_swax.py", "tokenizer.json", "tokenizer_config.json"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        ends_with_a_line(in_folder(hf, files[i]));
    ends_with_a_line(in_folder(out, "config.json")), ends_with_a_line(in_folder(out, "log.jsonl"));
    ck_assert_int_eq(ask_command(cmd_convert, placed("from=@hybrid-hf to=@hybrid-back.safetensors")).status, 0);
    struct checkpoint before, after;
    ck_assert(!checkpoint_open(&before, out, why) && !checkpoint_open(&after, back, why));
    ck_assert_int_eq(after.run.windows.window, 16);
    ck_assert(!memcmp(&before.run.model, &after.run.model, sizeof before.run.model));
    for (int i = 0; i < st_count(after.file); i++) {
        const struct st_tensor *t = st_tensor(after.file, i), *u = st_find(before.file, t->name);
        static float x[16384], y[16384];
        ck_assert(u && t->size == u->size && t->size <= 16384 && !st_read_raw(after.file, t, x, why) &&
                  !st_read_raw(before.file, u, y, why));
        ck_assert_msg(!memcmp(x, y, (size_t)t->size * sizeof *x), "%s changed", t->name);
    }
    checkpoint_close(&before), checkpoint_close(&after);
    free(config);
    /* a pure xLSTM stays theirs */
    char *pure = scratch("pure");
    r = small_run(pure);
    ck_assert(!run_set(&r, "mixers", "mlstm mlstm", why));
    r.steps = 2;
    ck_assert_msg(run_train(&r, NULL, NULL, why) == RUN_FINISHED, "%s", why);
    ck_assert_int_eq(ask_command(cmd_convert, placed("from=@pure to=@pure-hf")).status, 0);
    read_whole(scratch("pure-hf/config.json"), &config);
    ck_assert(strstr(config, "\"model_type\": \"xlstm\"") && access(scratch("pure-hf/modeling_swax.py"), F_OK));
}
END_TEST

/* A config.json of ours as another writes it: of model_type xlstm, by the usual keys alone. */
static char *read_as_theirs(char *text)
{
    static const char ours[] = "\"model_type\": \"swax\"", theirs[] = "\"model_type\": \"xlstm\"";
    char *at = strstr(text, ours), *changed = malloc(strlen(text) + 2);
    ck_assert_msg(at, "an export of a hybrid is not of model_type swax");
    sprintf(changed, "%.*s%s%s", (int)(at - text), text, theirs, at + sizeof ours - 1);
    free(text);
    return changed;
}

/* A value in front of the true one, which becomes "was"; what the sentence names. */
static const char *const bad_models[][3] = {
    {"norm_eps", "\"1e-6\"", "norm_eps"}, {"norm_eps", "-1", "norm_eps"}, {"rope_theta", "0", "rope_theta"},
    {"sliding_window", "0", "sliding_window"},
    {"sliding_window", "null", "sliding_window"}, {"num_heads", "1e10", "heads"}, {"num_heads", "2.5", "heads"},
    {"num_blocks", "1", "layer_types"},
    {"layer_types", "[\"full_attention\"]", "layer_types"}, {"layer_types", "5", "layer_types"},
    {"model_type", "\"llama\"", "xlstm"}, {"use_bias", "true", "use_bias"},
};

static const struct { int (*command)(int, char **); const char *arguments; } taking[] = {
    {cmd_convert, "from=@theirs to=@refused.safetensors"},
    {cmd_train, "out=@begun from=@theirs data=text file=ref/*.c"},
    {cmd_eval, "from=@theirs data=text file=ref/*.c"}, {cmd_sample, "from=@theirs"},
};

START_TEST(models_that_are_not_ours_are_refused)
{
    char *out = scratch("ours"), *config = scratch("theirs/config.json"), *text, changed[4096], key[64];
    struct run r = small_run(out);
    r.steps = 1;
    ck_assert_msg(run_train(&r, NULL, NULL, why) == RUN_FINISHED, "%s", why);
    ck_assert_int_eq(ask_command(cmd_convert, placed("from=@ours to=@theirs")).status, 0);
    read_whole(config, &text);      /* and a NUL behind it */
    text = read_as_theirs(text);
    for (size_t i = 0; i <= sizeof bad_models / sizeof *bad_models; i++) {
        const char *const *bad = i < sizeof bad_models / sizeof *bad_models ? bad_models[i] : NULL;
        snprintf(key, sizeof key, "\"%s\":", bad ? bad[0] : "gate_soft_cap");
        char *at = strstr(text, key);
        ck_assert(at);
        at += strlen(key);
        snprintf(changed, sizeof changed, "%.*s %s, \"was\":%s", (int)(at - text), text, bad ? bad[1] : "null", at);
        put(config, changed, strlen(changed));
        for (int c = 0; bad && c < 4; c++)
            refused(taking[c].command, placed(taking[c].arguments), bad[2]);
    }
    free(text);
    ck_assert(access(scratch("refused.safetensors"), F_OK) && access(scratch("begun"), F_OK));
    struct checkpoint c;
    ck_assert_int_eq(ask_command(cmd_convert, placed("from=@theirs to=@uncapped.safetensors")).status, 0);
    ck_assert_msg(!checkpoint_open(&c, scratch("uncapped.safetensors"), why), "%s", why);
    ck_assert(swax_config_number(&c.run.model, "gate_cap") == 0 && c.run.model.logit_cap == 30);
    checkpoint_close(&c);
}
END_TEST

/* An export that finds no room leaves nothing that refuses the next; nor is an empty folder in its way, or anything
 * replaced. */
START_TEST(an_export_that_was_broken_off_can_be_made_again)
{
    char *const out = scratch("whole"), *const to = scratch("export"),
         *const weights = in_folder(to, "model.safetensors");
    struct rlimit before, little;
    struct stat size;
    struct run r = small_run(out);
    r.steps = 1;
    r.model.width = r.model.ffn_width = 8;         /* fewer bytes than modeling_swax.py has, which comes behind them */
    r.model.tied = 1;
    ck_assert_msg(run_train(&r, NULL, NULL, why) == RUN_FINISHED, "%s", why);
    ck_assert_int_eq(ask_command(cmd_convert, placed("from=@whole to=@measured")).status, 0);
    ck_assert(!stat(scratch("measured/model.safetensors"), &size) && !getrlimit(RLIMIT_FSIZE, &before));
    little = before;
    signal(SIGXFSZ, SIG_IGN);
    for (int i = 0; i < 2; i++) {
        little.rlim_cur = (rlim_t)size.st_size - !i;
        ck_assert(!setrlimit(RLIMIT_FSIZE, &little));
        const struct answer said = ask_command(cmd_convert, placed("from=@whole to=@export"));
        ck_assert(!setrlimit(RLIMIT_FSIZE, &before));
        ck_assert_msg(said.status == 2 && strstr(said.text, i ? "modeling_swax.py" : "model.safetensors"),
                      "status %d: %s", said.status, said.text);
        ck_assert_msg(access(to, F_OK), "%s is left behind: %s", to, said.text);
    }
    mkdir(to, 0777);
    ck_assert_int_eq(ask_command(cmd_convert, placed("from=@whole to=@export")).status, 0);
    refused(cmd_convert, placed("from=@whole to=@export"), "is there already: it is not overwritten");
    ck_assert(!access(weights, F_OK));
}
END_TEST

START_TEST(a_folder_that_holds_no_weights_is_named)
{
    char *const empty = scratch("nothing"), *const begun = scratch("begun_run");
    mkdir(empty, 0777);
    mkdir(begun, 0777);
    put(in_folder(begun, "config.json"), "{}", 2);
    refused(cmd_sample, placed("from=@nothing"), "nothing holds neither a run");
    refused(cmd_eval, placed("from=@nothing"), "nothing holds neither a run");
    refused(cmd_convert, placed("from=@nothing to=@not_made"), "nothing holds neither a run");
    refused(cmd_train, placed("out=@not_made from=@nothing file=ref/rope.c"), "nothing holds neither a run");
    refused(cmd_sample, placed("from=@begun_run"), "begun_run holds no checkpoint yet");
    ck_assert(access(scratch("not_made"), F_OK));
}
END_TEST

START_TEST(samples_depend_on_seed_alone_and_bad_requests_are_refused)
{
    char *out = scratch("sampled"), *folder = scratch("");
    struct run r = small_run(out);
    r.steps = 2;
    ck_assert_msg(run_train(&r, NULL, NULL, why) == RUN_FINISHED, "%s", why);
    ck_assert_int_eq(ask_command(cmd_sample,
                         placed("from=@sampled tokens=40 prompt=ab top_k=5 top_p=0.9 temperature=0.7")).status, 0);
    refused(cmd_sample, "tokens=5", "swax sample FOLDER");
    refused(cmd_sample, placed("from=@sampled topk=5"), "did you mean top_k?");
    refused(cmd_sample, placed("from=@sampled tokens=0"), "tokens=0");
    refused(cmd_sample, placed("from=@sampled temperature=-1"), "temperature=-1");
    refused(cmd_sample, placed("from=@sampled top_p=2"), "top_p=2");
    refused(cmd_sample, placed("from=@sampled/config.json"), "not a valid safetensors file");
    refused(cmd_sample, placed("from=@nowhere"), "nowhere");
    refused(cmd_sample, placed("from=@sampled precision=fp1"), "fp32");
    ck_assert_int_eq(ask_command(cmd_sample, placed("@sampled tokens=4 precision=f64")).status, 0);
    refused(cmd_convert, placed("from=@nowhere to=@y"), "nowhere");
    refused(cmd_convert, placed("from=@sampled to=@y.safetensors"), "folder");
    refused(cmd_convert, "window=127 convention=flash_atention", "flash_attention");
    refused(cmd_convert, "window=0 convention=swax", "window=0");
    refused(cmd_convert, "window=2147483647", "to 2147483646");
    refused(cmd_convert, placed("window=7 from=@sampled to=@y"), "one of them");
    refused(cmd_convert, placed("convention=swax from=@sampled to=@y"), "one of them");
    ck_assert_int_eq(ask_command(cmd_convert, "window=0 convention=flash_attention").status, 0);
    free(folder);
}
END_TEST

START_TEST(an_evaluation_takes_its_run_s_data_or_others)
{
    struct run r = small_run(scratch("examined"));
    r.steps = 2, r.threads = 1;
    ck_assert_msg(run_train(&r, NULL, NULL, why) == RUN_FINISHED, "%s", why);
    ck_assert_int_eq(ask_command(cmd_eval, placed("@examined sequences=2 lengths=32,16 windows=4,8 --json")).status, 0);
    ck_assert_msg(threads_used() == threads_allowed(), "the run took one thread, and its evaluation %d of %d",
                  threads_used(), threads_allowed());
    ck_assert_int_eq(ask_command(cmd_eval,
                         placed("from=@examined/checkpoint.safetensors sequences=1 data=copy span=4 inside=yes "
                                "precision=fp64")).status, 0);
    refused(cmd_eval, "sequences=2", "Which checkpoint");
    refused(cmd_eval, placed("@examined lenghts=32"), "did you mean lengths?");
    refused(cmd_eval, placed("@examined lengths=32,x"), "whole numbers");
    refused(cmd_eval, placed("@examined span=4"), "\"span\"");
    refused(cmd_eval, placed("@examined data=copy span=0"), "span=0");
    refused(cmd_eval, placed("@examined facts_end=4"), "add probe=span_cut");
    refused(cmd_eval, placed("@examined probe=span_cut lengths=32,16 facts_end=16"), "sequences of 16 tokens");
    refused(cmd_eval, placed("@nowhere"), "nowhere");
}
END_TEST

START_TEST(everything_is_timed_and_bad_sizes_are_refused)
{
    ck_assert_int_eq(ask_command(cmd_bench, "seconds=0 threads=1").status, 0);
    ck_assert_int_eq(ask_command(cmd_bench, "seconds=0 threads=1 tier=ref adamw").status, 0);
    ck_assert_int_eq(ask_command(cmd_bench, "adamw seconds=0 threads=1 tier=ref").status, 0);
    ck_assert_int_eq(ask_command(cmd_bench, "rope_forward seconds=0 threads=1 dims=1,5,1,3,-7").status, 0);
    ck_assert_int_eq(ask_command(cmd_bench, "step seconds=0 threads=1 config=micro").status, 0);
    refused(cmd_bench, "mlstm", "verify list");
    refused(cmd_bench, "dims=1", "name it");
    refused(cmd_bench, "adamw dims=1", "sizes Ns");
    refused(cmd_bench, "adamw dims=0,1", "N=0");
    refused(cmd_bench, "adamw dims=5,1x", "dims has more than the sizes Ns of adamw.");
    refused(cmd_bench, "adamw dims=4294967297,1", "sizes Ns");
    refused(cmd_bench, "rope_forward dims=1,5,1,3,2147483647", "P=2147483647");
    refused(cmd_bench, "adamw config=tiny", "`swax bench step` does");
    refused(cmd_bench, "adamw peer=libblas.so", "gemm");
    refused(cmd_bench, "adamw json=perhaps", "yes or no");
    refused(cmd_bench, "adamw seconds=nan", "seconds=nan");
    refused(cmd_bench, "adamw dims=4,1,1", "more than");
    refused(cmd_bench, "linear_forward dims=1000000,1000000,1000000", "GB of memory");
    refused(cmd_bench, "attention_forward dims=1,8,4,1,1,4,2", "S=4");
    refused(cmd_bench, "attention_forward dims=1,8,8,3,2,4,2", "G=2");
    refused(cmd_bench, "mlstm_forward dims=1,8,1,4,4,8,4", "g=4");
    refused(cmd_bench, "step config=0,2,2,32,1,8", "0,2,2,32,1,8 cannot be read");
    refused(cmd_bench, "step batch=65536 length=65536", "4294967296 tokens of");
}
END_TEST

/* Of W keys that a query sees, its own among them: those that count what lies to the left say W-1. */
START_TEST(a_window_is_called_what_each_convention_calls_it)
{
    static const char *const all[] = {"swax", "huggingface", "fla"},
                      *const left[] = {"flash_attention", "xformers", "nanochat", "flex_attention", "axlearn"};
    for (int to_the_left = 0; to_the_left < 2; to_the_left++) {
        char expected[64],
            *text = printed_by(cmd_convert, to_the_left ? "window=127 convention=flash_attention" : "window=128");
        int lines = 0;
        for (const char *s = text; *s; s++)
            lines += *s == '\n';
        ck_assert_int_eq(lines, 8);
        for (int i = 0; i < 8; i++) {
            snprintf(expected, sizeof expected, "%-16s %-10d ", i < 3 ? all[i] : left[i - 3], i < 3 ? 128 : 127);
            ck_assert_msg(strstr(text, expected) != NULL, "no line '%s' in\n%s", expected, text);
        }
    }
    refused(cmd_convert, "window=-1 convention=flash_attention", "a whole number from 0 to 2147483646.");
    refused(cmd_convert, "window=0 convention=fla", "a whole number from 1 to 2147483646.");
}
END_TEST

/* What was built and what is used, with as many threads as are asked for. */
START_TEST(what_this_machine_can_do_is_said)
{
    ck_assert(!setenv("SWAX_TIER", "ref", 1));
    char *said = done(cmd_info, "threads=1");
    ck_assert_msg(!strncmp(said, "swax ", 5) && strstr(said, ", 1 thread\ntiers, slowest first"), "%s", said);
    const char *used = strstr(said, "<- used"), *memory = strstr(said, "memory: ");
    ck_assert_msg(used && memory && !strstr(used + 1, "<- used"), "%s", said);
    for (int t = 0; t < swax_n_tiers; t++) {
        char line[40], row[200];
        snprintf(line, sizeof line, "\n  %-11s", swax_tiers[t]->name);
        const char *at = strstr(said, line);
        ck_assert_msg(at != NULL, "no line of %s in: %s", swax_tiers[t]->name, said);
        snprintf(row, sizeof row, "%.*s", (int)strcspn(at + 1, "\n"), at + 1);
        ck_assert_msg((strstr(row, "not on this machine") == NULL) == swax_tiers[t]->usable(), "%s", row);
        ck_assert_msg((strstr(row, "<- used") != NULL) == !t && (t || !strstr(row, "GFLOP/s")), "%s", row);
        for (int p = 0; p < SWAX_PRECISIONS && swax_tiers[t]->usable(); p++)
            ck_assert_msg((strstr(row, swax_precision_name[p]) != NULL) ==
                              op_offers(swax_tiers[t], (enum swax_precision)p), "%s", row);
    }
    ck_assert(strtod(memory + 8, NULL) > 0 && strstr(memory, " GB/s (triad)\n"));
    for (int n = 0; n < 3; n += 2) {       /* 0: as many as there are; without OpenMP always one */
        char expected[40];
        threads_use(n);
        snprintf(expected, sizeof expected, ", %d thread%s\n", threads_used(), threads_used() > 1 ? "s" : "");
        said = done(cmd_info, n ? "threads=2" : "");
        ck_assert_msg(strstr(said, expected), "%s is not what is said of threads=%d: %s", expected, n, said);
    }
    refused(cmd_info, "threads=-1", "threads=-1");
    refused(cmd_info, "tiers=1", "tiers");
    char can[200] = "";
    int others = 0;
    for (int t = 0; t < swax_n_tiers; t++)
        if (swax_tiers[t]->usable())
            snprintf(can + strlen(can), sizeof can - strlen(can), " %s", swax_tiers[t]->name);
    for (int t = -1; t < swax_n_tiers; t++) {      /* one that is not there; those that are, and do not run here */
        char expected[300];
        if (t >= 0 && swax_tiers[t]->usable())
            continue;
        ck_assert(!setenv("SWAX_TIER", t < 0 ? "abacus" : swax_tiers[t]->name, 1));
        if (t < 0)
            snprintf(expected, sizeof expected, "no tier is called abacus in this build; this machine can run:%s.\n",
                     can);
        else
            snprintf(expected, sizeof expected, "this machine cannot run the tier %s; it can run:%s.\n",
                     swax_tiers[t]->name, can);
        refused(cmd_info, "", expected);
        others += t >= 0;
    }
    if (!others)
        puts("skipped: this machine can run every tier of this build");
    unsetenv("SWAX_TIER");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("commands");
    TCase *t = tcase_create("commands");
    tcase_set_timeout(t, 300);
    tcase_add_loop_test(t, bad_arguments_get_one_sentence_and_leave_nothing, 0,
                        sizeof bad_arguments / sizeof *bad_arguments);
    tcase_add_test(t, a_window_is_called_what_each_convention_calls_it);
    tcase_add_test(t, nothing_is_overwritten);
    tcase_add_test(t, an_interrupt_finishes_the_step_and_can_be_resumed);
    tcase_add_test(t, one_command_begins_and_goes_on);
    tcase_add_test(t, a_run_that_goes_on_knows_what_it_was);
    tcase_add_test(t, time_that_is_left_is_known_from_the_first_step_on);
    tcase_add_test(t, models_survive_the_way_to_hugging_face_and_back);
    tcase_add_test(t, a_hybrid_brings_its_own_model);
    tcase_add_test(t, models_that_are_not_ours_are_refused);
    tcase_add_test(t, an_export_that_was_broken_off_can_be_made_again);
    tcase_add_test(t, a_folder_that_holds_no_weights_is_named);
    tcase_add_test(t, what_this_machine_can_do_is_said);
    tcase_add_test(t, samples_depend_on_seed_alone_and_bad_requests_are_refused);
    tcase_add_test(t, an_evaluation_takes_its_run_s_data_or_others);
    tcase_add_test(t, everything_is_timed_and_bad_sizes_are_refused);
    suite_add_tcase(s, t);
    scratch_open();
    const int status = suite_ends(s);
    scratch_close();
    return status;
}
