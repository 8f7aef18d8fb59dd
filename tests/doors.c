/* doors.c - see doors.h. */
#include "tests/doors.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include "tools/lib/say.h"

struct door_array *shown_array(struct door_problem *p, const char *name, int answer)
{
    for (int k = 0; k < p->n; k++)
        if (!strcmp(p->array[k].name, name) && (p->array[k].role > 0) == answer)
            return &p->array[k];
    return NULL;
}

long shown_elements(const struct door_array *x)
{
    long n = x ? 1 : 0;
    for (int d = 0; x && d < x->rank; d++)
        n *= x->extent[d];
    return n;
}

void shown_answer(const struct swax_tier *tier, enum swax_precision precision, struct door_problem *p)
{
    struct op_case c[PARTS];
    const int op[PARTS] = {op_find(p->op), op_backward_of(op_find(p->op))};
    int parts = 1;
    for (int k = 0; k < p->n; k++)
        parts = p->array[k].role && op_arg_find(&swax_ops[op[0]], p->array[k].name) < 0 ? 2 : parts;
    memset(c, 0, sizeof c);
    for (int part = 0; part < parts; part++) {
        unsigned given = 0;
        c[part].op = op[part];
        memcpy(c[part].dims, p->dim, sizeof p->dim);
        memcpy(c[part].scalar, p->scalar, sizeof p->scalar);
        for (int i = 0; i < op_args(&swax_ops[op[part]]); i++) {
            const struct op_arg *a = &swax_ops[op[part]].arg[i];
            given |= a->optional && shown_array(p, a->name, op_answers(a)) ? 1u << a->optional : 0;
        }
        op_case_alloc(&c[part], given);
        for (int i = 0; i < c[part].n; i++) {
            const struct op_arg *a = &swax_ops[op[part]].arg[i];
            const struct door_array *x = shown_array(p, a->name, 0);
            if (x && c[part].arg[i] && !(a->role == OUT))
                memcpy(c[part].arg[i], x->at, (size_t)c[part].size[i] * sizeof(double));
        }
        if (part)
            problem_chain(&c[1], &c[0]);
        const char *trouble = op_run(tier, precision, &c[part]);
        ck_assert_msg(!trouble, "%s", trouble ? trouble : "");
        for (int i = 0; i < c[part].n; i++) {
            struct door_array *x = shown_array(p, swax_ops[op[part]].arg[i].name, 1);
            if (!x || !c[part].arg[i])
                continue;
            ck_assert_int_eq(shown_elements(x), c[part].size[i]);
            memcpy(x->at, c[part].arg[i], (size_t)c[part].size[i] * sizeof(double));
            x->given = 1;
        }
    }
    for (int part = 0; part < parts; part++)
        op_case_free(&c[part]);
}

char said_text[SAID];

struct json *said_report(FILE *o)
{
    char why[SWAX_WHY];
    fseek(o, 0, SEEK_SET);
    const size_t n = fread(said_text, 1, sizeof said_text - 1, o);
    said_text[n] = 0;
    fclose(o);
    struct json *root = json_parse(said_text, n, why);
    ck_assert_msg(root != NULL, "%s: %s", why, said_text);
    return root;
}

double said_number(const struct json *root, const char *key)
{
    const struct json *j = json_get(root, key);
    ck_assert_msg(j && j->type == JSON_NUMBER, "no number %s in %s", key, said_text);
    return j->number;
}

const char *said_word(const struct json *root, const char *key)
{
    const struct json *j = json_get(root, key);
    ck_assert_msg(j && j->type == JSON_STRING, "no said_text %s in %s", key, said_text);
    return j->text;
}

const struct json *said_tensor(const struct json *root, const char *name)
{
    for (const struct json *t = json_get(root, "tensors")->first; t; t = t->next)
        if (!strcmp(said_word(t, "name"), name))
            return t;
    return NULL;
}
