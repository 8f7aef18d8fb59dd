/* claims.c - claims as rules that stand in the ablation's file, and what the numbers say to them.
 *
 * A condition is a text like
 *
 *     long.beyond <= 0.5 * short.beyond        ARM.QUESTION  >= or <=  [NUMBER *] ARM.QUESTION  [+ or - NUMBER]
 *     short.beyond >= 0.5                                              NUMBER
 *
 * where ARM is an arm's name, or the role of exactly one.  It holds if it does by `margin` standard errors of the two
 * answers, fails if its opposite does, and else says nothing; so it does where an answer has no standard error, since
 * one sequence alone was asked (unless margin is 0).
 *
 * A claim is asked of every combination of finished seeds, one of each arm that it names.  A combination has a say if
 * all conditions of "asks" hold for it.  With at least `least_seeds` of every arm, the verdict is
 *
 *     yes        if all of "holds" hold for at least 4 in 5 of all combinations, and the same results dealt out to the
 *                arms at random do as well in at most `luck` of the deals (all of them, or 20,000 at random);
 *     no         if one of "holds" fails for at least 4 in 5 of all combinations;
 *     undecided  else.  A combination without a say counts for neither. */
#include "tools/ablate/ablate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/ablate/members.h"
#include "tools/lib/nearest.h"
#include "tools/lib/number.h"
#include "tools/lib/random.h"
#include "tools/lib/say.h"

enum { DEALS = 20000, POOL = ABLATE_PARTIES * ABLATE_SEEDS };
enum says { SAYS_NOTHING, FAILS, HOLDS };

const char *const ablate_verdict_name[] = {[ABLATE_NO] = "no", [ABLATE_UNDECIDED] = "undecided", [ABLATE_YES] = "yes"};

/* ---- reading */

static const char *find_arm(const struct ablation *a, const char *word, int *arm, char *why)
{
    int alike = 0;
    struct nearest n = nearest_to(word);
    for (int i = 0; i < a->arms; i++) {
        nearest_try(&n, a->arm[i].name);
        if (!strcmp(a->arm[i].name, word))
            return *arm = i, NULL;
    }
    for (int i = a->arms - 1; i >= 0; i--)
        if (!strcmp(a->arm[i].role, word))
            *arm = i, alike++;
    if (alike == 1)
        return NULL;
    if (alike)
        return say(why, "%d arms have the role %.40s: a claim names one of them.", alike, word);
    return n.best ? say(why, "there is no arm %.40s: did you mean %s?", word, n.best)
                  : say(why, "there is no arm %.40s.", word);
}

static const char *read_term(const struct ablation *a, const char *word, struct term *t, char *why)
{
    char arm[ABLATE_NAME];
    const char *dot = strchr(word, '.');
    if (!dot || dot == word || dot - word >= ABLATE_NAME)
        return say(why, "\"%.60s\" is not ARM.QUESTION.", word);
    snprintf(arm, sizeof arm, "%.*s", (int)(dot - word), word);
    if (find_arm(a, arm, &t->arm, why))
        return why;
    struct nearest n = nearest_to(dot + 1);
    t->question = question_find(a, dot + 1);
    for (int i = 0; i < a->questions; i++)
        nearest_try(&n, a->ask[i].name);
    if (t->question >= 0)
        return NULL;
    return n.best ? say(why, "there is no question %.60s: did you mean %s?", n.word, n.best)
                  : say(why, "there is no question %.60s.", n.word);
}

static const char *read_condition(const struct ablation *a, const char *text, struct condition *c, char *why)
{
    char copy[256], *word[8] = {NULL};
    int n = 0, at = 2;
    if (snprintf(copy, sizeof copy, "%s", text) >= (int)sizeof copy)
        return say(why, "it is longer than %zu letters.", sizeof copy - 1);
    for (char *p = strtok(copy, " "); p && n < 8; p = strtok(NULL, " "))
        word[n++] = p;
    *c = (struct condition){.right = {.arm = -1}, .times = 1};
    if (n < 3 || (strcmp(word[1], ">=") && strcmp(word[1], "<=")))
        return say(why, "it is ARM.QUESTION >= or <= NUMBER, or [NUMBER *] ARM.QUESTION [+ NUMBER].");
    c->at_least = *word[1] == '>';
    if (read_term(a, word[0], &c->left, why))
        return why;
    if (n == 3 && number_real(word[2], -1e30, 1e30, &c->plus))
        return NULL;
    if (n >= 5 && !strcmp(word[3], "*")) {
        if (!number_real(word[2], 0, 1e30, &c->times))
            return say(why, "%.40s is not a number from 0.", word[2]);
        at = 4;
    }
    if (read_term(a, word[at], &c->right, why))
        return why;
    if (n == at + 1)
        return NULL;
    if (n != at + 3 || strlen(word[at + 1]) != 1 || !strchr("+-", *word[at + 1]) ||
        !number_real(word[at + 2], 0, 1e30, &c->plus))
        return say(why, "after %.40s stands + or - and a number, or nothing.", word[at]);
    c->plus = *word[at + 1] == '-' ? -c->plus : c->plus;
    return NULL;
}

static const char *add_party(struct claim *c, int arm, char *why)
{
    for (int k = 0; k < c->n_arms; k++)
        if (c->arm[k] == arm)
            return NULL;
    if (arm < 0)
        return NULL;
    if (c->n_arms == ABLATE_PARTIES)
        return say(why, "a claim speaks of at most %d arms.", ABLATE_PARTIES);
    c->arm[c->n_arms++] = arm;
    return NULL;
}

static const char *read_conditions(const struct ablation *a, struct claim *c, const struct json *list,
                                   struct condition *to, int *n, char *why)
{
    char wrong[SWAX_WHY];
    for (const struct json *j = list ? list->first : NULL; j; j = j->next) {
        if (j->type != JSON_STRING || *n == ABLATE_TERMS)
            return say(why, "Claim \"%.60s\": conditions are up to %d texts.", c->claim, ABLATE_TERMS);
        struct condition *x = &to[*n];
        if (read_condition(a, j->text, x, wrong) || add_party(c, x->left.arm, wrong) ||
            add_party(c, x->right.arm, wrong))
            return say(why, "Claim \"%.60s\", condition \"%.80s\": %.120s", c->claim, j->text, wrong);
        ++*n;
    }
    return NULL;
}

static const struct member members[] = {
    {"claim", JSON_STRING}, {"paper", JSON_STRING}, {"asks", JSON_ARRAY}, {"holds", JSON_ARRAY}, {NULL, JSON_NULL},
};

const char *claims_read(struct ablation *a, const struct json *claims, char *why)
{
    for (const struct json *j = claims ? claims->first : NULL; j; j = j->next) {
        struct claim *c = &a->claim[a->claims];
        const struct json *claim = json_get(j, "claim"), *paper = json_get(j, "paper");
        if (members_check(j, members, "A claim", why))
            return why;
        if (a->claims == ABLATE_CLAIMS || !claim)
            return say(why, "Claims are up to %d objects with \"claim\" and \"holds\".", ABLATE_CLAIMS);
        c->claim = claim->text;
        c->paper = paper ? paper->text : "";
        if (read_conditions(a, c, json_get(j, "asks"), c->asks, &c->n_asks, why) ||
            read_conditions(a, c, json_get(j, "holds"), c->holds, &c->n_holds, why))
            return why;
        if (!c->n_holds)
            return say(why, "Claim \"%.60s\" needs \"holds\": at least one condition.", c->claim);
        a->claims++;
    }
    return NULL;
}

static void sum_condition(const struct ablation *a, const struct condition *c, struct checksum *sum)
{
    char line[160];
    for (int side = 0; side < 2; side++) {
        const struct term t = side ? c->right : c->left;
        if (t.arm < 0)
            continue;
        checksum_add(sum, a->arm[t.arm].name, strlen(a->arm[t.arm].name));
        question_sum(a, t.question, sum);
    }
    const int n = snprintf(line, sizeof line, "%d %.17g %.17g\n", c->at_least, c->times, c->plus);
    checksum_add(sum, line, (size_t)n);
}

void claims_sum(const struct ablation *a, char digits[17])
{
    struct checksum sum = {0};
    char line[160];
    int n = snprintf(line, sizeof line, "%d %.17g %.17g\n", a->least_seeds, a->margin, a->luck);
    checksum_add(&sum, line, (size_t)n);
    for (int i = 0; i < a->claims; i++) {
        const struct claim *c = &a->claim[i];
        n = snprintf(line, sizeof line, "%d asks, %d holds\n", c->n_asks, c->n_holds);
        checksum_add(&sum, c->claim, strlen(c->claim));
        checksum_add(&sum, line, (size_t)n);
        for (int k = 0; k < c->n_asks; k++)
            sum_condition(a, &c->asks[k], &sum);
        for (int k = 0; k < c->n_holds; k++)
            sum_condition(a, &c->holds[k], &sum);
    }
    checksum_text(&sum, digits);
}

/* ---- judging */

/* The results that stand for the arms of a claim, one each. */
struct combination { const struct claim *c; const struct outcome *of[ABLATE_PARTIES]; };

static const struct estimate *answer(const struct combination *b, struct term t)
{
    for (int k = 0; k < b->c->n_arms; k++)
        if (b->c->arm[k] == t.arm)
            return &b->of[k]->answer[t.question];
    return NULL;
}

static enum says judge(const struct combination *b, const struct condition *c, double margin)
{
    const struct estimate *left = answer(b, c->left), *right = answer(b, c->right);
    const double over = left->value - (right ? c->times * right->value : 0) - c->plus, by = c->at_least ? over : -over;
    const double error = hypot(left->error, right ? c->times * right->error : 0);
    const double room = margin > 0 ? margin * error : 0;
    if (isnan(by) || isnan(room))
        return SAYS_NOTHING;
    return by >= room ? HOLDS : by <= -room ? FAILS : SAYS_NOTHING;
}

static enum says ask_combination(const struct combination *b, double margin)
{
    enum says says = HOLDS;
    for (int i = 0; i < b->c->n_asks; i++)
        if (judge(b, &b->c->asks[i], margin) != HOLDS)
            return SAYS_NOTHING;
    for (int i = 0; i < b->c->n_holds && says != FAILS; i++) {
        const enum says one = judge(b, &b->c->holds[i], margin);
        says = one == HOLDS ? says : one;
    }
    return says;
}

/* The finished results of every arm of a claim, one arm behind the other. */
struct hand { const struct claim *c; const struct outcome *result[POOL]; int n[ABLATE_PARTIES], all; };

static void count(const struct hand *h, double margin, int *combinations, int *hold, int *fail)
{
    struct combination b = {h->c, {NULL}};
    int first[ABLATE_PARTIES + 1] = {0}, total = h->c->n_arms ? 1 : 0;
    for (int k = 0; k < h->c->n_arms; k++)
        first[k + 1] = first[k] + h->n[k], total *= h->n[k];
    *combinations = total, *hold = *fail = 0;
    for (int i = 0; i < total; i++) {
        for (int k = 0, rest = i; k < h->c->n_arms; rest /= h->n[k], k++)
            b.of[k] = h->result[first[k] + rest % h->n[k]];
        const enum says says = ask_combination(&b, margin);
        *hold += says == HOLDS, *fail += says == FAILS;
    }
}

/* Results dealt out to the arms: every way to do so once, or many at random. */
struct deals {
    struct hand hand;
    const struct outcome *pool[POOL];
    int room[ABLATE_PARTIES], put[ABLATE_PARTIES];
    double margin;
    int wanted;
    long dealt, as_good;
};

static void look(struct deals *d)
{
    int combinations, hold, fail;
    count(&d->hand, d->margin, &combinations, &hold, &fail);
    d->dealt++;
    d->as_good += hold >= d->wanted;
}

static void deal_all(struct deals *d, int i)
{
    if (i == d->hand.all) {
        look(d);
        return;
    }
    for (int k = 0, first = 0; k < d->hand.c->n_arms; first += d->hand.n[k], k++)
        if (d->put[k] < d->hand.n[k]) {
            d->hand.result[first + d->put[k]++] = d->pool[i];
            deal_all(d, i + 1);
            d->put[k]--;
        }
}

static double ways(const struct hand *h)
{
    double w = 1;
    for (int k = 0, taken = 0; k < h->c->n_arms; k++)
        for (int i = 1; i <= h->n[k]; i++)
            w *= (double)(++taken) / i;
    return w;
}

static double luck_of(const struct hand *h, double margin, int hold)
{
    static struct deals d;
    if (h->c->n_arms < 2)
        return (double)NAN;
    d = (struct deals){.hand = *h, .margin = margin, .wanted = hold};
    memcpy(d.pool, h->result, sizeof d.pool);
    if (ways(h) <= DEALS) {
        deal_all(&d, 0);
        return (double)d.as_good / (double)d.dealt;
    }
    for (int k = 0; k < DEALS; k++) {
        int order[POOL];
        struct random r = random_open(1, RANDOM_STREAMS, (uint64_t)k);
        for (int i = 0; i < h->all; i++)
            order[i] = i;
        random_shuffle(&r, order, h->all);
        for (int i = 0; i < h->all; i++)
            d.hand.result[i] = d.pool[order[i]];
        look(&d);
    }
    return (double)(d.as_good + 1) / (double)(d.dealt + 1);
}

/* ---- in words */

static size_t say_answer(char *to, size_t room, const struct ablation *a, const struct outcome *r, struct term t)
{
    const struct spread s = spread_of(a, r, t.arm, value_answer, t.question);
    const char *arm = a->arm[t.arm].name, *question = a->ask[t.question].name;
    int n;
    if (!s.n)
        n = snprintf(to, room, "%s.%s was not measured; ", arm, question);
    else if (s.n > 1)
        n = snprintf(to, room, "%s.%s = %.3g [%.3g, %.3g]; ", arm, question, s.median, s.low, s.high);
    else
        n = snprintf(to, room, "%s.%s = %.3g; ", arm, question, s.median);
    return n < 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1;
}

static void describe(struct verdict *v, const struct ablation *a, const struct outcome *r)
{
    struct term said[2 * ABLATE_TERMS * 2];
    char *to = v->measured;
    size_t room = sizeof v->measured;
    int n = 0;
    for (int i = 0; i < v->claim->n_asks + v->claim->n_holds; i++) {
        const struct condition *c = i < v->claim->n_asks ? &v->claim->asks[i] : &v->claim->holds[i - v->claim->n_asks];
        for (int side = 0; side < 2; side++) {
            const struct term t = side ? c->right : c->left;
            int again = t.arm < 0;
            for (int k = 0; k < n; k++)
                again |= said[k].arm == t.arm && said[k].question == t.question;
            if (again)
                continue;
            said[n++] = t;
            const size_t took = say_answer(to, room, a, r, t);
            to += took, room -= took;
        }
    }
    snprintf(to, room, "holds for %d and fails for %d of %d combination%s of seeds", v->hold, v->fail, v->combinations,
             v->combinations == 1 ? "" : "s");
}

static void decide(struct verdict *v, const struct ablation *a, const struct hand *h)
{
    int least = ABLATE_SEEDS;
    for (int k = 0; k < v->claim->n_arms; k++)
        least = h->n[k] < least ? h->n[k] : least;
    v->says = ABLATE_UNDECIDED;
    if (least < a->least_seeds)
        snprintf(v->why, sizeof v->why, "%d seed%s of an arm, where a verdict needs %d", least, least == 1 ? "" : "s",
                 a->least_seeds);
    else if (5 * v->fail >= 4 * v->combinations)
        v->says = ABLATE_NO;
    else if (5 * v->hold < 4 * v->combinations)
        snprintf(v->why, sizeof v->why, "it neither holds nor fails for 4 in 5 of the combinations");
    else if (v->luck > a->luck)
        snprintf(v->why, sizeof v->why, "luck does as well in %.3g of the deals, where %.3g are allowed", v->luck,
                 a->luck);
    else
        v->says = ABLATE_YES;
    if (v->says == ABLATE_YES && v->claim->n_arms > 1)
        snprintf(v->why, sizeof v->why, "the same results dealt out at random do as well in %.2g of the deals",
                 v->luck);
}

void verdicts(struct verdict v[ABLATE_CLAIMS], const struct ablation *a, const struct outcome *r)
{
    for (int c = 0; c < a->claims; c++) {
        const struct claim *claim = &a->claim[c];
        struct hand h = {.c = claim};
        for (int k = 0; k < claim->n_arms; k++)
            for (int s = 0; s < a->seeds; s++)
                if (r[claim->arm[k] * a->seeds + s].done) {
                    h.result[h.all++] = &r[claim->arm[k] * a->seeds + s];
                    h.n[k]++;
                }
        v[c] = (struct verdict){.claim = claim, .luck = (double)NAN};
        count(&h, a->margin, &v[c].combinations, &v[c].hold, &v[c].fail);
        if (v[c].combinations)
            v[c].luck = luck_of(&h, a->margin, v[c].hold);
        decide(&v[c], a, &h);
        describe(&v[c], a, r);
    }
}
