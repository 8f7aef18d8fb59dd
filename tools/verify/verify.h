/* verify.h - `swax verify`: problems with their true answers, and what a stranger's answers are worth.
 *
 * A subject is one kernel ("rope_forward") or, without the ending, a forward with its backward ("mlstm"): the same
 * inputs for both, and a candidate may answer in any way that gives h and the gradients. */
#ifndef SWAX_VERIFY_H
#define SWAX_VERIFY_H

#include <stdio.h>
#include "ref/oracle/oracle.h"
#include "ref/network/config.h"
#include "ref/oracle/faults/faults.h"

enum { PARTS = 2 };

struct subject { char name[32], base[32]; int n, op[PARTS]; };
const char *subject_find(struct subject *s, const char *name, char *why);      /* NULL, or a sentence */

enum dtype { DT_F32, DT_F64, DT_BF16, DT_F16, DTYPES };
extern const char *const dtype_name[DTYPES];                 /* "f32" "f64" "bf16" "f16" */
enum swax_precision dtype_precision(enum dtype d);           /* whose rule judges it: bf16's for f16, with an eighth of the bound */

/* What the user fixes of a problem; the rest is drawn. */
struct wish {
    enum dtype dtype;
    int behind;                       /* the cotangent of h comes out of a head norm */
    int states, documents;            /* 0: never; 1: drawn */
    int chained;                      /* a backward reads what its own forward saved, as in a library; otherwise what the
                                         problem says, as kernels.h has it */
    int noise;                        /* gradients begin from noise, as the contract allows, not from 0 */
    uint64_t shift;                   /* added to a suite's seeds */
    int n_dims, n_scalars;
    struct { char letter; int value; } dim[OP_DIMS];
    struct { const char *name; double value; } scalar[OP_SCALARS];
};

struct problem {
    struct subject subject;
    struct wish wish;
    uint64_t seed;
    enum op_family family;
    struct op_case in[PARTS], truth[PARTS];
    struct op_verdict bound[PARTS];
    unsigned char demanded[PARTS][OP_ARGS];    /* an answer without it is none */
};

/* tools/verify/problem.c.  Sizes up to max_dim where not wished; `tokens` > 0: that many. */
const char *problem_make(struct problem *p, const struct subject *s, const struct wish *w, uint64_t seed,
                         enum op_family family, int max_dim, int tokens, char *why);
void problem_free(struct problem *p);
/* tools/verify/size.c.  How much it is for the reference: multiplications, numbers in arrays. */
struct size { double work, numbers; };
double case_work(const struct op_case *c);                                     /* reads c's kernel and sizes only */
double case_numbers(const struct op_case *c);                                  /* in all its arrays; likewise */
/* Add what that problem would be; NULL, or a sentence: it cannot be, or the sum is too much. */
const char *problem_size(struct size *sum, const struct subject *s, const struct wish *w, uint64_t seed, int max_dim, int tokens, char *why);
const char *size_check(struct size *sum, const struct subject *s, const struct op_case *c, char *why);
int problem_is_answer(const struct problem *p, int part, int arg);             /* an output that is there */
/* Fill the forward's answers into what its backward reads of it. */
void problem_chain(struct op_case *backward, const struct op_case *forward);

/* tools/verify/list.c: on stdout */
void verify_list(void);

/* tools/verify/suite.c.  Number i of a suite (0 behind the last): its seed, family, sizes. */
struct suite_entry { uint64_t seed; enum op_family family; int max_dim, tokens; };
int suite_find(const char *name);                                              /* its number, or -1 */
const char *suite_name(int suite);                                             /* NULL behind the last */
int suite_entry(int suite, const struct subject *s, const struct wish *w, int i, struct suite_entry *e);
/* Can all of it be made?  NULL, or a sentence. */
const char *suite_size(int suite, const struct subject *s, const struct wish *w, char *why);

/* tools/verify/case.c: problems as files */
const char *case_write(const char *path, const struct problem *p, int n, char *why);
const char *case_read(const char *path, struct problem **p, int *n, char *why);
const char *answers_read(const char *path, const struct problem *p, int n, struct op_case (**got)[PARTS], char *why);

/* ---- tools/verify/judge.c: what was found, tensor by tensor */
struct finding {
    const char *name;
    int answers, failed;              /* how many problems have it, and where it is out of bound */
    double ratio, rms, largest, ulp, bound, rms_bound, honest;    /* of the problem where it is worst */
    int problem; long index;
};
struct report {
    struct subject subject;
    struct wish wish;
    int problems, failed, n;
    struct finding finding[2 * OP_ARGS];
    char trouble[OP_SENTENCE];
    int wrong_families;               /* bit f: it failed on family f */
    int cause, causes, causes_list[3];/* the best fault, or -1; how many explain it as well */
    double explained;                 /* how much of the distance from the truth it explains, 0..1 */
    int alike;                        /* the errors have the size, not the digits */
    int too_large;                    /* for a diagnosis */
};
void report_begin(struct report *r, const struct subject *s, const struct wish *w);
/* 1 if it is within all bounds.  `part` only. */
int report_add(struct report *r, const struct problem *p, const struct op_case *got, int part);

/* tools/verify/diagnose.c: what a fault would have answered, and which of them answers as the candidate does */
enum { MOST_FAULTS = 160 };
struct evidence { double truth, fault[MOST_FAULTS], size[MOST_FAULTS], work; int left_out; };
/* Is there time left to try all faults on that problem too? */
int evidence_affords(struct evidence *e, const struct problem *p);
/* The faults' answers to a problem, in double. */
struct hypotheses { int n, fault[MOST_FAULTS]; struct op_case says[MOST_FAULTS][PARTS]; };
void hypotheses_make(struct hypotheses *h, const struct problem *p);
void hypotheses_free(struct hypotheses *h);
void evidence_add(struct evidence *e, const struct problem *p, const struct op_case *got, const int *parts,
                  const struct hypotheses *h);
void evidence_weigh(const struct evidence *e, struct report *r);

/* tools/verify/report.c */
void report_print(const struct report *r);
void report_json(FILE *o, const struct report *r);

/* tools/verify/run.c: kernels that can be called here.  run_problem runs the parts that are not 0. */
int run_problem(const struct swax_tier *tier, enum swax_precision precision, const struct problem *p, struct op_case *got,
                const int *parts, struct report *r);
int verify_tier(const struct swax_tier *tier, enum swax_precision precision, const struct subject *s, const struct wish *w,
                int suite, struct report *r);

/* tools/verify/plugin.c: functions of a shared object under kernels.h's names, for float, or with _f64 behind them for double,
 * in a process of their own.  NULL and a report, or a sentence: it cannot be loaded, or has none of the kernels. */
const char *verify_plugin(const char *path, const struct subject *s, const struct wish *w, int suite, struct report *r, char *why);

/* tools/verify/faults.c: every known fault of the subject's kernels, in float or double, over a suite: report[k] is about
 * fault[k].  The number of them. */
int verify_faults(const struct subject *s, enum dtype dtype, int suite, struct report *report, int *fault, int room);

#endif
