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
/* All there are, by number from 0, a forward with its backward as one; 0 behind the last. */
int subject_number(int number, struct subject *s);
/* Is argument i of a forward alone an output beside its first, as lse is beside y, that a case may do without? */
int subject_can_lack(const struct subject *s, int i);
/* Is the name among words that blanks or commas part? */
int word_is_among(const char *name, const char *words);

enum dtype { DT_F32, DT_F64, DT_BF16, DT_F16, DTYPES };
extern const char *const dtype_name[DTYPES];                 /* "f32" "f64" "bf16" "f16" */
enum swax_precision dtype_precision(enum dtype d);           /* whose rule judges it: bf16's for f16, by an eighth */

/* What the user fixes of a problem; the rest is drawn. */
struct wish {
    enum dtype dtype;
    int behind;                      /* the cotangent of h comes out of a head norm */
    int states, documents;           /* 0: never; 1: drawn */
    int chained;                     /* a backward reads what its own forward saved, as in a library; otherwise what the
                                        problem says, as kernels.h has it */
    int noise;                       /* gradients begin from noise, as the contract allows, not from 0 */
    char without[64];                /* what is never given, or not asked, "b,sink,lse" */
    int n_dims, n_scalars;
    struct { char letter; int value; } dim[OP_DIMS];
    struct { char name[OP_WORD]; double value; } scalar[OP_SCALARS];
};

/* All that makes the problems: who knows it can draw them again. */
struct plan {
    struct subject subject;
    struct wish wish;
    uint64_t seed;
    int suite, family;                /* suite -1: one problem, of that family */
    int only;                         /* that problem of the suite alone, or -1 */
};
enum { PLAN_TEXT = 600 };

struct problem {
    struct subject subject;
    struct wish wish;
    uint64_t seed;
    enum op_family family;
    int number;                       /* of its suite */
    struct op_case in[PARTS], truth[PARTS];
    struct op_verdict bound[PARTS];
    unsigned char demanded[PARTS][OP_ARGS];    /* an answer without it is none */
};

/* tools/verify/suite.c.  Problem number i of a plan (0 behind the last): its seed, family, sizes: up to max_dim, of
 * `tokens` tokens if that is not 0, or of row `tile` of the table of sizes that cross tiles if that is not negative. */
struct entry { uint64_t seed; enum op_family family; int max_dim, tokens, tile; };
/* Rows from here on have one size that is far larger than the others.  Such a problem has all optional arguments but
 * documents, which would make short sequences of a long one. */
enum { TILE_FAR = 1000 };
int suite_find(const char *name);                                              /* its number, or -1 */
const char *suite_name(int suite);                                             /* NULL behind the last */
/* Behind those stands "long", which has no entries: long.h. */
int suite_is_long(int suite);
const char *suite_word(int suite);                                             /* with it */
int plan_entry(const struct plan *plan, int i, struct entry *e);
void tile_dims(struct op_case *c, int tile);                                   /* sets c->dims, and scalars */
/* The plan as the words that `swax verify make` takes, and back: NULL, or a sentence.  tools/verify/ask.c */
const char *plan_write(char text[PLAN_TEXT], const struct plan *plan);
const char *plan_read(struct plan *plan, const char *text, char *why);

/* tools/verify/problem.c: what is asked */
const char *problem_draw(struct problem *p, const struct plan *plan, int number, const struct entry *e, char *why);
/* Another of the same sizes, scalars, family and optional arguments, all of whose numbers are others. */
void problem_redraw(struct problem *to, const struct problem *p, uint64_t seed);
/* The plan's largest, of the plain family: what is timed. */
const char *problem_largest(struct problem *p, const struct plan *plan, char *why);
/* tools/verify/bound.c.  Is this order of operations, one of fault_none_f32's, as good as any on that problem? */
int order_is_honest(const struct fault *order, const struct problem *p);
/* How many of them are asked of that part, which needs its sizes alone. */
int bound_asks_orders(const struct problem *p, int part);
/* tools/verify/bound.c: then, once somebody has answered, what the answers are and how far an honest one may be from
 * them */
void problem_solve(struct problem *p);
/* All real numbers of it, as f16 holds them. */
void problem_to_half(struct op_case *c);
/* In f16, answers that it cannot hold, brought to the largest number that it can. */
void problem_in_reach(const struct problem *p, struct op_case *answers);
void problem_free(struct problem *p);
int problem_is_answer(const struct problem *p, int part, int arg);             /* an output that is there */
/* Fill the forward's answers into what its backward reads of it. */
void problem_chain(struct op_case *backward, const struct op_case *forward);

/* tools/verify/size.c.  What problems cost here, known before anything of them is made. */
struct size { double seconds, numbers; };
double case_work(const struct op_case *c);                          /* multiplications of the reference */
double case_orders(const struct op_case *c);                        /* of an honest order, which takes token by token */
double case_steps(const struct op_case *c);                         /* of a tier, which takes the cell in chunks */
double case_numbers(const struct op_case *c);                       /* in all its arrays; both read sizes only */
/* Whose double tells the truth of so large a problem: the reference's, or the fastest host tier's. */
const struct swax_tier *teller_of(const struct subject *s, const struct wish *w, const struct op_case *c);
const char *size_add(struct size *sum, const struct subject *s, const struct wish *w, const struct op_case *c,
                     char *why);
/* Can all of it be made?  NULL, or a sentence. */
const char *plan_size(const struct plan *plan, struct size *sum, char *why);
/* A problem's sizes and scalars, and which optional arguments it has. */
const char *problem_sizes(struct op_case *c, unsigned *optional, const struct plan *plan, const struct entry *e,
                          char *why);

/* tools/verify/list.c: on stdout; of a subject without kernels, all */
void verify_list(const struct subject *s);

/* tools/verify/case.c: problems as files, without their answers */
struct case_file;
const char *case_write(const char *path, const struct plan *plan, char *why);
struct case_file *case_open(const char *path, struct plan *plan, char *why);   /* NULL, and a sentence */
void case_close(struct case_file *f);
/* Are the file's inputs those of the problem?  They are taken from it: another machine may round the last digit
 * otherwise. */
const char *case_match(struct case_file *f, struct problem *p, char *why);

/* ---- tools/verify/judge.c: what was found, tensor by tensor */
enum { WORDS = 160, KINDS_OF_LOOKS = 8 };
/* Cases in which a tensor is wrong and looks alike: how many, and the worst of them. */
struct alike { char looks[WORDS]; int cases, problem, other_words; double ratio; };
struct finding {
    const char *name;
    int answers, failed;              /* how many problems have it, and where it is out of bound */
    int asked;                        /* how many of them ask something of it: an answer of zeros would be wrong */
    double ratio, rms, largest, bias, ulp, bound, rms_bound, bias_bound;    /* of the problem where it is worst */
    int problem; long index;
    char sizes[WORDS];                /* of that problem */
    char looks[WORDS + 60];           /* what the answer looks like where it is wrong: in all cases, or in how many */
    int kinds;
    struct alike alike[KINDS_OF_LOOKS];
    enum op_family family;
};
/* How long calls took whose outputs were judged: new inputs and cold caches for each. */
struct timing {
    int calls[PARTS];                 /* 0: not timed */
    double median[PARTS], least[PARTS], most[PARTS], floor[PARTS];    /* seconds; floor: to touch its arrays once */
    char sizes[PARTS][WORDS], device[96];
};
struct report {
    struct plan plan;
    struct timing timing;
    int gauge;                        /* m is asked too; otherwise states in any gauge of m */
    int problems, failed, n, ill;     /* ill: an honest evaluation loses most digits there */
    struct finding finding[2 * OP_ARGS];
    char trouble[OP_SENTENCE];
    int trouble_at;                   /* the problem */
    int another_gauge;                /* problems answered in another gauge of m */
    int others, other_at;             /* problems that are right and, with other numbers, wrong; the first of them */
    int unequal; const char *unequal_name;   /* problems whose second call gave other bits, and the first such tensor */
    int wrong_families, families;     /* bit f: it failed on family f; had it */
    struct extents { int cases, least[OP_DIMS], most[OP_DIMS]; } right[PARTS], wrong[PARTS];    /* their sizes */
    int cause, causes, causes_list[3];/* the best cause, or -1; how many explain it as well */
    int derived;                      /* its backward is the derivative of the forward's fault */
    double explained;                 /* how much of the distance from the truth it explains, 0..1 */
    char where[WORDS + 60];           /* where alone the cause holds, or "" */
    int right_forward;                /* and all of the forward is right */
    int alike;                        /* the errors have the size, not the digits */
    int too_large;                    /* for a diagnosis */
};
void report_begin(struct report *r, const struct plan *plan);
/* What was found of that tensor: of one that was never met, nothing, in no case. */
struct finding *report_finding(struct report *r, const char *name);
/* The distance between neighbours of x in an argument's type, where it is not subnormal. */
double neighbours_apart(double x, enum op_type type, enum dtype d);
/* |a - t|, or infinite where only one of them is finite, or both are infinite and differ. */
double answer_off(double a, double t);
/* tools/verify/time.c.  What so many calls of a part took, of which the first two warm up. */
enum { TIMED_CALLS = 13 };
void timing_take(struct timing *t, int part, double seconds[TIMED_CALLS]);
/* Bring a forward's answers to the truth's m, whatever m they are in: 1 if that was another. */
int regauge(const struct problem *p, struct op_case *got);
/* 1 if it is within all bounds.  `part` only. */
int report_add(struct report *r, const struct problem *p, struct op_case *got, int part);
/* Which size is larger, or smaller, wherever it is wrong than wherever it is right: in words, or empty. */
void report_parting_size(char words[160], const struct report *r);

/* tools/verify/looks.c: what a wrong tensor looks like, whatever the kernel: not written, zeros, a multiple, swapped
 * heads, wrong from some index on.  Empty if like nothing. */
struct axis { char name[8]; const char *word; long extent, stride; };    /* the stride is looks_of's to set */
enum { AXES = 8 };
struct sight {
    const double *got, *truth, *before;      /* before: what stood there, if that is added to, or NULL */
    long n, unwritten;                       /* unwritten: elements that were found as they had been left */
    double bound;                            /* how far an element may be away, by the truth's largest */
    int axes;
    struct axis axis[AXES];
};
void looks_of(char words[WORDS], struct sight *s);
void looks_like(char words[WORDS], const struct problem *p, const struct op_case *got, int part, int arg);
/* At which indices alone it is wrong: "at T = 3 alone, of 5 (tokens)".  Empty where at all of every axis. */
void looks_where(char words[WORDS], const struct problem *p, const struct op_case *got, int part, int arg);

/* tools/verify/diagnose.c: what a fault would have answered, and which of them answers as the candidate does */
enum { MOST_FAULTS = 480, MOST_CAUSES = 640 };    /* conventions and slips come behind the faults */
const struct fault *cause_is(int cause);                         /* NULL: there is none of that number */
/* Where a cause holds: tools/verify/holds.c. */
struct holds {
    double left;                      /* what is left of the distance where each number is the truth's or the cause's */
    long numbers; int problems;       /* numbers that are the cause's, far from the truth; problems that have some */
    long plain[PARTS];                /* beside these, those that are 0 or what stood there before: they tell of a cause
                                       * that says nothing else of that kernel */
    unsigned more;                    /* bit `part`: it says more there */
    unsigned refuted;                 /* bit `part`: what is right there it would move far */
    int neither;                      /* a number is neither's */
    int scattered;                    /* a tensor is wrong, and the cause's in some places only */
    uint32_t moves[PARTS];            /* bit i: argument i is moved far in some problem */
    uint32_t not_wholly[PARTS];       /* bit i: in some problem argument i is not wholly what the cause says */
};
struct evidence {
    double truth, cause[MOST_CAUSES], size[MOST_CAUSES], work;
    int left_out;
    unsigned char tried[MOST_CAUSES], errs_otherwise[MOST_CAUSES];    /* a rounding of other errors than its */
    struct holds holds[MOST_CAUSES];
    uint32_t wrong[PARTS];            /* bit i: argument i is out of bound in some problem */
    struct { double off; int problem; const char *tensor; char words[WORDS]; } place;    /* the worst that has one */
};
/* Is there time left to try all causes on that problem too, which takes a tier no more than `most` multiplications?
 * derived: of forwards, with the backward that differentiation gives. */
int evidence_affords(struct evidence *e, const struct problem *p, int derived, double most);
/* The causes' answers to a problem, in double; what a distance from each is measured by, how far it is from the truth,
 * and, of roundings, the errors. */
struct hypotheses {
    int n, cause[MOST_CAUSES];
    struct op_case says[MOST_CAUSES][PARTS];
    double truth_rms[PARTS][OP_ARGS], unit[MOST_CAUSES][PARTS][OP_ARGS], off[MOST_CAUSES][PARTS][OP_ARGS];
    struct op_distance errs[MOST_CAUSES][PARTS][OP_ARGS];
};
void hypotheses_make(struct hypotheses *h, const struct problem *p, int gauge, int derived);
void hypotheses_free(struct hypotheses *h);
void evidence_add(struct evidence *e, const struct problem *p, const struct op_case *got, const struct hypotheses *h);
/* Into r, if it explains more than what stands there. */
void evidence_weigh(const struct evidence *e, struct report *r, int derived);
/* What is said of a report's cause, or of one that explains as much: with where it holds, and whether derived. */
enum { CAUSE_WORDS = 700 };
const char *cause_words(char words[CAUSE_WORDS], const struct report *r, int cause);

/* tools/verify/report.c */
/* On stdout.  by: the subcommand that asks so again, and what of; NULL: there is none. */
void report_print(const struct report *r, const char *by, const char *of);
void report_json(FILE *o, const struct report *r);

/* tools/verify/run.c.  Somebody who answers problems, before anybody knows the truth. */
struct candidate {
    /* Into got, which begins as what stood there; an answer that is not given becomes NULL.  NULL, or a sentence: it is
     * wrong whatever its numbers are.  *lost: nobody is there to be asked again. */
    const char *(*answer)(void *arg, const struct problem *p, struct op_case got[PARTS], struct report *r, int *lost);
    /* May be NULL.  Is the problem the one the candidate has?  NULL, or a sentence: there is no verdict. */
    const char *(*match)(void *arg, struct problem *p);
    void *arg;
    const struct problem *other;      /* may be NULL: one beside the plan's about which it is wrong, if it has a part */
};
/* NULL, or a sentence: there is no verdict. */
const char *verify_run(const struct plan *plan, const struct candidate *c, struct report *r, char *why);
/* Any of the subject's kernels of its own, in that precision. */
int tier_has(const struct swax_tier *tier, enum swax_precision precision, const struct subject *s);
int run_problem(const struct swax_tier *tier, enum swax_precision precision, const struct problem *p,
                struct op_case got[PARTS], char *trouble);
const char *verify_tier(const struct swax_tier *tier, enum swax_precision precision, const struct plan *plan,
                        struct report *r, char *why);

/* tools/verify/files.c: the answers in a file.  `expected`: what the case must be of, as far as its seed is not 0 and
 * its suite not -1. */
const char *verify_file(const char *of, const char *mine, const struct plan *expected, struct report *r, char *why);

/* tools/verify/plugin.c: functions of a shared object under kernels.h's names, for float, or with _f64 or _bf16 behind
 * them, in a process of their own that never sees an answer.  NULL and a report, or a sentence: it cannot be loaded, or
 * has none of the kernels. */
const char *verify_plugin(const char *path, const struct plan *plan, int time, struct report *r, char *why);

/* tools/verify/faults.c: every known fault of the subject's kernels, in float or double, over a suite: report[k] is
 * about fault[k].  The number of them: all, or, where `given` is not 0, as many as stand in fault[] already. */
int verify_faults(const struct plan *plan, struct report *report, int *fault, int room, int given);

#endif
