/* files.c - somebody's answers in a file, to the problems of another. */
#include "tools/verify/tensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/lib/say.h"

struct files { struct case_file *of; struct st_file *mine; const char *path; int cases; char *why; const char *wrong; };

/* Answers in less than the case's own precision are none: 0 for those. */
static int precise_enough(enum st_type t, enum op_type type, enum dtype d)
{
    const enum st_type own = element_type(type, d);
    return t == own || t == ST_F64 || (t == ST_F32 && own != ST_F64);
}

static const char *read_answer(const struct files *f, const struct problem *p, int part, struct op_case *c, int i)
{
    char name[NAME], prefix[16];
    const struct op_arg *a = &swax_ops[c->op].arg[i];
    snprintf(name, sizeof name, "%s%s", prefix_of(prefix, p->number, f->cases), a->name);
    const struct st_tensor *t = st_find(f->mine, name);
    if (!t && !p->demanded[part][i]) {
        free(c->arg[i]);
        c->arg[i] = NULL;
        return NULL;
    }
    if (!t && subject_can_lack(&p->subject, i))
        return say(f->why, "%.120s has no tensor \"%s\": a case of `swax verify make %s without=%s` does not ask for "
                           "it.", f->path, name, p->subject.name, a->name);
    if (t && t->type < ST_I64 && !precise_enough(t->type, a->type, p->wish.dtype))
        return say(f->why, "Tensor \"%s\" in %.80s holds %s, and this case needs %s or more.", name, f->path,
                   st_type_name[t->type], st_type_name[element_type(a->type, p->wish.dtype)]);
    return tensor_read(f->mine, f->path, name, c, i, c->arg[i], f->why);
}

static const char *answer(void *arg, const struct problem *p, struct op_case got[PARTS], struct report *r, int *lost)
{
    struct files *f = arg;
    (void)r;
    for (int part = 0; part < p->subject.n && !f->wrong; part++)
        for (int i = 0; i < got[part].n && !f->wrong; i++)
            if (problem_is_answer(p, part, i))
                f->wrong = read_answer(f, p, part, &got[part], i);
    *lost = f->wrong != NULL;
    return NULL;
}

static const char *match(void *arg, struct problem *p)
{
    struct files *f = arg;
    return f->wrong = f->wrong ? f->wrong : case_match(f->of, p, f->why);
}

const char *verify_file(const char *of, const char *mine, const struct plan *expected, struct report *r, char *why)
{
    struct plan plan;
    struct files f = {.path = mine, .why = why};
    struct entry e;
    f.of = case_open(of, &plan, why);
    if (!f.of)
        return why;
    if (expected->wish.behind && !plan.wish.behind)
        f.wrong = say(
            why, "The gradient of h in %.120s does not come out of a norm: make the case with behind=headnorm.", of);
    else if (expected->seed && plan.seed != expected->seed)
        f.wrong = say(why, "%.120s is of seed %llu, and seed=%llu is asked for.", of, (unsigned long long)plan.seed,
                      (unsigned long long)expected->seed);
    else if (expected->suite >= 0 && plan.suite != expected->suite)
        f.wrong = say(why, "%.120s is not of the suite %s.", of, suite_name(expected->suite));
    while (plan_entry(&plan, f.cases, &e))
        f.cases++;
    f.mine = f.wrong ? NULL : st_open(mine, why);
    if (!f.wrong && f.mine) {
        const int gauge = r->gauge;
        report_begin(r, &plan);
        r->gauge = gauge;
        const char *wrong = verify_run(&plan, &(struct candidate){.answer = answer, .match = match, .arg = &f}, r, why);
        f.wrong = f.wrong ? f.wrong : wrong;
    } else if (!f.wrong)
        f.wrong = why;
    if (f.mine)
        st_close(f.mine);
    case_close(f.of);
    return f.wrong;
}
