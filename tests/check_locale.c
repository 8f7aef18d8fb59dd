/* check_locale.c - numbers in a program that has set a locale with a decimal comma: "7.5" is read, and written so.
 *
 * The three functions below stand in for the C library's, as they are in such a locale, whatever locales this machine
 * has. */
#include <check.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ref/network/config.h"
#include "ref/network/text.h"
#include "tools/lib/json.h"
#include "tools/train/run.h"
#include "tests/suite.h"

static char decimal[8];

struct lconv *localeconv(void)
{
    static struct lconv l;
    l.decimal_point = decimal;
    return &l;
}

/* What stands before a point is a number; the decimal point of the locale is one. */
double strtod(const char *text, char **end)
{
    char plain[400], *stop;
    const size_t whole = strcspn(text, "."), wide = strlen(decimal);
    const char *at = strstr(text, decimal);
    if (!strcmp(decimal, "."))
        snprintf(plain, sizeof plain, "%s", text);
    else if (at && at < text + whole)
        snprintf(plain, sizeof plain, "%.*s.%.*s", (int)(at - text), text, (int)(whole - (size_t)(at - text) - wide),
                 at + wide);
    else
        snprintf(plain, sizeof plain, "%.*s", (int)whole, text);
    const double x = (double)strtold(plain, &stop);
    if (end)
        *end = (char *)(size_t)text + (stop - plain) + (at && wide > 1 && stop > plain + (at - text)
                                                        ? (long)wide - 1 : 0);
    return x;
}

static int print(char *to, size_t room, const char *format, va_list list)
{
    const int n = vsnprintf(to, room, format, list);
    char *point = strcmp(format, "%.*g") ? NULL : strchr(to, '.');
    if (point) {
        memmove(point + strlen(decimal), point + 1, strlen(point));
        memcpy(point, decimal, strlen(decimal));
    }
    return n;
}

int snprintf(char *to, size_t room, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    const int n = print(to, room, format, list);
    va_end(list);
    return n;
}

/* What some compilers call instead. */
int __snprintf_chk(char *to, size_t room, int flags, size_t size, const char *format, ...);
int __snprintf_chk(char *to, size_t room, int flags, size_t size, const char *format, ...)
{
    va_list list;
    (void)flags, (void)size;
    va_start(list, format);
    const int n = print(to, room, format, list);
    va_end(list);
    return n;
}

static const char *const points[] = {".", ",", "\xd9\xab"};      /* the last is Arabic's */
static char why[SWAX_WHY];

START_TEST(the_stand_ins_are_as_in_such_a_locale)
{
    char text[32], *end;
    strcpy(decimal, points[_i]);
    snprintf(text, sizeof text, "%.*g", 6, 7.5);
    ck_assert_int_eq(strlen(text), 2 + strlen(decimal));
    ck_assert(strtod(text, &end) == 7.5 && !*end);
    ck_assert(_i == 0 || strtod("7.5", &end) == 7);
}
END_TEST

START_TEST(numbers_have_points)
{
    static const struct { double value; const char *text; } of[] = {
        {7.5, "7.5"}, {-0.001, "-0.001"}, {1e-6, "1e-06"}, {1234567.875, "1234567.875"}, {0.1, "0.1"}, {3, "3"},
        {1.5e300, "1.5e+300"},
    };
    char text[32];
    double x = 0;
    strcpy(decimal, points[_i]);
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        swax_number_write(text, of[i].value);
        ck_assert_str_eq(text, of[i].text);
        ck_assert_msg(swax_number_read(text, &x) && x == of[i].value, "%s reads as %g", text, x);
    }
    ck_assert(!swax_number_read("7,5", &x));
    char many[300] = "0.";
    memset(many + 2, '3', 250);
    ck_assert(swax_number_read(many, &x) && x == 1.0 / 3);
}
END_TEST

static void find_eps(const char *key, const char *value, void *arg)
{
    if (!strcmp(key, "norm_eps"))
        strcpy(arg, value);
}

START_TEST(configurations_runs_and_json_have_points)
{
    char listed[SWAX_TEXT] = "";
    struct swax_config c = swax_config_default();
    strcpy(decimal, points[_i]);
    ck_assert_msg(!swax_config_set(&c, "norm_eps", "0.25", why), "%s", why);
    ck_assert_msg(swax_config_set(&c, "norm_eps", "0,25", why) != NULL, "0,25 was taken");
    ck_assert(c.norm_eps == 0.25);
    swax_config_list(&c, find_eps, listed);
    ck_assert_str_eq(listed, "0.25");

    struct run r = run_default();
    ck_assert(r.optimiser.rate == 2e-3);
    ck_assert_msg(!run_set(&r, "rate", "7.5", why), "%s", why);
    char *json = run_json(&r, 1);
    ck_assert(json && strstr(json, "\"rate\": 7.5,"));
    struct json *root = json_parse(json, strlen(json), why);
    ck_assert_msg(root && json_get(root, "rate")->number == 7.5, "%s", why);
    json_free(root);
    free(json);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("locale");
    TCase *t = tcase_create("locale");
    strcpy(decimal, ".");
    tcase_add_loop_test(t, the_stand_ins_are_as_in_such_a_locale, 0, 3);
    tcase_add_loop_test(t, numbers_have_points, 0, 3);
    tcase_add_loop_test(t, configurations_runs_and_json_have_points, 0, 3);
    suite_add_tcase(s, t);
    return suite_ends(s);
}
