/* check_verify_files.c - cases survive their file, faults are named through files, and bad input gets one sentence. */
#include <check.h>
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tools/lib/checksum.h"
#include "tools/lib/commands.h"
#include "tools/lib/half.h"
#include "tools/lib/json.h"
#include "tools/lib/safetensors.h"
#include "tools/verify/tensors.h"
#include "tools/verify/verify.h"
#include "tests/golden.h"
#include "tests/scratch.h"
#include "tests/suite.h"

static char why[SWAX_WHY];
enum { SAID = 1 << 14 };

/* ---- good files */

struct answers { struct st_tensor tensor[64]; double *from[64]; char name[64][16]; int n; };

static void give(void *arg, int i, void *to)
{
    const struct answers *a = arg;
    for (long e = 0; e < a->tensor[i].size; e++)
        if (a->tensor[i].type == ST_F16)
            ((uint16_t *)to)[e] = half_from_double(a->from[i][e]);
        else
            ((float *)to)[e] = (float)a->from[i][e];
}

/* The only problem of a case file, drawn again. */
static struct problem problem_of(const char *path)
{
    struct plan plan;
    struct problem p;
    struct entry e;
    struct case_file *f = case_open(path, &plan, why);
    ck_assert_msg(f != NULL, "%s", why);
    ck_assert(plan_entry(&plan, 0, &e) && !plan_entry(&plan, 1, &(struct entry){0}));
    ck_assert_msg(!problem_draw(&p, &plan, 0, &e, why), "%s", why);
    ck_assert_msg(!case_match(f, &p, why), "%s", why);
    case_close(f);
    return p;
}

/* Run the tier in float on a problem, the backward on what its own forward saved, and write what came out, without one
 * tensor; of an f16 case as F16. */
static void answer(const char *path, const struct problem *p, const struct swax_tier *tier, const char *without)
{
    struct answers a = {.n = 0};
    struct op_case got[PARTS];
    for (int part = 0; part < p->subject.n; part++) {
        op_case_copy(&got[part], &p->in[part]);
        if (part)
            problem_chain(&got[1], &got[0]);
        ck_assert(!op_run(tier, SWAX_PREC_F32, &got[part]));
        for (int i = 0; i < got[part].n; i++) {
            const struct op_arg *arg = &swax_ops[got[part].op].arg[i];
            if (!problem_is_answer(p, part, i) || (without && !strcmp(without, arg->name)))
                continue;
            struct st_tensor *t = &a.tensor[a.n];
            strcpy(a.name[a.n], arg->name);
            t->name = a.name[a.n];
            t->type = p->wish.dtype == DT_F16 && arg->type == REAL ? ST_F16 : ST_F32;
            t->rank = (int)strlen(arg->shape);
            t->size = got[part].size[i];
            for (int d = 0; d < t->rank; d++)
                t->shape[d] = op_extent(&swax_ops[got[part].op], arg->shape[d], got[part].dims);
            a.from[a.n++] = got[part].arg[i];
        }
    }
    const struct st_plan plan = {a.n, a.tensor, give, &a, 0, NULL};
    ck_assert_msg(!st_write(path, &plan, why), "%s", why);
    for (int part = 0; part < p->subject.n; part++)
        op_case_free(&got[part]);
}

static int verify(const char *line, char *said)
{
    char *copy = strdup(line), *argv[32], *path = scratch("stderr"), *text;
    int argc = 0;
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    fflush(stdout);
    const int out = dup(1), err = dup(2);
    char *report = scratch("stdout");
    ck_assert(freopen(report, "w", stdout) && freopen(path, "w", stderr));
    const int status = cmd_verify(argc, argv);
    fflush(stdout);
    fflush(stderr);
    dup2(out, 1);
    dup2(err, 2);
    read_whole(status == 2 ? path : report, &text);
    snprintf(said, SAID, "%s", text);
    free(text);
    free(copy);
    return status;
}

static const struct { const char *make, *op; int family; } made[] = {
    {"mlstm seed=3", "mlstm", OP_GAUSS},           {"mlstm seed=5 family=crossover", "mlstm", OP_CROSSOVER},
    {"mlstm_backward seed=4", "mlstm_backward", OP_GAUSS}, {"attention seed=2 T=20 W=5", "attention", OP_GAUSS},
    {"attention_forward seed=8", "attention_forward", OP_GAUSS}, {"rope seed=6 theta=500000", "rope", OP_GAUSS},
    {"linear seed=7 noise=yes", "linear", OP_GAUSS},  {"xent seed=9", "xent", OP_GAUSS},
    {"embed seed=10 noise=yes", "embed", OP_GAUSS},   {"headnorm seed=11", "headnorm", OP_GAUSS},
    {"adamw seed=12", "adamw", OP_GAUSS},
    {"mlstm_forward seed=13 states=no documents=no", "mlstm_forward", OP_GAUSS},
    {"mlstm seed=14 dtype=f16", "mlstm", OP_GAUSS},   {"attention seed=15 dtype=f16 T=20 W=5", "attention", OP_GAUSS},
    {"linear seed=16 dtype=f16", "linear", OP_GAUSS}, {"mlstm seed=17 dtype=bf16 family=open", "mlstm", OP_OPEN},
};

START_TEST(cases_survive_their_file)
{
    char line[400], said[SAID], *of = scratch("case"), *mine = scratch("mine");
    snprintf(line, sizeof line, "make %s -o %s", made[_i].make, of);
    ck_assert_msg(verify(line, said) == 0, "%s", said);
    struct problem drawn = problem_of(of), *p = &drawn;
    ck_assert_str_eq(p->subject.name, made[_i].op);
    ck_assert_int_eq(p->family, made[_i].family);
    answer(mine, p, swax_tiers[0], NULL);
    snprintf(line, sizeof line, "check %s %s", of, mine);
    ck_assert_msg(verify(line, said) == 0, "%s", said);
    for (int part = 0; part < p->subject.n; part++)
        for (int i = 0; i < p->in[part].n; i++)
            if (p->demanded[part][i]) {
                answer(mine, p, swax_tiers[0], swax_ops[p->in[part].op].arg[i].name);
                ck_assert_msg(verify(line, said) == 2, "without %s: %s", swax_ops[p->in[part].op].arg[i].name, said);
            }
    problem_free(p);
}
END_TEST

/* Who has a forward alone may have no lse: the sentence says how not to be asked, and then none is asked. */
START_TEST(a_forward_without_what_it_saves)
{
    char line[400], said[SAID], *of = scratch("case"), *mine = scratch("mine");
    for (int without = 0; without < 2; without++) {
        snprintf(line, sizeof line, "make attention_forward seed=8 %s -o %s", without ? "without=lse,sink" : "", of);
        ck_assert_msg(verify(line, said) == 0, "%s", said);
        struct problem p = problem_of(of);
        answer(mine, &p, swax_tiers[0], "lse");
        problem_free(&p);
        snprintf(line, sizeof line, "check %s %s", of, mine);
        ck_assert_msg(verify(line, said) == (without ? 0 : 2), "%s", said);
        ck_assert_msg(without || strstr(said, "make attention_forward without=lse` does not ask for it"), "%s", said);
    }
}
END_TEST

/* A fault's answers through files, its backward fed by its own forward, are named too. */
START_TEST(faults_are_named_through_files)
{
    static const struct { const char *op, *sizes; } of[] = {
        {"mlstm", "T=70 H=2 K=8 V=6 g=0 L=64 B=2"},           {"attention", "T=40 S=44 H=4 G=2 D=8 W=9 B=2"},
        {"mlstm", "T=70 H=2 K=8 V=6 g=0 L=64 B=2 dtype=f16"}, {"attention", "T=40 S=44 H=4 G=2 D=8 W=9 B=2 dtype=f16"},
    };
    char line[400], said[SAID], missed[400] = "", *path = scratch("case"), *mine = scratch("mine");
    int total = 0, named = 0;
    const int few = _i >= 2 && !suite_long();    /* in f16 */
    struct swax_tier tier;
    snprintf(line, sizeof line, "make %s seed=21 %s -o %s", of[_i].op, of[_i].sizes, path);
    ck_assert_msg(verify(line, said) == 0, "%s", said);
    struct problem drawn = problem_of(path), *p = &drawn;
    snprintf(line, sizeof line, "check %s %s", path, mine);
    for (int k = 0; fault_f32(k, &tier); k++) {
        char name[64];
        if (strcmp(fault_f32(k, &tier)->op, of[_i].op) || (few && k % 4))
            continue;
        answer(mine, p, &tier, NULL);
        const int status = verify(line, said);
        ck_assert(status == 0 || status == 1);
        snprintf(name, sizeof name, "\"%s\" gives", fault_f32(k, &tier)->name);
        const int right = strstr(said, name) || strstr(said, fault_f32(k, &tier)->says);
        total += status;
        named += status && right;
        if (status && !right)
            snprintf(missed + strlen(missed), sizeof missed - strlen(missed), " %s", fault_f32(k, &tier)->name);
    }
    ck_assert_msg(total >= (few ? 4 : 15) && named * 10 >= total * 9, "%d of %d named, but not%s", named, total,
                  missed);
    problem_free(p);
}
END_TEST

/* ---- bad input */

static char sentences[1 << 15];       /* of all refusals */

static void refused(const char *line, const char *expected)
{
    char said[SAID];
    ck_assert_msg(verify(line, said) == 2, "status for: %s\n%s", line, said);
    ck_assert_msg(strchr(said, '\n') == said + strlen(said) - 1 && strlen(said) > 20, "not one sentence for: %s\n%s",
                  line, said);
    ck_assert_msg(strstr(said, expected) != NULL, "no \"%s\" for: %s\n%s", expected, line, said);
    if (!strstr(said, "on this machine") && !strchr(line, '/') && !strstr(line, "avx1024"))
        snprintf(sentences + strlen(sentences), sizeof sentences - strlen(sentences), "%s: %s", line, said);
}

START_TEST(bad_words_get_one_sentence)
{
    refused("mke mlstm", "did you mean make?");
    refused("make", "Which kernel");
    refused("check x", "which answers");
    refused("plugin ./none.so", "which kernel");
    refused("tier", "Which tier");
    refused("tier ref mlstm dtype=f16", "f32, f64 or bf16");
    refused("make mlstm", "output=");
    refused("make mlstm -o", "a path");
    refused("make mlstm -o --suite quick", "a path");
    refused("make mltsm -o x", "did you mean mlstm");
    refused("make mlstm Q=3 -o x", "\"Q\"");
    refused("make mlstm T=0 -o x", "from 1");
    refused("make mlstm T=three -o x", "whole number");
    refused("make mlstm dtype=f16x -o x", "f16");
    refused("make mlstm family=guass -o x", "gauss");
    refused("make rope family=cold -o x", "does not differ");
    refused("make attention H=6 G=4 -o x", "divide");
    refused("make attention T=9 S=3 -o x", "fewer");
    refused("make attention behind=headnorm -o x", "no norm");
    refused("make mlstm behind=headnorm V=1 -o x", "V=1");
    refused("make mlstm eps=small -o x", "a number from 0");
    refused("make mlstm g=4 -o x", "from 0 to 3");
    refused("make headnorm z=-1 -o x", "from 0 to 1");
    refused("make rope P=2147483647 -o x", "to 1073741824");
    refused("make rmsnorm eps=-1 -o x", "eps=-1");
    refused("make rmsnorm eps=nan -o x", "eps=nan");
    refused("make rmsnorm eps=inf -o x", "eps=inf");
    refused("make rope theta=0 -o x", "theta=0");
    refused("make rope theta=1e-300 -o x", "theta=1e-300");
    refused("make softcap cap=-1 -o x", "cap=-1");
    refused("make adamw beta1=1 -o x", "beta1=1");
    refused("make adamw s=0 -o x", "from 1");
    refused("make mlstm json=yes -o x", "takes no json=");
    refused("make mlstm sizes=xlstm -o x", "did you mean xlstm-7b");
    refused("make rope sizes=xlstm-7b -o x", "none for rope");
    refused("make mlstm sizes=nowhere.json -o x", "nowhere.json");
    refused("tier ref sizes=gpt-oss", "say which");
    refused("make mlstm twice -o x", "\"twice\"");
    refused("list mlstm rope", "\"rope\"");
    refused("list T=3", "\"T\"");
    refused("list seed=3", "takes no seed=");
    refused("check x y dtype=bf16", "takes no dtype=");
    refused("check x y seed=random", "a case has one seed");
    refused("faults seed=2", "takes no seed=");
    refused("make mlstm suite=all -o x", "suite");
    refused("check nothing.safetensors mine.safetensors", "nothing.safetensors");
    refused("tier avx1024", "avx1024");
    refused("plugin ./none.so mlstm", "./none.so cannot be read: there is no such file.");
    refused("plugin . mlstm", ". is no shared object that can be loaded, such as `cc -shared -fPIC` makes: ./.: ");
    refused("plugin mlstm ./none.so", "The library comes first, and then the kernel: `swax verify plugin ./none.so");
    refused("plugin mlstn ./none.so", "There is no kernel \"./none.so\"");
    refused("tier rope ref", "The tier comes first, and then the kernel: `swax verify tier ref rope`");
    refused("make rmsnorm epsilon=1 -o x", "did you mean eps");
    refused("own reference=./a.so candidate=./b.so tensors=none.json N=3", "stand in the description, none.json");
    refused("own N=3", "stand in the description, tensors=MINE.json");
    refused("plugin ./none.so mlstm dtype=f16", "f32, f64 or bf16");
    refused("faults mlstn", "did you mean");
    refused("own reference=./a.so candidate=./b.so", "which tensors");
    refused("own reference=./a.so candidate=./b.so tensors=none.json dtype=f16", "f32, f64 or bf16");
    refused("own reference=./a.so candidate=./b.so tensors=none.json", "none.json");
    refused("make mlstm T=100000000 -o x", "Too large");
    refused("make mlstm T=20000 B=4 H=4 K=64 V=64 suite=standard -o x", "smaller suite");
    refused("make attention B=1048576 T=1048576 H=1048576 D=1048576 -o x", "Too large");
    refused("make linear N=1000000 O=1000 I=1 -o x", "arrays");
    refused("make linear N=2147483647 O=2147483647 I=2147483647 -o x", "Too large");
    refused("plugin ./none.so mlstm T=100000000", "Too large");
    refused("tier ref attention T=1000000", "Too large");
    refused("make mlstm suite=quick family=cold -o x", "leave out suite=, or family=cold");
    refused("make mlstm suite=quick family=gauss -o x", "leave out suite=, or family=gauss");
    refused("make mlstm family=huge suite=hard -o x", "leave out suite=, or family=huge");
    refused("make mlstm without=C0,b -o x", "what mlstm could do without: Cs, ns, C0, n0, m0, start.");
    refused("make mlstm without=q -o x", "\"q\" is not among what mlstm could do without");
    refused("make attention without=lse -o x", "\"lse\" is not among what attention could do without: sink, start.");
    refused("make softcap without=x -o x", "softcap needs all that it takes and gives");
    refused("make attention_forward without=y -o x", "\"y\" is not among what attention_forward could do");
    refused("make without=C0 -o x", "for one kernel");
    refused("make mlstm without=C0,C0,C0,C0,C0,C0,C0,C0,C0,C0,C0,C0,C0,C0,C0,C0,C0,C0,C0,C0,C0,C -o x",
            "that is too long");
    refused("make mlstm_forward family=collinear -o x", "does not differ");
    refused("check x y behind=headnorm", "x");
    refused("make sizes=xlstm-7b -o x", "for one kernel");
    refused("tier ref rope suite=quick number=99", "number=99");
    refused("tier ref suite=quick number=0", "number=0");
    refused("tier ref rope suite=quick number=-1", "from 0");
    refused("make mlstm --=3 -o x", "key=value");
    refused("tier ref rope output=x", "json=yes prints them");
    refused("tier", "`swax info` has them");
    refused("make rope a b -o x", "\"a\"");
    refused("check x", "which answers");
    golden_has("verify_refusals.txt", sentences, 0);
}
END_TEST

/* The naive decay overflows where no problem of the quick suite looks: the summary counts what passed, and so does the
 * status.  Where a kernel has no fault nothing was asked. */
START_TEST(faults_that_pass_are_counted)
{
    static const struct { const char *line, *says; int status; } of[] = {
        {"faults decay suite=quick", "8 faults: 7 rejected, 7 named\n", 1},
        {"faults decay suite=quick dtype=f64", " faults: ", -1},
        {"faults softcap suite=quick", "3 faults: 3 rejected, 3 named\n", 0},
        {"faults skip suite=quick dtype=f64", "3 faults: 3 rejected, 3 named\n", 0},
        {"faults cast suite=quick", "0 faults: 0 rejected, 0 named\n", 1}};
    char said[SAID];
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        const int status = verify(of[k].line, said);
        int total, rejected, named, passed = 0, lines = 0;
        const char *at = said;
        for (const char *line = said; *line; at = line, line += strcspn(line, "\n") + 1, lines++)
            passed += strstr(line, "PASSED") && strstr(line, "PASSED") < strchr(line, '\n');
        ck_assert_msg(sscanf(at, "%d faults: %d rejected, %d named", &total, &rejected, &named) == 3 &&
                          total == lines - 1 && rejected == total - passed, "%s:\n%s", of[k].line, said);
        struct plan plan = {.suite = suite_find("quick"), .only = -1, .seed = 1};
        struct entry e;
        int cases = 0;
        char words[40];
        ck_assert(sscanf(of[k].line, "faults %39s", words) == 1 && !subject_find(&plan.subject, words, why));
        while (plan_entry(&plan, cases, &e))
            cases++;
        snprintf(words, sizeof words, " of %3d cases: ", cases);
        ck_assert_msg(!total || (strstr(said, words) && (k != 2 || strstr(said, "cases: gauss huge\n"))), "%s:\n%s",
                      of[k].line, said);
        ck_assert_msg(strstr(said, of[k].says) && (of[k].status < 0 || status == of[k].status), "%s: status %d\n%s",
                      of[k].line, status, said);
    }
}
END_TEST

/* What a case says of itself to whoever answers it, and which tensors of which types and shapes it has. */
START_TEST(a_case_says_what_it_is)
{
    static const char *const words[] = {
        "mlstm seed=3", "mlstm seed=4 dtype=bf16 behind=headnorm noise=yes T=3", "attention seed=2 T=5 W=3 dtype=f64",
        "attention_backward seed=2 T=5 dtype=f16", "rope seed=6 theta=500000 P=-2", "adamw seed=12 without=sum",
        "mlstm_forward seed=13 states=no documents=no", "embed seed=10 noise=yes", "add suite=quick seed=2"};
    char *now, line[400], said[SAID], *path = scratch("case");
    size_t n;
    FILE *out = open_memstream(&now, &n);
    for (size_t k = 0; k < sizeof words / sizeof *words; k++) {
        snprintf(line, sizeof line, "make %s -o %s", words[k], path);
        ck_assert_msg(verify(line, said) == 0, "%s", said);
        struct st_file *f = st_open(path, why);
        ck_assert_msg(f, "%s", why);
        fprintf(out, "%s\n", words[k]);
        for (int i = 0; i < st_meta_count(f); i++) {
            const char *key, *value;
            st_meta_entry(f, i, &key, &value);
            if (strcmp(key, "version") && strcmp(key, "swax.checksum"))
                fprintf(out, "  %s %s\n", key, value);
        }
        for (int i = 0; i < st_count(f); i++) {
            const struct st_tensor *t = st_tensor(f, i);
            fprintf(out, "  %s %s", t->name, st_type_name[t->type]);
            for (int d = 0; d < t->rank; d++)
                fprintf(out, " %lld", (long long)t->shape[d]);
            fputc('\n', out);
        }
        st_close(f);
    }
    fclose(out);
    golden_is("verify_cases.txt", now, 0);
    free(now);
}
END_TEST

/* The report as JSON goes where it is asked to, with the same status, and is whole. */
START_TEST(a_report_goes_into_its_file)
{
    char line[800], said[SAID], *of = scratch("case"), *mine = scratch("mine"), *out = scratch("report.json"), *text;
    snprintf(line, sizeof line, "make rmsnorm_forward seed=4 N=3 C=5 -o %s", of);
    ck_assert_msg(verify(line, said) == 0, "%s", said);
    struct problem p = problem_of(of);
    for (int wrong = 0; wrong < 2; wrong++) {
        p.in[0].scalar[0] += wrong ? 0.5 : 0;      /* another eps */
        answer(mine, &p, swax_tiers[0], NULL);
        for (int way = 0; way < 3; way++) {
            snprintf(line, sizeof line, "check %s %s%s%s%s", of, mine, way == 1 ? " json=yes" : "",
                     way == 2 ? " output=" : "", way == 2 ? out : "");
            ck_assert_msg(verify(line, said) == wrong, "%s: %s", line, said);
            if (way == 2) {
                ck_assert_msg(!strncmp(said, wrong ? "WRONG: rms" : "good: rms", 9), "%s", said);    /* in words, too */
                read_whole(out, &text);
                snprintf(said, SAID, "%s", text);
                free(text);
            }
            const size_t n = strlen(said);
            static const char *const begins[3][2] = {
                {"good: rmsnorm_forward seed=4 dtype=f32 N=3 C=5: 1 of 1 cases within all bounds.\n",
                 "WRONG: rmsnorm_forward seed=4 dtype=f32 N=3 C=5: 1 of 1 cases out of bound, y "},
                {"{\"verdict\":\"good\",\"op\":\"rmsnorm_forward\",\"dtype\":\"f32\",\"suite\":\"\",\"seed\":4,",
                 "{\"verdict\":\"wrong\",\"op\":\"rmsnorm_forward\",\"dtype\":\"f32\",\"suite\":\"\",\"seed\":4,"},
                {"{\"verdict\":\"good\",\"op\":\"rmsnorm_forward\"",
                 "{\"verdict\":\"wrong\",\"op\":\"rmsnorm_forward\""}};
            ck_assert_msg(!strncmp(said, begins[way][wrong], strlen(begins[way][wrong])) && said[n - 1] == '\n', "%s",
                          said);
            ck_assert_msg(!strstr(said, "replay:"), "%s", said);      /* the file is what can be asked again */
            struct json *j = way ? json_parse(said, n, why) : NULL;
            ck_assert_msg(!way == !j, "%s: %s", why, said);
            json_free(j);
        }
    }
    snprintf(line, sizeof line, "check %s %s output=%s", of, mine, scratch("none/report.json"));
    ck_assert_int_eq(verify(line, said), 2);
    ck_assert_msg(strstr(said, "none/report.json"), "%s", said);
    problem_free(&p);
}
END_TEST

/* What the case must be is said with what it is. */
START_TEST(a_case_is_the_one_that_is_meant)
{
    static const struct { const char *make, *asked, *says; } of[] = {
        {"mlstm seed=4 T=2 H=1 K=2 V=2", "behind=headnorm",
         "The gradient of h in %s does not come out of a norm: make the case with behind=headnorm."},
        {"add seed=4 N=3", "seed=5", "%s is of seed 4, and seed=5 is asked for."},
        {"add seed=4 N=3", "suite=quick", "%s is not of the suite quick."},
        {"add seed=4 N=3", "suite=hard", "%s is not of the suite hard."},
        {"add suite=quick seed=4 N=3", "suite=standard", "%s is not of the suite standard."},
        {"add seed=4 N=3", "seed=4", NULL}, {"add suite=quick seed=4 N=3", "suite=quick seed=4", NULL},
        {"mlstm seed=4 T=2 H=1 K=2 V=2 behind=headnorm", "behind=headnorm seed=0", NULL}};
    char line[400], says[400], *path = scratch("case");
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        snprintf(line, sizeof line, "make %s -o %s", of[k].make, path);
        ck_assert_msg(verify(line, says) == 0, "%s", says);
        snprintf(line, sizeof line, "check %s none.safetensors %s", path, of[k].asked);
        snprintf(says, sizeof says, of[k].says ? of[k].says : "none.safetensors", path);
        refused(line, says);
    }
}
END_TEST

static void put_numbers(void *arg, int i, void *to)
{
    (void)i;
    for (int e = 0; e < 3; e++)
        if (*(const enum st_type *)arg == ST_I64)
            ((int64_t *)to)[e] = e + 1;
        else if (*(const enum st_type *)arg == ST_I32)
            ((int32_t *)to)[e] = e + 1;
        else
            ((float *)to)[e] = (float)(e + 1);
}

/* A whole number is kept as one of 32 bits, any other in floating point. */
START_TEST(a_tensor_has_its_type)
{
    static const struct { const char *name; enum st_type type; const char *says; } of[] = {
        {"token", ST_I32, NULL}, {"token", ST_I64, "holds I64, and I32 is needed."},
        {"token", ST_F32, "holds F32, and I32 is needed."}, {"w", ST_F32, NULL},
        {"w", ST_I32, "holds I32, and floating-point numbers are needed."},
        {"w", ST_I64, "holds I64, and floating-point numbers are needed."}};
    const struct op_case c = {.op = op_find("embed_forward"), .dims = {3, 1, 3}};
    char *path = scratch("tensor");
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        const int i = op_arg_find(&swax_ops[c.op], of[k].name);
        struct op_case sized = c;
        sized.size[i] = 3;
        struct st_tensor t = {.name = of[k].name, .type = of[k].type, .rank = i == 1 ? 1 : 2,
                              .shape = {i == 1 ? 3 : 1, 3}, .size = 3};
        enum st_type type = of[k].type;
        double to[4] = {0, 0, 0, 7};
        ck_assert_msg(!st_write(path, &(struct st_plan){1, &t, put_numbers, &type, 0, NULL}, why), "%s", why);
        struct st_file *f = st_open(path, why);
        ck_assert_msg(f != NULL, "%s", why);
        const char *wrong = tensor_read(f, path, of[k].name, &sized, i, to, why);
        ck_assert_msg(of[k].says ? wrong && strstr(wrong, of[k].says) : !wrong, "%s: %s", of[k].name,
                      wrong ? wrong : "");
        ck_assert(wrong || (to[0] == 1 && to[1] == 2 && to[2] == 3 && to[3] == 7));
        ck_assert(tensor_read(f, path, "none", &sized, i, to, why) && strstr(why, "has no tensor \"none\"."));
        st_close(f);
    }
}
END_TEST

/* Kernels as somebody compiles them: in float right, in double another sum, in bfloat16 nothing; a backward in float
 * alone.  And a function of the same file that is right in all. */
static const char kernels[] =
    "typedef unsigned short half;\n"
    "void add_forward(float *y, const float *a, const float *b, int N) { while (N--) y[N] = a[N] + b[N]; }\n"
    "void add_backward(float *a, float *b, const float *d, int N) { while (N--) a[N] += d[N], b[N] += d[N]; }\n"
    "void add_forward_f64(double *y, const double *a, const double *b, int N) { while (N--) y[N] = a[N] - b[N]; }\n"
    "void add_forward_bf16(half *y, const half *a, const half *b, int N) { while (N--) y[N] = 0; }\n"
    "void rmsnorm_forward(float *y, float *r, const float *x, const float *w, int N, int C, double eps)\n"
    "{ for (; N--; x += C, y += C) { double s = 0; for (int c = 0; c < C; c++) s += (double)x[c] * x[c];\n"
    "  for (int c = 0; c < C; c++) y[c] = x[c] * w[c] / __builtin_sqrt(s / C + eps); } }\n"
    "void twice(void *const *t, const int *n, const double *s)\n"
    "{ float *y = t[0], *x = t[1]; for (int e = 0; e < *n; e++) y[e] = 2 * x[e]; }\n"
    "void twice_f64(void *const *t, const int *n, const double *s)\n"
    "{ double *y = t[0], *x = t[1]; for (int e = 0; e < *n; e++) y[e] = 2 * x[e]; }\n";

static int is_compiled(const char *object)
{
    char line[400], *source = scratch("mine.c");
    put(source, kernels, strlen(kernels));
    snprintf(line, sizeof line, "cc -shared -fPIC -o %s %s 2>/dev/null", object, source);
    void *here = system(line) ? NULL : dlopen(object, RTLD_NOW);
    if (!here)
        puts("skipped: no cc makes a shared object for this machine");
    return here != NULL;
}

START_TEST(a_shared_object_is_judged)
{
    static const struct { const char *line, *says[4]; int status; } of[] = {
        {"add N=7 suite=quick seed=3", {"good: add suite=quick seed=3 dtype=f32 N=7: ", "\ny ", "\nda ", "\ndb "}, 0},
        {"add N=7 suite=quick dtype=f64", {"WRONG: add suite=quick seed=1 dtype=f64 N=7: ", "\ny ", "\nreplay:    swax "
                                           "verify plugin ", "mine.so add suite=quick seed=1 dtype=f64 N=7"}, 1},
        {"add N=7 suite=quick dtype=f64", {"\nNot asked: add_backward, which was not there.\n", "", "", ""}, 1},
        {"add N=7 suite=quick dtype=f64 json=yes", {",\"not_there\":[\"add_backward\"],", "", "", ""}, 1},
        {"add N=7 suite=quick json=yes", {",\"not_there\":[],", "", "", ""}, 0},
        {"rmsnorm_forward suite=quick without=rstd", {"good: rmsnorm_forward ", " without=rstd: ", "\ny ", ""}, 0},
        {"rmsnorm_forward suite=quick", {"WRONG: rmsnorm_forward ", "rstd is not written", "", ""}, 1},
        {"add_forward N=7 suite=quick dtype=bf16 json=yes",
         {"{\"verdict\":\"wrong\",\"op\":\"add_forward\",\"dtype\":\"bf16\"", "\"looks\":\"all zeros\"", "\n", "}"}, 1},
        {"add_backward N=7 suite=quick seed=5 json=yes",
         {"{\"verdict\":\"good\",\"op\":\"add_backward\"", "\"da\"", "\"db\"", "\"seed\":5"}, 0},
        {"add_backward N=7 dtype=f64", {"exports neither add_backward_f64 nor its backward", "mine.so", "", ""}, 2}};
    char line[800], said[SAID], *object = scratch("mine.so"), *out = scratch("report.json"), *text;
    if (!is_compiled(object))
        return;
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        snprintf(line, sizeof line, "plugin %s %s", object, of[k].line);
        ck_assert_msg(verify(line, said) == of[k].status, "%s: %s", of[k].line, said);
        for (int i = 0; i < 4; i++)
            ck_assert_msg(strstr(said, of[k].says[i]), "%s: no \"%s\" in\n%s", of[k].line, of[k].says[i], said);
        ck_assert_msg(of[k].status != 1 || !strstr(said, "db"), "%s has no backward: %s", of[k].line, said);
        ck_assert_msg(!strstr(of[k].line, "without=") || !strstr(said, "\nrstd"), "%s: %s", of[k].line, said);
    }
    snprintf(line, sizeof line, "plugin %s add N=7 suite=quick dtype=f64 output=%s", object, out);
    ck_assert_msg(verify(line, said) == 1 && strstr(said, "WRONG: add ") == said, "%s", said);
    read_whole(out, &text);
    ck_assert_msg(strstr(text, "{\"verdict\":\"wrong\",\"op\":\"add\"") == text && !strstr(text, "WRONG"), "%s", text);
    free(text);
}
END_TEST

/* The same of a plain function, whose verdict goes to standard output, in words or as JSON, or into a file. */
START_TEST(a_function_is_held_to_a_plain_one)
{
    static const char description[] =
        "{\"function\": \"twice\", \"sizes\": {\"N\": 5}, \"tensors\": ["
        "{\"name\": \"y\", \"shape\": \"N\", \"is\": \"output\"}, "
        "{\"name\": \"x\", \"shape\": \"N\", \"is\": \"input\"}]}";
    static const struct { const char *line, *says; int status; } of[] = {
        {"", "good: twice, f32, suite=standard seed=1: 60 of 60 cases within all bounds.\n", 0},
        {"suite=quick dtype=f64 seed=9", "good: twice, f64, suite=quick seed=9: 12 of 12 cases", 0},
        {"suite=quick json=yes", "{\"verdict\":\"good\",\"function\":\"twice\",\"dtype\":\"f32\",\"suite\":\"quick\"",
         0},
        {"suite=quick number=3", "good: twice, f32, suite=quick seed=1: 1 of 1 cases", 0},
        {"suite=quick number=12", "number=12: the suite has cases 0 to 11.", 2},
        {"suite=quick number=12 output=", "number=12: the suite has cases 0 to 11.", 2},
        {"suite=quick dtype=bf16 output=", "exports no function twice_bf16.", 2},
        {"suite=quick output=", "{\"verdict\":\"good\",\"function\":\"twice\"", 0},
        {"suite=quick json=yes output=", "{\"verdict\":\"good\",\"function\":\"twice\"", 0}};
    char line[800], said[SAID], *object = scratch("mine.so"), *out = scratch("report.json");
    char *tensors = scratch("own.json");
    if (!is_compiled(object))
        return;
    put(tensors, description, strlen(description));
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        const int file = strstr(of[k].line, "output=") != NULL;
        char *text;
        remove(out);
        snprintf(line, sizeof line, "own reference=%s candidate=%s tensors=%s %s%s", object, object, tensors,
                 of[k].line, file ? out : "");
        ck_assert_msg(verify(line, said) == of[k].status, "%s: %s", of[k].line, said);
        if (file && !of[k].status) {
            const char *words = strstr(of[k].line, "json=yes") ? "" : "good: twice, f32, suite=quick";
            ck_assert_msg(*words ? strstr(said, words) == said : !said[0], "%s: %s", of[k].line, said);
            read_whole(out, &text);
            snprintf(said, SAID, "%s", text);
            free(text);
        } else
            ck_assert_msg(access(out, F_OK), "%s leaves a file", of[k].line);
        ck_assert_msg(strstr(said, of[k].says), "%s: no \"%s\" in\n%s", of[k].line, of[k].says, said);
    }
    snprintf(line, sizeof line, "own reference=%s candidate=%s tensors=%s suite=quick output=%s", object, object,
             tensors, scratch("none/report.json"));
    ck_assert_msg(verify(line, said) == 2 && strstr(said, "none/report.json"), "%s", said);
}
END_TEST

/* One case alone, the first too; one precision alone, the first too; what was asked stands in the first line. */
START_TEST(one_of_a_suite_is_asked)
{
    static const struct { const char *line, *lines[2]; int n; } of[] = {
        {"tier ref add_forward suite=quick number=0 dtype=f32",
         {"good: add_forward suite=quick seed=1 dtype=f32: 1 of 1 cases within all bounds.\n"}, 1},
        {"tier ref add_forward suite=quick number=3", {
         "good: add_forward suite=quick seed=1 dtype=f32: 1 of 1 cases within all bounds.\n",
         "good: add_forward suite=quick seed=1 dtype=f64: 1 of 1 cases within all bounds.\n"}, 2},
        {"tier ref add suite=quick number=1 dtype=f64 seed=5 noise=no",
         {"good: add suite=quick seed=5 dtype=f64 noise=no: 1 of 1 cases within all bounds.\n"}, 1},
        {"tier ref mlstm suite=quick number=2 dtype=f64 states=no documents=no behind=headnorm T=5",
         {"good: mlstm suite=quick seed=1 dtype=f64 states=no documents=no behind=headnorm T=5: 1 of 1 cases within "
          "all bounds.\n"}, 1}};
    char said[SAID];
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        int verdicts = 0;
        ck_assert_msg(verify(of[k].line, said) == 0, "%s: %s", of[k].line, said);
        for (const char *at = said; (at = strstr(at, "good: ")); at++, verdicts++)
            ck_assert_msg(verdicts < of[k].n && !strncmp(at, of[k].lines[verdicts], strlen(of[k].lines[verdicts])),
                          "%s: %s", of[k].line, at);
        ck_assert_msg(verdicts == of[k].n, "%s: %d verdicts, not %d", of[k].line, verdicts, of[k].n);
        char words[20];
        snprintf(words, sizeof words, " case %d,", atoi(strstr(of[k].line, "number=") + 7));
        ck_assert_msg(strstr(said, words), "%s: no \"%s\" in\n%s", of[k].line, words, said);
    }
    static const char *const stateful[] = {"mlstm_forward", "delta_forward", "rope_forward"};
    for (int k = 0; k < 3; k++) {
        char line[80];
        snprintf(line, sizeof line, "tier ref %s suite=quick number=0 dtype=f32 states=no", stateful[k]);
        ck_assert_msg(verify(line, said) == 0 && !strstr(said, "\nNot asked: states that come in") == (k == 2), "%s",
                      said);
    }
}
END_TEST

/* Each kernel's sizes, scalars and arguments. */
START_TEST(kernels_are_listed)
{
    char said[SAID];
    ck_assert_int_eq(verify("list", said), 0);
    golden_is("verify_list.txt", said, 0);
    ck_assert_int_eq(verify("list swiglu", said), 0);
    ck_assert_msg(strstr(said, "swiglu_forward\n") == said && strstr(said, "\nswiglu_backward\n") &&
                      !strstr(said, "\nrope"), "%s", said);
    ck_assert_int_eq(verify("list swiglu_backward", said), 0);
    ck_assert_msg(strstr(said, "swiglu_backward\n") == said && !strstr(said, "swiglu_forward"), "%s", said);
    ck_assert_msg(verify("list swigul", said) == 2 && strstr(said, "did you mean swiglu?"), "%s", said);
}
END_TEST

/* What can be asked of a kernel, by its sizes and scalars too, to the letter. */
START_TEST(what_can_be_asked_is_told)
{
    static const char *const of[] = {"make attention help", "make adamw help", "plugin ./mine.so delta help",
                                     "check help", "faults help", "own help"};
    char said[SAID], *now;
    size_t n;
    FILE *f = open_memstream(&now, &n);
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        ck_assert_msg(verify(of[k], said) == 0, "%s: %s", of[k], said);
        fprintf(f, "---- %s\n%s", of[k], said);
    }
    fclose(f);
    golden_is("verify_help.txt", now, 0);
    free(now);
}
END_TEST

/* Of a tier, too: what is reported of other problems has other digits. */
START_TEST(another_seed_is_another_problem)
{
    char one[SAID], again[SAID], other[SAID];
    ck_assert(verify("tier ref mlstm suite=quick", one) == 0 &&
              verify("tier ref mlstm suite=quick seed=1", again) == 0);
    ck_assert(verify("tier ref mlstm suite=quick seed=2", other) == 0);
    ck_assert_str_eq(one, again);
    ck_assert_str_ne(one, other);
}
END_TEST

/* Every cut and many damaged bytes of a case and of answers: refused with a sentence, and nothing crashes or passes. */
START_TEST(damaged_files_are_refused)
{
    char line[400], said[SAID], *of = scratch("case"), *mine = scratch("mine"), *bad = scratch("bad"), *text;
    snprintf(line, sizeof line, "make mlstm T=3 B=1 H=1 K=2 V=2 -o %s", of);
    ck_assert_msg(verify(line, said) == 0, "%s", said);
    struct problem p = problem_of(of);
    answer(mine, &p, swax_tiers[0], NULL);
    problem_free(&p);
    const size_t size = read_whole(of, &text);
    snprintf(line, sizeof line, "check %s %s", bad, mine);
    for (size_t cut = 0; cut < size; cut += cut < 64 || cut > size - 64 ? 1 : 61) {
        put(bad, text, cut);
        ck_assert_msg(verify(line, said) == 2, "cut at %zu: %s", cut, said);
    }
    for (size_t at = 0; at < size; at += 13) {
        text[at] ^= 4;
        put(bad, text, size);
        ck_assert_msg(verify(line, said) == 2, "damaged at %zu: %s", at, said);
        text[at] ^= 4;
    }
    free(text);
    const size_t length = read_whole(mine, &text);
    snprintf(line, sizeof line, "check %s %s", of, bad);
    for (size_t cut = 0; cut < length; cut += 7) {
        put(bad, text, cut);
        ck_assert_msg(verify(line, said) == 2, "cut at %zu: %s", cut, said);
    }
    snprintf(line, sizeof line, "check %s %s", mine, mine);
    refused(line, "swax verify make");
    free(text);
}
END_TEST

/* Seal what was changed, as somebody who reads this source would. */
static void seal_again(char *text, size_t size)
{
    char *seal = strstr(text + 8, "swax.checksum\":\"") + strlen("swax.checksum\":\""), digits[17];
    uint64_t header;
    memcpy(&header, text, 8);
    memset(seal, '0', 16);
    struct checksum c = {0};
    checksum_add(&c, text + 8, (size_t)header);
    checksum_add(&c, text + 8 + header, size - 8 - (size_t)header);
    checksum_text(&c, digits);
    memcpy(seal, digits, 16);
}

/* The case that `make` makes of this, but that the letter `at` behind the beginning of `words` is another: its path. */
static char *edited_case(const char *made, const char *words, int at, char letter)
{
    char line[400], said[SAID], *of = scratch("case"), *text;
    snprintf(line, sizeof line, "make %s -o %s", made, of);
    ck_assert_msg(verify(line, said) == 0, "%s", said);
    const size_t size = read_whole(of, &text);
    char *place = strstr(text + 8, words);
    ck_assert_msg(place, "%s is not in it", words);
    place[at] = letter;
    seal_again(text, size);
    put(of, text, size);
    free(text);
    return of;
}

START_TEST(an_impossible_seed_is_refused)
{
    char line[400], *of = edited_case("mlstm seed=13 T=3 B=1 H=1 K=2 V=2", "seed=13 ", 5, '-');
    snprintf(line, sizeof line, "check %s %s", of, of);
    refused(line, "what its cases are");
}
END_TEST

/* ---- nothing to copy from */

START_TEST(a_case_holds_no_answers)
{
    char line[400], said[SAID], *of = scratch("case");
    snprintf(line, sizeof line, "make mlstm suite=quick -o %s", of);
    ck_assert_msg(verify(line, said) == 0, "%s", said);
    struct st_file *f = st_open(of, why);
    ck_assert_msg(f != NULL, "%s", why);
    for (int i = 0; i < st_count(f); i++) {
        const char *name = strchr(st_tensor(f, i)->name, '/') + 1;
        for (int part = 0; part < 2; part++) {
            const int op = op_find(part ? "mlstm_backward" : "mlstm_forward"), arg = op_arg_find(&swax_ops[op], name);
            ck_assert_msg(arg < 0 || swax_ops[op].arg[arg].role == IN, "%s is an answer", st_tensor(f, i)->name);
        }
    }
    for (int i = 0; i < st_meta_count(f); i++) {
        const char *key, *value;
        st_meta_entry(f, i, &key, &value);
        ck_assert_msg(!strstr(value, "honest") && !strstr(value, "\"max\""), "%s tells bounds: %s", key, value);
        if (strlen(key) < 4 || strcmp(key + strlen(key) - 4, "case"))
            continue;
        struct json *j = json_parse(value, strlen(value), why);
        const struct json *dims = j ? json_get(j, "dims") : NULL, *scalars = j ? json_get(j, "scalars") : NULL,
                          *answers = j ? json_get(j, "answers") : NULL;
        ck_assert_msg(dims && dims->count == 7 && scalars && scalars->count == 1 && answers && answers->count >= 8 &&
                          json_get(j, "seed") && json_get(j, "family") && !strcmp(json_get(j, "op")->text, "mlstm"),
                      "%s is %s", key, j ? value : why);
        const struct json *h = json_get(answers, "h"), *qn = json_get(answers, "qn");
        ck_assert_msg(h && qn && json_get(h, "demanded")->type == JSON_TRUE &&
                          json_get(qn, "demanded")->type == JSON_FALSE, "%s is %s", key, value);
        json_free(j);
    }
    st_close(f);
}
END_TEST

/* Inputs made easy, another seed written over the old one, answers of another seed, of another case: none of it
 * passes. */
START_TEST(a_case_cannot_be_exchanged)
{
    char line[400], said[SAID], *of = scratch("case"), *other = scratch("other"), *mine = scratch("mine"),
                                *bad = scratch("bad"), *text;
    snprintf(line, sizeof line, "make mlstm seed=5 T=7 B=2 H=3 K=4 V=4 g=0 -o %s", of);
    ck_assert_msg(verify(line, said) == 0, "%s", said);
    snprintf(line, sizeof line, "make mlstm seed=6 T=7 B=2 H=3 K=4 V=4 g=0 states=no -o %s", other);
    ck_assert_msg(verify(line, said) == 0, "%s", said);
    struct problem p = problem_of(of);
    answer(mine, &p, swax_tiers[0], NULL);
    problem_free(&p);
    snprintf(line, sizeof line, "check %s %s seed=5", of, mine);
    ck_assert_msg(verify(line, said) == 0, "%s", said);
    snprintf(line, sizeof line, "check %s %s seed=6", of, mine);
    refused(line, "of seed 5");
    snprintf(line, sizeof line, "check %s %s suite=standard", of, mine);
    refused(line, "not of the suite");
    snprintf(line, sizeof line, "make rope suite=quick -o %s", bad);
    ck_assert_msg(verify(line, said) == 0, "%s", said);
    snprintf(line, sizeof line, "check %s %s", bad, mine);        /* of a suite too, if none is asked for */
    refused(line, "/y\".");
    snprintf(line, sizeof line, "make rope seed=5 dtype=f64 -o %s", bad);
    ck_assert_msg(verify(line, said) == 0, "%s", said);
    struct problem rope = problem_of(bad);
    answer(mine, &rope, swax_tiers[0], NULL);
    problem_free(&rope);
    snprintf(line, sizeof line, "check %s %s", bad, mine);
    snprintf(said, sizeof said, "Tensor \"y\" in %.80s holds F32, and this case needs F64 or more.", mine);
    char *less = strdup(said);
    refused(line, less);
    free(less);
    p = problem_of(of);
    answer(mine, &p, swax_tiers[0], NULL);
    problem_free(&p);

    size_t size = read_whole(of, &text);
    uint64_t header;
    memcpy(&header, text, 8);
    memset(text + 8 + header, 0, 64);
    seal_again(text, size);
    put(bad, text, size);
    free(text);
    snprintf(line, sizeof line, "check %s %s", bad, mine);
    refused(line, "not what the case's seed gives");

    size = read_whole(of, &text);
    strstr(text + 8, "seed=5 ")[5] = '7';
    seal_again(text, size);
    put(bad, text, size);
    free(text);
    refused(line, "not what the case's seed gives");

    p = problem_of(other);
    struct problem wrong = problem_of(of);
    answer(mine, &p, swax_tiers[0], NULL);      /* the answers of another seed */
    snprintf(line, sizeof line, "check %s %s", of, mine);
    const int status = verify(line, said);
    ck_assert_msg(status == 1 || strstr(said, "no tensor"), "%s", said);
    problem_free(&p);
    problem_free(&wrong);
}
END_TEST

/* A whole number is what it is: a token, or where a document begins. */
START_TEST(whole_numbers_of_a_case_do_not_differ)
{
    char line[400], said[SAID], *case_of = scratch("case"), *bad = scratch("bad"), *text;
    uint64_t header;
    snprintf(line, sizeof line, "make embed N=9 V=50 C=3 -o %s", case_of);
    ck_assert_msg(verify(line, said) == 0, "%s", said);
    struct problem p = problem_of(case_of);
    const int token = op_arg_find(&swax_ops[p.in[0].op], "token");
    int32_t is[9], other[9];
    for (int n = 0; n < 9; n++)
        is[n] = other[n] = (int32_t)p.in[0].arg[token][n];
    other[4] += is[4] > 20 ? -1 : 1;
    const size_t size = read_whole(case_of, &text);
    memcpy(&header, text, 8);
    size_t at = 8 + (size_t)header;
    while (at < size && memcmp(text + at, is, sizeof is))
        at++;
    ck_assert_msg(at < size, "the tokens are not in the file");
    memcpy(text + at, other, sizeof other);
    seal_again(text, size);
    put(bad, text, size);
    free(text);
    snprintf(line, sizeof line, "check %s %s", bad, case_of);
    refused(line, "\"token\"");
    refused(line, "not what the case's seed gives");
    problem_free(&p);
}
END_TEST

START_TEST(a_case_says_how_many_it_has)
{
    char line[400], *of = edited_case("rope T=3 B=1 H=1 D=2", "\"cases\":\"1\"", 9, '7');
    snprintf(line, sizeof line, "check %s %s", of, of);
    refused(line, "says that it has 7 cases, and it is made of 1.");
    static const char *const others[] = {"config=ab", "output=ab"};      /* words that are no case's */
    for (int k = 0; k < 2; k++) {
        char said[SAID], *text, *other = scratch("case");
        snprintf(line, sizeof line, "make rope T=3 B=1 H=1 D=2 -o %s", other);
        ck_assert_msg(verify(line, said) == 0, "%s", said);
        const size_t size = read_whole(other, &text);
        char *made = strstr(text + 8, "\"made\"");
        memcpy(strstr(made, "dtype=f32"), others[k], strlen(others[k]));
        seal_again(text, size);
        put(other, text, size);
        free(text);
        snprintf(line, sizeof line, "check %s %s", other, other);
        refused(line, "does not say what its cases are.");
    }
    of = edited_case("attention T=3 S=3 B=1 H=4 G=2 D=2", " G=2", 3, '3');      /* which cannot be drawn */
    snprintf(line, sizeof line, "check %s %s", of, of);
    refused(line, "divide");
}
END_TEST

/* Is the only case of a file what its seed gives?  NULL, or what is said; *p is the case, with the file's numbers. */
static const char *match_of(const char *path, struct problem *p)
{
    struct plan plan;
    struct entry e;
    struct case_file *f = case_open(path, &plan, why);
    ck_assert_msg(f && plan_entry(&plan, 0, &e) && !problem_draw(p, &plan, 0, &e, why), "%s", why);
    const char *wrong = case_match(f, p, why);
    case_close(f);
    return wrong;
}

/* Another machine's exp may round a drawn number otherwise: two roundings of the case's type, and no more. */
START_TEST(what_a_forward_saved_may_differ_by_64_roundings)
{
    static const struct { double roundings; int taken; } of[] = {{0, 1}, {63.5, 1}, {-63.5, 1}, {64.5, 0}, {-64.5, 0}};
    char line[400], said[SAID], *case_of = scratch("case"), *bad = scratch("bad"), *text;
    snprintf(line, sizeof line, "make attention_backward T=3 S=3 H=1 G=1 D=3 dtype=f64 seed=3 -o %s", case_of);
    ck_assert_msg(verify(line, said) == 0, "%s", said);
    struct problem is = problem_of(case_of);
    const int y = op_arg_find(&swax_ops[is.in[0].op], "y");
    double largest = 0;      /* of y; float rounds by 2^-23, in a case in double too */
    for (int e = 0; e < 9; e++)
        largest = fabs(is.in[0].arg[y][e]) > fabs(largest) ? is.in[0].arg[y][e] : largest;
    problem_free(&is);
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        const double moved = largest * (1 + of[k].roundings * 0x1p-23);
        const size_t size = read_whole(case_of, &text);
        size_t at = 0;
        while (at + 8 < size && memcmp(text + at, &largest, 8))
            at++;
        ck_assert(at + 8 < size);
        memcpy(text + at, &moved, 8);
        seal_again(text, size);
        put(bad, text, size);
        free(text);
        struct problem p;
        const char *wrong = match_of(bad, &p);
        ck_assert_msg((wrong == NULL) == of[k].taken, "%g roundings off: %s", of[k].roundings, wrong ? wrong : "taken");
        problem_free(&p);
    }
}
END_TEST

START_TEST(numbers_of_a_case_may_differ_in_the_last_digits)
{
    static const struct { const char *dtype; int bytes; uint64_t one, rounding; } of[] = {
        {"f32", 4, 0x3f800000, 1}, {"bf16", 2, 0x3f80, 1}, {"f16", 2, 0x3c00, 1},
        {"f64", 8, 0x3ff0000000000000, 1 << 29}};      /* in double too, float's */
    char line[400], said[SAID], *case_of = scratch("case"), *bad = scratch("bad"), *text;
    for (size_t k = 0; k < sizeof of / sizeof *of; k++)
        for (uint64_t off = 2; off < 4; off++) {
            uint64_t header, x = 0;
            snprintf(line, sizeof line, "make linear N=4 O=4 I=4 family=integers dtype=%s -o %s", of[k].dtype, case_of);
            ck_assert_msg(verify(line, said) == 0, "%s", said);
            const size_t size = read_whole(case_of, &text);
            memcpy(&header, text, 8);
            size_t at = 8 + (size_t)header;
            while (at < size && (memcpy(&x, text + at, (size_t)of[k].bytes), x != of[k].one))
                at += (size_t)of[k].bytes;
            ck_assert_msg(at < size, "%s: there is no 1 in the case", of[k].dtype);
            x += off * of[k].rounding;
            memcpy(text + at, &x, (size_t)of[k].bytes);
            seal_again(text, size);
            put(bad, text, size);
            free(text);
            struct problem p;
            const char *wrong = match_of(bad, &p);
            ck_assert_msg(!wrong == (off == 2) && (!wrong || strstr(wrong, "not what the case's seed gives")),
                          "%s, %d roundings off: %s", of[k].dtype, (int)off, wrong ? wrong : "taken");
            long broken = 0;      /* all the numbers are whole but the one that the file changed */
            for (int i = 0; i < p.in[0].n && !wrong; i++)
                for (long n = 0; n < p.in[0].size[i] && swax_ops[p.in[0].op].arg[i].role == IN; n++)
                    broken += p.in[0].arg[i][n] != floor(p.in[0].arg[i][n]);
            ck_assert_msg(wrong || broken == 1, "%s: %ld numbers are not whole: the case asks others than its file "
                          "has", of[k].dtype, broken);
            for (int i = 0; i < p.in[0].n && !wrong; i++) {      /* the backward reads the file's numbers, too */
                const int j = op_arg_find(&swax_ops[p.in[1].op], swax_ops[p.in[0].op].arg[i].name);
                ck_assert_msg(j < 0 || !memcmp(p.in[1].arg[j], p.in[0].arg[i],
                                               (size_t)p.in[0].size[i] * sizeof(double)),
                              "%s: the backward reads another %s", of[k].dtype, swax_ops[p.in[0].op].arg[i].name);
            }
            problem_free(&p);
        }
}
END_TEST

/* Each input in the file is compared with what the seed gives: the first number of each in turn, of another size. */
START_TEST(every_input_of_a_case_is_compared)
{
    static const char *const of[] = {"adamw N=5", "mlstm_backward T=3 B=1 H=1 K=2 V=2 L=2",
                                     "linear N=3 O=2 I=2 noise=yes", "attention T=3 S=3 D=2"};
    char line[400], said[SAID], *case_of = scratch("case"), *bad = scratch("bad"), *text, *header;
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        int compared = 0;
        snprintf(line, sizeof line, "make %s -o %s", of[k], case_of);
        ck_assert_msg(verify(line, said) == 0, "%s", said);
        struct st_file *f = st_open(case_of, why);
        ck_assert_msg(f, "%s", why);
        for (int i = 0; i < st_count(f); i++) {
            const char *name = st_tensor(f, i)->name;
            uint64_t length;
            size_t begins, ends, size = read_whole(case_of, &text);
            memcpy(&length, text, 8);
            header = strndup(text + 8, (size_t)length);
            snprintf(line, sizeof line, "\"%s\":{", name);
            const char *at = strstr(header, line);
            at = at ? strstr(at, "\"data_offsets\":[") : NULL;
            ck_assert_msg(at && sscanf(at, "\"data_offsets\":[%zu,%zu]", &begins, &ends) == 2, "%s", header);
            text[8 + length + begins + (st_tensor(f, i)->type == ST_F64 ? 7 : 3)] ^= 0x40;
            seal_again(text, size);
            put(bad, text, size);
            free(header), free(text);
            struct problem p;
            const char *wrong = match_of(bad, &p);
            snprintf(line, sizeof line, "Tensor \"%s\" in ", name);
            ck_assert_msg(wrong && !strncmp(wrong, line, strlen(line)) &&
                              strstr(wrong, "not what the case's seed gives"),
                          "%s, %s: %s", of[k], name, wrong ? wrong : "taken");
            problem_free(&p);
            compared++;
        }
        st_close(f);
        ck_assert_msg(compared >= 3, "%s: %d inputs", of[k], compared);
    }
}
END_TEST

START_TEST(random_seeds_are_printed_and_replayed)
{
    char line[400], said[SAID], *of = scratch("case"), *again = scratch("again"), *text;
    unsigned long long seed = 0;
    snprintf(line, sizeof line, "make rope seed=random -o %s", of);
    ck_assert_msg(verify(line, said) == 0, "%s", said);
    read_whole(scratch("stderr"), &text);
    ck_assert_msg(sscanf(text, "seed=%llu", &seed) == 1 && seed > 1, "%s", text);
    free(text);
    snprintf(line, sizeof line, "make rope seed=%llu -o %s", seed, again);
    ck_assert_msg(verify(line, said) == 0, "%s", said);
    ck_assert(same_bytes(of, again));
    snprintf(line, sizeof line, "make rope seed=random -o %s", again);
    ck_assert_msg(verify(line, said) == 0, "%s", said);
    ck_assert(!same_bytes(of, again));
    static const char *const others[] = {"plugin ./none.so sqsum seed=random", "tier ref sqsum suite=quick seed=random",
                                         "own reference=a.so candidate=b.so tensors=c.json seed=random"};
    for (int k = 0; k < 3; k++) {      /* before anything else can go wrong */
        ck_assert_msg(verify(others[k], said) == (k == 1 ? 0 : 2), "%s: %s", others[k], said);
        read_whole(scratch("stderr"), &text);
        ck_assert_msg(sscanf(text, "seed=%llu", &seed) == 1 && seed > 1, "%s: %s", others[k], text);
        free(text);
    }
}
END_TEST

START_TEST(sizes_of_models_and_files)
{
    char line[400], said[SAID], *of = scratch("case"), *file = scratch("sizes.json");
    const char text[] = "{\"mlstm\": {\"H\": 3, \"K\": 12, \"V\": 20, \"eps\": 0.5}, \"attention\": {\"D\": 7}}";
    put(file, text, strlen(text));
    snprintf(line, sizeof line, "make mlstm sizes=%s K=5 T=4 -o %s", file, of);
    ck_assert_msg(verify(line, said) == 0, "%s", said);
    struct problem p = problem_of(of);
    const struct op_spec *op = &swax_ops[p.in[0].op];
    ck_assert(op_extent(op, 'H', p.in[0].dims) == 3 && op_extent(op, 'K', p.in[0].dims) == 5 &&
              op_extent(op, 'V', p.in[0].dims) == 20);
    ck_assert(p.in[0].scalar[0] == 0.5);
    problem_free(&p);
    snprintf(line, sizeof line, "make mlstm sizes=xlstm-7b T=2 B=1 -o %s", of);
    ck_assert_msg(verify(line, said) == 0, "%s", said);
    p = problem_of(of);
    ck_assert(op_extent(op, 'H', p.in[0].dims) == 8 && op_extent(op, 'K', p.in[0].dims) == 256 &&
              op_extent(op, 'V', p.in[0].dims) == 512);
    problem_free(&p);
    /* out of range, or not whole: said of the file, by its key */
    static const struct { const char *text, *says; } wrong[] = {
        {"{\"H\": 0}", "H=0, and it is a whole number from 1 to"},
        {"{\"H\": 3e9}", "and it is a whole number from 1"}, {"{\"K\": 2.5}", "K=2.5, and it is a whole number"},
        {"{\"g\": 4}", "g=4, and it is a whole number from 0 to 3"},
        {"{\"eps\": -0.5}", "eps=-0.5, and it is a number from 0 to 1"},
        {"{\"eps\": 1.5}", "eps=1.5, and it is a number"}, {"{\"Q\": 3}", "has no size or scalar \"Q\""},
        {"{\"H\": \"3\"}", "\"H\" is no number"}, {"[3]", "no object of sizes"},
        {"{\"mlstm\": {\"H\": 3, \"K\": {\"of\": 3}}}", "\"K\" is no number"}};
    for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
        put(file, wrong[k].text, strlen(wrong[k].text));
        snprintf(line, sizeof line, "make mlstm sizes=%s -o %s", file, of);
        refused(line, wrong[k].says);
        refused(line, "sizes.json");
    }
}
END_TEST

/* What is obvious has a name: zeros, numbers that are none, a factor. */
START_TEST(the_obvious_is_said)
{
    static const struct { const char *words; double times, plus; } of[] = {
        {"all zeros", 0, 0}, {"not finite", 1, NAN}, {"1.5 times", 1.5, 0}, {"of the opposite sign", -1, 0}};
    char line[400], said[SAID], *path = scratch("case"), *mine = scratch("mine");
    snprintf(line, sizeof line, "make attention_forward seed=8 T=9 S=9 H=2 G=1 D=8 -o %s", path);
    ck_assert_msg(verify(line, said) == 0, "%s", said);
    struct problem p = problem_of(path);
    problem_solve(&p);
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        struct answers a = {.n = 2};
        for (int i = 0; i < 2; i++) {
            const struct op_arg *arg = &swax_ops[p.in[0].op].arg[i];
            strcpy(a.name[i], arg->name);
            a.from[i] = p.truth[0].arg[i];
            a.tensor[i] = (struct st_tensor){.name = a.name[i], .type = ST_F32, .rank = (int)strlen(arg->shape),
                                             .size = p.in[0].size[i]};
            for (int d = 0; d < a.tensor[i].rank; d++)
                a.tensor[i].shape[d] = op_extent(&swax_ops[p.in[0].op], arg->shape[d], p.in[0].dims);
        }
        double *y = calloc((size_t)p.in[0].size[0], sizeof *y);
        for (long e = 0; e < p.in[0].size[0]; e++)
            y[e] = of[k].times * p.truth[0].arg[0][e] + (e == 5 ? of[k].plus : 0);
        a.from[0] = y;
        ck_assert_msg(!st_write(mine, &(struct st_plan){a.n, a.tensor, give, &a, 0, NULL}, why), "%s", why);
        snprintf(line, sizeof line, "check %s %s", path, mine);
        ck_assert_msg(verify(line, said) == 1, "%s", said);
        ck_assert_msg(strstr(said, of[k].words), "no \"%s\" in\n%s", of[k].words, said);
        free(y);
    }
    problem_free(&p);
}
END_TEST

static const struct { const char *header, *data; size_t more; const char *expected; } hostile[] = {
    {"", "", 0, "no length of a header"},
    {"{}", "", 0, "no tensor"},
    {"{}", "", 90, "reaches beyond the end"},
    {"{}", "", SIZE_MAX - 9, "no length of a header"},
    {"[]", "", 0, "not an object"},
    {"{\"h\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}", "abcd", 0, "JSON"},
    {"{\"h\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]}}", "abcd", 0, "cut short"},
    {"{\"h\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", "abcdefgh", 0, "follow its last tensor"},
    {"{\"h\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
     "\"dq\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[2,6]}}", "abcdef", 0, "overlaps"},
    {"{\"h\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
     "\"h\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", "abcdefgh", 0, "twice"},
    {"{\"h\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", "", 0, "possible product"},
    {"{\"h\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,0]}}", "", 0, "possible product"},
    {"{\"h\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[9223372036854775807,9223372036854775807]}}", "", 0,
     "cut short"},
    {"{\"h\":{\"dtype\":\"I32\",\"shape\":[1,3,1,2],\"data_offsets\":[0,24]}}", "abcdefghijklmnopqrstuvwx", 0, "I32"},
    {"{\"h\":{\"dtype\":\"F32\",\"shape\":[3,2],\"data_offsets\":[0,24]}}", "abcdefghijklmnopqrstuvwx", 0,
     "[1,3,1,2] is needed"},
    {"{\"h\":{\"dtype\":\"F32\",\"shape\":[1,3,1,3],\"data_offsets\":[0,36]}}",
     "abcdefghijklmnopqrstuvwxabcdefghijkl", 0, "has the shape [1,3,1,3], and [1,3,1,2] is needed"},
    {"{\"h\":{\"dtype\":\"I64\",\"shape\":[1,3,1,2],\"data_offsets\":[0,48]}}",
     "abcdefghijklmnopqrstuvwxabcdefghijklmnopqrstuvwx", 0, "holds I64, and floating-point numbers are needed"},
    {"{\"h\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]}}", "abcd", 0, "F16"},
};

START_TEST(hostile_answers_are_refused)
{
    char line[400], said[SAID], *of = scratch("case"), *mine = scratch("mine");
    snprintf(line, sizeof line, "make mlstm T=3 B=1 H=1 K=2 V=2 -o %s", of);
    ck_assert_msg(verify(line, said) == 0, "%s", said);
    snprintf(line, sizeof line, "check %s %s", of, mine);
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        put_with_header(mine, hostile[i].header, strlen(hostile[i].header) + hostile[i].more, hostile[i].data,
                        strlen(hostile[i].data));
        refused(line, hostile[i].expected);
    }
    put(mine, "", 0);
    refused(line, "empty");
    put_many_entries(mine, 100000);
    refused(line, "65536");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("verify's files");
    TCase *t = tcase_create("files");
    scratch_open();
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, cases_survive_their_file, 0, (int)(sizeof made / sizeof *made));
    tcase_add_test(t, a_forward_without_what_it_saves);
    tcase_add_loop_test(t, faults_are_named_through_files, 0, 4);
    tcase_add_test(t, bad_words_get_one_sentence);
    tcase_add_test(t, faults_that_pass_are_counted);
    tcase_add_test(t, a_case_says_what_it_is);
    tcase_add_test(t, a_report_goes_into_its_file);
    tcase_add_test(t, a_case_is_the_one_that_is_meant);
    tcase_add_test(t, a_tensor_has_its_type);
    tcase_add_test(t, a_shared_object_is_judged);
    tcase_add_test(t, a_function_is_held_to_a_plain_one);
    tcase_add_test(t, one_of_a_suite_is_asked);
    tcase_add_test(t, kernels_are_listed);
    tcase_add_test(t, what_can_be_asked_is_told);
    tcase_add_test(t, another_seed_is_another_problem);
    tcase_add_test(t, damaged_files_are_refused);
    tcase_add_test(t, an_impossible_seed_is_refused);
    tcase_add_test(t, hostile_answers_are_refused);
    tcase_add_test(t, a_case_holds_no_answers);
    tcase_add_test(t, a_case_cannot_be_exchanged);
    tcase_add_test(t, whole_numbers_of_a_case_do_not_differ);
    tcase_add_test(t, a_case_says_how_many_it_has);
    tcase_add_test(t, what_a_forward_saved_may_differ_by_64_roundings);
    tcase_add_test(t, numbers_of_a_case_may_differ_in_the_last_digits);
    tcase_add_test(t, every_input_of_a_case_is_compared);
    tcase_add_test(t, random_seeds_are_printed_and_replayed);
    tcase_add_test(t, sizes_of_models_and_files);
    tcase_add_test(t, the_obvious_is_said);
    suite_add_tcase(s, t);
    const int status = suite_ends(s);
    scratch_close();
    return status;
}
