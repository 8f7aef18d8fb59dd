/* check_keys.c - every key of every command: what the help says of it is so, what is wrong with it is one sentence, and
 * the man page and the completion of shells have it. */
#define _GNU_SOURCE          /* posix_openpt */
#include <check.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include "tools/lib/commands.h"
#include "tools/lib/configs.h"
#include "tools/lib/number.h"
#include "tools/train/run.h"
#include "tests/asked.h"
#include "tests/golden.h"
#include "tests/printed.h"
#include "tests/scratch.h"
#include "tests/suite.h"

static char why[SWAX_WHY];

/* ---- all commands and subcommands that run, and what they print */

enum { MOST = 32 };
static struct { const struct command *c; char name[64]; } all[MOST];
static int n_all;

static void collect(const struct command *c, const char *above)
{
    char name[64];
    snprintf(name, sizeof name, "%s%s%s", above, *above ? " " : "", c->name);
    if (c->run) {
        all[n_all].c = c;
        strcpy(all[n_all++].name, name);
    }
    for (int i = 0; c->sub && c->sub[i]; i++)
        collect(c->sub[i], name);
}

static void print_help(void *which)
{
    struct keys k;
    const int i = *(const int *)which;
    command_keys(&k, all[i].c, all[i].name, NULL);
    help_print(all[i].c, all[i].name, &k);
}

struct group { const struct command *c; const char *name; };

static void print_group(void *which)
{
    const struct group *g = which;
    help_print(g->c, g->name, NULL);
}

static void print_man(void *unused) { (void)unused; help_man(swax_commands); }
static void print_completion(void *shell) { help_completion(swax_commands, shell); }

/* Of the first of its name, as in everything that looks for it. */
static int is_own(const struct keys *k, const struct key *row)
{
    return row->type && keys_find(k, row->name, NULL) == row;
}

START_TEST(the_help_has_every_key_with_the_value_that_is_used)
{
    struct keys k;
    char *text = printed_in(print_help, &_i), line[2 * KEY_TEXT], value[KEY_TEXT];
    command_keys(&k, all[_i].c, all[_i].name, NULL);
    ck_assert(strstr(text, all[_i].name) != NULL);
    for (int t = 0; t < k.n; t++)
        for (const struct key *row = k.table[t].rows; row->name; row++) {
            if (!is_own(&k, row))
                continue;
            key_write(value, &k.table[t], row);
            snprintf(line, sizeof line, "\n  %s=%s", row->name, value);
            const char *at = strstr(text, line);
            ck_assert_msg(at && strchr(" \n", at[strlen(line)]), "swax %s help does not say \"%s\"", all[_i].name,
                          line + 1);
            ck_assert_msg(strlen(row->what) > 3, "%s of swax %s has no sentence", row->name, all[_i].name);
        }
    free(text);
}
END_TEST

/* Blanks and line feeds are one blank each. */
static char *squeezed(char *text)
{
    char *to = text;
    for (const char *s = text; *s; s++)
        if (!strchr(" \n", *s) || (to > text && to[-1] != ' '))
            *to++ = *s == '\n' ? ' ' : *s;
    *to = 0;
    return text;
}

/* What may stand there, in words; "" where anything may. */
static const char *limits_of(const struct key *row)
{
    static char text[2 * KEY_TEXT];
    char least[32], most[32];
    size_t n = 0;
    *text = 0;
    swax_number_write(least, row->least);
    swax_number_write(most, row->most);
    if (row->type->number && row->least > -1e30)
        snprintf(text, sizeof text, row->most < 1e6 ? " (%s to %s)" : " (from %s)", least, most);
    else if (row->type == &key_yes)
        return " (yes or no)";
    else if (row->type == &key_word || row->words)
        for (int i = 0; key_choice(row, i); i++)
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%.*s%s",
                                  !i ? " (" : key_choice(row, i + 1) ? ", " : " or ",
                                  (int)strcspn(key_choice(row, i), " "), key_choice(row, i),
                                  key_choice(row, i + 1) ? "" : ")");
    return text;
}

START_TEST(the_help_says_what_may_stand_there_in_lines_of_100_letters)
{
    struct keys k;
    char *text = printed_in(print_help, &_i), line[3 * KEY_TEXT];
    for (const char *s = text; *s; s += strcspn(s, "\n") + 1)
        ck_assert_msg(strncmp(s, "  ", 2) || strcspn(s, "\n") <= 100, "a line of the help of %s has %zu letters: %.*s",
                      all[_i].name, strcspn(s, "\n"), (int)strcspn(s, "\n"), s);
    squeezed(text);
    command_keys(&k, all[_i].c, all[_i].name, NULL);
    for (int t = 0; t < k.n; t++)
        for (const struct key *row = k.table[t].rows; row->name; row++) {
            if (!is_own(&k, row))
                continue;
            snprintf(line, sizeof line, " %s%s ", row->what, limits_of(row));
            ck_assert_msg(strstr(text, squeezed(line)) != NULL, "the help of %s does not say of %s:%s", all[_i].name,
                          row->name, line);
        }
    free(text);
}
END_TEST

/* A word with two letters that changed places is known, be it the first of its choice or the last. */
START_TEST(a_misspelt_word_is_recognised)
{
    struct keys k;
    command_keys(&k, all[_i].c, all[_i].name, NULL);
    for (int t = 0; t < k.n; t++)
        for (const struct key *row = k.table[t].rows; row->name; row++)
            for (int i = 0; is_own(&k, row) && row->type == &key_word && key_choice(row, i); i++) {
                char word[64], meant[100];
                union { char bytes[2 * KEY_TEXT]; double align; } field;
                snprintf(word, sizeof word, "%.*s", (int)strcspn(key_choice(row, i), " "), key_choice(row, i));
                const size_t n = strlen(word);
                snprintf(meant, sizeof meant, ": did you mean %s?", word);
                if (n < 4 || word[n - 1] == word[n - 2])
                    continue;
                const char last = word[n - 1];
                word[n - 1] = word[n - 2], word[n - 2] = last;
                if (!row->type->read(&field, row, word, why))
                    continue;                                        /* it is another word */
                ck_assert_msg(strstr(why, meant) != NULL, "%s=%s: %s", row->name, word, why);
            }
}
END_TEST

/* A default is read by the same function as what is given, and is written as it stands in the row. */
START_TEST(a_default_is_the_value_that_a_struct_begins_with)
{
    struct keys k;
    char value[KEY_TEXT];
    command_keys(&k, all[_i].c, all[_i].name, NULL);
    for (int t = 0; t < k.n; t++)
        for (const struct key *row = k.table[t].rows; row->name; row++)
            if (is_own(&k, row) && row->otherwise && *row->otherwise) {
                union { char bytes[2 * KEY_TEXT]; double align; } field = {{0}};
                struct key_table of = {.rows = row, .into = (char *)&field - row->at};
                if (k.table[t].into)      /* the struct may be larger than a field: a network's */
                    of.into = k.table[t].into;
                ck_assert_msg(!row->type->read((char *)of.into + row->at, row, row->otherwise, why), "%s: %s",
                              all[_i].name, why);
                key_write(value, &of, row);
                ck_assert_msg(!strcmp(value, row->otherwise) ||
                              (row->type == &key_yes && strchr("01", *row->otherwise)),
                              "swax %s: %s=%s is written back as %s", all[_i].name, row->name, row->otherwise, value);
            }
}
END_TEST

START_TEST(a_run_begins_as_the_help_of_train_says)
{
    struct run r = run_default(), given = r;
    struct keys k = {.of = "a run"};
    char value[KEY_TEXT];
    run_tables(&k, &r, 1);
    for (int t = 0; t < k.n; t++)
        for (const struct key *row = k.table[t].rows; row->name; row++)
            if (is_own(&k, row)) {
                key_write(value, &k.table[t], row);
                ck_assert_str_eq(value, row->otherwise);
                ck_assert_msg(!run_set(&given, row->name, value, why), "%s", why);
            }
    ck_assert(!memcmp(&r, &given, sizeof r));
}
END_TEST

/* ---- what is wrong is a sentence */

static struct answer ask(const struct command *c, char *argument)
{
    struct answer a = {0};
    char *path = scratch("stderr"), *argv[] = {argument, NULL};
    fflush(stdout);
    fflush(stderr);
    const int out = dup(1), err = dup(2);
    ck_assert(freopen("/dev/null", "w", stdout) && freopen(path, "w", stderr));
    a.status = command_run(c, 1, argv);
    fflush(stdout);
    fflush(stderr);
    dup2(out, 1);
    dup2(err, 2);
    close(out);
    close(err);
    FILE *f = fopen(path, "r");
    a.text[fread(a.text, 1, sizeof a.text - 1, f)] = 0;
    fclose(f);
    free(path);
    return a;
}

static void is_refused(int i, const struct key *row, const char *value)
{
    char argument[3 * KEY_TEXT], named[80];
    snprintf(argument, sizeof argument, "%s=%s", row->name, value);
    snprintf(named, sizeof named, "swax: %s", row->name);
    const struct answer a = ask(all[i].c, argument);
    ck_assert_msg(a.status == 2, "swax %s %.80s: status %d\n%s", all[i].name, argument, a.status, a.text);
    ck_assert_msg(strchr(a.text, '\n') == a.text + strlen(a.text) - 1 && strlen(a.text) > 20,
                  "swax %s %.80s: not one sentence\n%s", all[i].name, argument, a.text);
    ck_assert_msg(!strncmp(a.text, named, strlen(named)), "swax %s %.80s: the sentence does not begin with the key\n%s",
                  all[i].name, argument, a.text);
}

static void refuse_all(int i, const struct key *row)
{
    char value[2 * KEY_TEXT];
    if (row->type == &key_whole || row->type == &key_list) {
        snprintf(value, sizeof value, "%.0f", row->least - 1);
        is_refused(i, row, value);
        snprintf(value, sizeof value, "%.0f", row->most + 1);
        is_refused(i, row, value);
        is_refused(i, row, "1.5");
        is_refused(i, row, "99999999999999999999");
    }
    if (row->type == &key_real) {
        swax_number_write(value, row->least - 1);
        is_refused(i, row, value);
        is_refused(i, row, "nan");
        is_refused(i, row, "0x1");
        is_refused(i, row, "0,5");
    }
    if (row->type == &key_seed)
        is_refused(i, row, "18446744073709551616");
    if (row->type == &key_path)
        is_refused(i, row, "~/x");
    if (row->type == &key_text || row->type == &key_path || row->type == &key_tier) {
        memset(value, 'x', 600);
        value[600] = 0;
        is_refused(i, row, value);
        is_refused(i, row, "\xff");
    } else if (row->type != &key_long) {           /* which takes anything */
        is_refused(i, row, "");
        is_refused(i, row, " ");
        is_refused(i, row, "banana");
    }
}

START_TEST(what_cannot_be_is_refused_by_name_before_anything_is_opened)
{
    struct keys k;
    command_keys(&k, all[_i].c, all[_i].name, NULL);
    for (int t = 0; t < k.n; t++)
        for (const struct key *row = k.table[t].rows; row->name; row++)
            if (is_own(&k, row) && !k.table[t].texts && strcmp(row->name, "config"))
                refuse_all(_i, row);
}
END_TEST

START_TEST(a_vocabulary_of_0_is_that_of_the_data_again)
{
    struct run r = run_default();
    ck_assert(!run_set(&r, "vocabulary", "32", why) && r.model.vocabulary == 32);
    ck_assert_msg(!run_set(&r, "vocabulary", "0", why), "%s", why);
    ck_assert_int_eq(r.model.vocabulary, 0);
}
END_TEST

/* The values of a source's keys wait until the source is known; then they are refused alike. */
START_TEST(what_cannot_be_of_data_is_refused_by_name)
{
    for (int s = 0; s < n_sources; s++)
        for (const struct key *row = sources[s]->keys; row->name; row++) {
            struct run r = run_default();
            if (row->type == &key_text)        /* any text is one: what it should say is known where it is opened */
                continue;
            ck_assert(!run_set(&r, "data", sources[s]->name, why));
            const char *bad = row->type == &key_path ? "~/x" : "banana", *wrong = run_set(&r, row->name, bad, why);
            ck_assert_msg(wrong && !strncmp(why, row->name, strlen(row->name)), "data=%s %s=%s: %s", sources[s]->name,
                          row->name, bad, wrong ? wrong : "taken");
        }
}
END_TEST

/* A command that has commands of its own says how each is called, and what for. */
static void says_its_own(const struct command *c, const char *name)
{
    for (int i = 0; c->sub && c->sub[i]; i++) {
        char longer[100], expected[300];
        struct group g = {c, name};
        char *text = printed_in(print_group, &g);
        snprintf(longer, sizeof longer, "%s %s", name, c->sub[i]->name);
        if (c->sub[i]->usage) {
            snprintf(expected, sizeof expected, "swax %s%s%.*s", longer, *c->sub[i]->usage ? " " : "",
                     (int)strcspn(c->sub[i]->usage, "\n"), c->sub[i]->usage);
            ck_assert_msg(strstr(text, expected) != NULL, "no '%s' in the help of %s:\n%s", expected, name, text);
        }
        snprintf(expected, sizeof expected, "  %-10s %s\n", c->sub[i]->name, c->sub[i]->summary);
        ck_assert_msg(strstr(text, expected) != NULL, "no '%s' in the help of %s:\n%s", expected, name, text);
        says_its_own(c->sub[i], longer);
    }
}

START_TEST(commands_of_a_command_are_in_its_help)
{
    for (int i = 0; swax_commands[i]; i++)
        says_its_own(swax_commands[i], swax_commands[i]->name);
}
END_TEST

/* ---- bounds, choices and defaults are those that are kept, and hold to the last number */

static int taken(const struct key *row, double number)
{
    union { char bytes[2 * KEY_TEXT]; double align; } field;
    char text[400];
    snprintf(text, sizeof text, row->type == &key_real ? "%.17g" : row->type == &key_span ? "%.0f-%.0f" : "%.0f",
             number, number);
    return !row->type->read(&field, row, text, why);
}

static void tell_key(FILE *f, const char *of, const struct key *row)
{
    fprintf(f, "%s %s: '%s'", of, row->name, row->otherwise ? row->otherwise : "(none)");
    if (row->type->number)
        fprintf(f, ", from %.9g to %.9g", row->least, row->most);
    if (row->type == &key_whole || row->type == &key_real || row->type == &key_list || row->type == &key_span) {
        const double step = row->type == &key_real ? 1e-6 * (1 + fabs(row->most)) : 1;
        ck_assert_msg(taken(row, row->least) && taken(row, row->most), "%s %s refuses what its bounds allow: %s", of,
                      row->name, why);
        ck_assert_msg(!taken(row, row->most + step) &&
                          !taken(row, row->least - (row->type == &key_real ? 1e-6 * (1 + fabs(row->least)) : 1)),
                      "%s %s takes what its bounds do not allow", of, row->name);
    }
    for (int i = 0; row->type == &key_word && key_choice(row, i); i++)
        fprintf(f, "%s%s", i ? " | " : ", one of ", key_choice(row, i));
    fputc('\n', f);
}

START_TEST(bounds_choices_and_defaults_are_those_that_are_kept)
{
    char *text = NULL;
    size_t n;
    FILE *f = open_memstream(&text, &n);
    for (int i = 0; i < n_all; i++) {
        struct keys k;
        command_keys(&k, all[i].c, all[i].name, NULL);
        for (int t = 0; t < k.n; t++)
            for (const struct key *row = k.table[t].rows; row->name; row++)
                if (is_own(&k, row) && !k.table[t].texts)
                    tell_key(f, all[i].name, row);
    }
    for (int s = 0; s < n_sources; s++)
        for (const struct key *row = sources[s]->keys; row->name; row++)
            tell_key(f, sources[s]->name, row);
    fclose(f);
    golden_has("keys.txt", text, 0);
    free(text);
}
END_TEST

START_TEST(a_misspelt_key_is_recognised)
{
    struct keys k;
    char of[80], word[64], meant[192];
    snprintf(of, sizeof of, "`swax %s`", all[_i].name);
    command_keys(&k, all[_i].c, of, NULL);
    for (int t = 0; t < k.n; t++)
        for (const struct key *row = k.table[t].rows; row->name; row++) {
            const size_t n = strlen(row->name);
            if (!is_own(&k, row) || n < 4)
                continue;
            for (size_t swap = 1; swap + 1 < n; swap++) {
                strcpy(word, row->name);
                word[swap] = row->name[swap + 1];
                word[swap + 1] = row->name[swap];
                if (keys_find(&k, word, NULL))
                    continue;
                snprintf(meant, sizeof meant, "for %s: did you mean %s?", of, row->name);
                keys_unknown(&k, word, why);
                ck_assert_msg(strstr(why, meant) != NULL, "%s for %s: %s", word, row->name, why);
            }
        }
}
END_TEST

/* What other programs call a key is the name of none of ours, and leads to it, or to another that is called so too. */
START_TEST(the_names_of_others_lead_to_ours)
{
    struct keys k;
    char other[64];
    command_keys(&k, all[_i].c, "this", NULL);
    for (int t = 0; t < k.n; t++)
        for (const struct key *row = k.table[t].rows; row->name; row++)
            for (const char *at = row->others ? row->others : ""; *at; at += strspn(at, " ")) {
                const size_t n = strcspn(at, " ");
                snprintf(other, sizeof other, "%.*s", (int)n, at);
                at += n;
                if (!is_own(&k, row) || keys_find(&k, other, NULL))
                    continue;
                keys_unknown(&k, other, why);
                const char *meant = strstr(why, "did you mean ");
                ck_assert_msg(meant != NULL, "%s: %s", other, why);
                meant += strlen("did you mean ");
                int right = 0;
                for (int u = 0; u < k.n; u++)
                    for (const struct key *r = k.table[u].rows; r->name; r++)
                        right |= r->others && strstr(r->others, other) && !strncmp(meant, r->name, strlen(r->name));
                ck_assert_msg(right, "swax %s %s=: %s", all[_i].name, other, why);
            }
}
END_TEST

/* ---- the man page and completion */

START_TEST(the_man_page_of_the_tree_is_the_one_of_the_tables)
{
    char *text = printed_in(print_man, NULL), *there;
    read_whole("tools/swax.1", &there);
    size_t line = 1;
    for (size_t i = 0; text[i] && text[i] == there[i]; i++)
        line += text[i] == '\n';
    ck_assert_msg(!strcmp(text, there),
                  "tools/swax.1 differs from `swax help man` from line %zu on: `make man` writes it", line);
    for (int i = 0; i < n_all; i++) {
        struct keys k;
        char named[80];
        command_keys(&k, all[i].c, all[i].name, NULL);
        for (int t = 0; t < k.n - 1; t++)
            for (const struct key *row = k.table[t].rows; row->name; row++) {
                snprintf(named, sizeof named, "\n.BR %s=", row->name);
                ck_assert_msg(!is_own(&k, row) || strstr(text, named), "the man page lacks %s of swax %s", row->name,
                              all[i].name);
            }
    }
}
END_TEST

/* What roff would take for a command of its own, at the beginning of a line, is text. */
static int nothing(struct options *o) { (void)o; return 0; }

static void print_made_up(void *unused)
{
    static const struct command odd = {.name = "odd", .summary = "made up",
                                       .about = ".so /etc/passwd\n'quoted' a-b c\\d\nit's. 'x'\n\nLast.",
                                       .run = nothing};
    static const struct command *const list[] = {&odd, NULL};
    (void)unused;
    help_man(list);
}

START_TEST(no_text_of_the_man_page_is_a_command_of_roff)
{
    const char *text = printed_in(print_made_up, NULL),
        *expected = "\n\\&.so /etc/passwd\n\\&'quoted' a\\-b c\\ed\nit's. 'x'\n.PP\nLast.\n";
    ck_assert_msg(strstr(text, expected) != NULL, "no '%s' in\n%s", expected, text);
}
END_TEST

/* Of every key there is, the default is read and written again, as text or as the same number. */
static void default_is_written(const struct key *row)
{
    static union { char bytes[16 * KEY_TEXT]; double align; } field;
    char text[KEY_TEXT] = "(nothing)";
    double was, is;
    if (!row->type || !row->otherwise || !*row->otherwise)
        return;
    ck_assert_msg(!row->type->read(&field, row, row->otherwise, why), "%s: %s", row->name, why);
    row->type->write(text, row, &field);
    const int numbers = number_real(text, -HUGE_VAL, HUGE_VAL, &is) &&
                        number_real(row->otherwise, -HUGE_VAL, HUGE_VAL, &was);
    ck_assert_msg(!strcmp(text, row->otherwise) || (numbers && is == was),
                  "%s: '%s' is read, and written as '%s'", row->name, row->otherwise, text);
}

START_TEST(every_default_is_written_as_it_is_read)
{
    for (int i = 0; i < n_all; i++) {
        struct keys k;
        command_keys(&k, all[i].c, all[i].name, NULL);
        for (int t = 0; t < k.n; t++)
            for (const struct key *row = k.table[t].rows; row->name; row++)
                default_is_written(row);
    }
    for (int s = 0; s < n_sources; s++)
        for (const struct key *row = sources[s]->keys; row->name; row++)
            default_is_written(row);
    /* texts that no default has: of a part, and as long as one likes */
    static char room[16 * KEY_TEXT];
    char text[KEY_TEXT];
    struct key part = *key_find(source_find("mixture")->keys, "part_1"), any = {.name = "any", .type = &key_long};
    ck_assert(!part.type->read(room, &part, "1 mqar", why));
    part.type->write(text, &part, room);
    ck_assert_str_eq(text, "1 mqar");
    ck_assert(!any.type->read(room, &any, "a word", why));
    any.type->write(text, &any, room);
    ck_assert_str_eq(text, "a word");
}
END_TEST

/* ---- commands that are made up of everything there is */

struct odd {
    char text[KEY_TEXT], path[KEY_TEXT];
    int whole, large, yes, word, listed;
    double real, free;
    struct key_list list;
    struct key_span span;
};
static const char *odd_word(int i)
{
    return i < 3 ? (const char *const[]){"one uno eins", "two", "three tres"}[i] : NULL;
}
static const char *const odd_words[] = {"red", "green", NULL};
static const struct key odd_keys[] = {
    {.name = "FIRST", .what = "a line that is no key"},
    KEY_ROW(&key_text, "text", struct odd, text, "", "anything"),
    KEY_ROW(&key_path, "path_of_something_long", struct odd, path, "here/and/there",
            "where it lies, at some length: more than a line of this page has room for, so that it goes on in the "
            "next, and in the one behind that, and on"),
    KEY_WHOLE("whole", struct odd, whole, "7", -3, 999999, "a number"),
    KEY_WHOLE("large", struct odd, large, "12", 2, 1000000, "another"),
    KEY_REAL("real", struct odd, real, "0.5", 0, 1e30, "a third"),
    KEY_REAL("free", struct odd, free, "-1", -HUGE_VAL, HUGE_VAL, "of any size"),
    KEY_YES("yes", struct odd, yes, "or no"), {0},
}, odd_more[] = {
    KEY_WORD("word", struct odd, word, "two", odd_word, "one of three"),
    KEY_ROW(&key_text, "listed", struct odd, listed, "red", "one of two", .words = odd_words),
    KEY_ROW(&key_list, "list", struct odd, list, "1,2", "some", .least = 1, .most = 9),
    KEY_ROW(&key_span, "span", struct odd, span, "3-5", "from and to", .least = 0, .most = 20),
    KEY_WHOLE("whole", struct odd, whole, "8", 0, 1, "hidden by the first of its name"),
    KEY_ROW(&key_text, "none", struct odd, text, NULL, "what has no default"), {0},
};
static void odd_tables(struct keys *k, const struct options *o)
{
    (void)o;
    keys_add(k, NULL, odd_keys, NULL);
    keys_add(k, "More of them", odd_more, NULL);
}
static const struct command odd_small = {.name = "small", .summary = "one of its own", .usage = "X\nY [Z]",
                                         .keys = odd_tables, .run = nothing},
                            odd_bare = {.name = "bare", .summary = "one without keys", .usage = "", .run = nothing},
                            *const odd_subs[] = {&odd_small, &odd_bare, NULL},
                            odd_one = {
    .name = "odd", .summary = "many things", .usage = "FOLDER [key=value ...]\n\nOTHER",
    .about = "First a paragraph that is longer than a line, with its words in their order, so that it is wrapped where "
             "it must be.\n\nThen one more.",
    .keys = odd_tables, .run = nothing, .sub = odd_subs},
                            odd_group = {.name = "group-2", .summary = "nothing but others", .sub = odd_subs};
static const struct command *const odd_all[] = {&odd_one, &odd_group, NULL};

static void print_odd(void *how_many)
{
    for (int i = 0; i < *(const int *)how_many; i++) {
        const struct command *c = i < 2 ? odd_all[i] : odd_subs[i - 2];
        struct keys k;
        command_keys(&k, c, c->name, NULL);
        help_print(c, c->name, i == 1 ? NULL : &k);
    }
}
static void print_odd_man(void *unused) { (void)unused; help_man(odd_all); }
static void print_odd_completion(void *shell) { help_completion(odd_all, shell); }

START_TEST(helps_of_made_up_commands_are_those_that_are_kept)
{
    golden_is("help.txt", printed_in(print_odd, &(int){4}), 0);
    golden_is("help_man.txt", printed_in(print_odd_man, NULL), 0);
    golden_is("help_bash.txt", printed_in(print_odd_completion, (void *)(size_t)"bash"), 0);
    golden_is("help_zsh.txt", printed_in(print_odd_completion, (void *)(size_t)"zsh"), 0);
}
END_TEST

/* The help on a terminal of so many columns, of which the environment may say another number. */
static char *on_a_terminal(int columns, const char *said)
{
    enum { ROOM = 1 << 16 };
    char *text = scratch_keep(calloc(ROOM, 1));
    const int master = posix_openpt(O_RDWR | O_NOCTTY);
    ck_assert(master >= 0 && !grantpt(master) && !unlockpt(master));
    const int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    struct termios plain;
    const struct winsize size = {.ws_row = 20, .ws_col = (unsigned short)columns};
    ck_assert(slave >= 0 && !tcgetattr(slave, &plain));
    plain.c_oflag &= ~(tcflag_t)OPOST;
    ck_assert(!tcsetattr(slave, TCSANOW, &plain) && !ioctl(slave, TIOCSWINSZ, &size));
    fflush(NULL);
    const pid_t pid = fork();
    if (!pid) {
        if (said)
            setenv("COLUMNS", said, 1);
        else
            unsetenv("COLUMNS");
        dup2(slave, 1);
        print_odd(&(int){1});
        puts("end of it");
        fflush(stdout);
        _exit(0);
    }
    size_t n = 0;
    for (ssize_t got; n < ROOM - 1 && (got = read(master, text + n, ROOM - 1 - n)) > 0;) {
        n += (size_t)got, text[n] = 0;
        if (strstr(text, "end of it\n"))
            break;
    }
    ck_assert(waitpid(pid, NULL, 0) == pid);
    close(master), close(slave);
    char *end = strstr(text, "end of it\n");
    ck_assert_msg(end, "%d columns: the help breaks off", columns);
    *end = 0;
    return text;
}

START_TEST(helps_fit_their_terminal)
{
    static const struct { int columns; const char *said; int fits; } of[] = {
        {80, NULL, 80}, {101, NULL, 100}, {100, NULL, 100}, {65, NULL, 65}, {64, NULL, 64}, {63, NULL, 63},
        {23, NULL, 24}, {24, NULL, 24}, {25, NULL, 25}, {80, "40", 40}, {80, "x", 80}, {80, "0", 80},
        {80, "10000", 100}, {80, "10001", 80}, {40, "1", 24}, {0, NULL, 100}};
    char *all = malloc(1 << 20), *to = all, *plain = printed_in(print_odd, &(int){1});
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        char *text = on_a_terminal(of[i].columns, of[i].said);
        if (of[i].fits == of[i].columns && !of[i].said && of[i].fits < 100)
            to += sprintf(to, "---- %d columns\n%s", of[i].fits, text);
        else
            ck_assert_msg(!strcmp(text, of[i].fits == 100 ? plain : on_a_terminal(of[i].fits, NULL)),
                          "%d columns, COLUMNS=%s: this is not %d columns wide:\n%s", of[i].columns,
                          of[i].said ? of[i].said : "", of[i].fits, text);
    }
    golden_is("help_narrow.txt", all, 0);
    free(all);
}
END_TEST

/* The word "help" goes, wherever it stands, and nothing else changes its place. */
static void ask_for_help(void *argv) { ck_assert_int_eq(cmd_eval(3, argv), 0); }

START_TEST(help_is_asked_for_anywhere)
{
    for (int at = 0; at < 3; at++) {
        char words[3][20] = {"folder", "sequences=4", "windows=8"}, behind[2][8] = {"behind", "farther"},
             *argv[5] = {words[0], words[1], words[2], behind[0], behind[1]};
        argv[at] = at == 1 ? "--help" : "help";
        const char *text = printed_in(ask_for_help, argv);
        ck_assert_msg(strstr(text, "usage: swax eval") != NULL, "%s", text);
        for (int i = 0, k = 0; i < 2; i++, k++) {
            k += k == at;
            ck_assert_str_eq(argv[i], words[k]);
        }
        ck_assert_msg(argv[3] == behind[0] && argv[4] == behind[1],
                      "what stands behind the arguments has changed its place");
    }
}
END_TEST

/* The last seed there is, and each of one less in its last digits; not one more. */
START_TEST(seeds_are_all_numbers_of_64_bits)
{
    static const char *const good[] = {"0", "15", "9", "18446744073709551615", "18446744073709551610",
                                       "18446744073709551609", "018446744073709551615"};
    static const char *const bad[] = {"18446744073709551616", "18446744073709551619", "18446744073709551620",
                                      "18446744073709551700", "99999999999999999999",
                                      "184467440737095516150", "-1", "", "1x"};
    struct run r = run_default();
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert_msg(!run_set(&r, "seed", good[i], why) && r.seed == strtoull(good[i], NULL, 10),
                      "seed=%s is %llu: %s", good[i], (unsigned long long)r.seed, why);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(run_set(&r, "seed", bad[i], why) && strstr(why, "18446744073709551615"),
                      "seed=%s is taken for %llu", bad[i], (unsigned long long)r.seed);
}
END_TEST

/* Each word of the completion that can be asked for, and no other. */
START_TEST(completion_has_the_commands)
{
    const char *text = printed_in(print_completion, (void *)(size_t)"bash");
    char expected[2000], *to = expected;
    for (int k = 0; k < 2; k++) {
        to = expected + sprintf(expected, k ? "words=\"help version completion" : "    help) words=\"man");
        for (int i = 0; swax_commands[i]; i++)
            to += sprintf(to, " %s", swax_commands[i]->name);
        sprintf(to, k ? "\"; fi\n" : "\" ;;\n    completion) words=\"bash zsh\" ;;\n");
        ck_assert_msg(strstr(text, expected) != NULL, "no '%s'", expected);
    }
    for (int i = 0; swax_commands[i]; i++) {
        to = expected + sprintf(expected, "\n    %s) words=\"help", swax_commands[i]->name);
        for (int s = 0; swax_commands[i]->sub && swax_commands[i]->sub[s]; s++)
            to += sprintf(to, " %s", swax_commands[i]->sub[s]->name);
        const char *at = strstr(text, expected);
        ck_assert_msg(at && strchr(" \"", at[to - expected]), "no '%s'", expected);
    }
}
END_TEST

START_TEST(completion_has_every_key_and_word)
{
    static const char *const shell[] = {"bash", "zsh"};
    char *text = printed_in(print_completion, (void *)(size_t)shell[_i]);
    for (int i = 0; i < n_all; i++) {
        struct keys k;
        char named[160];
        snprintf(named, sizeof named, "\n    %.*s) words=\"", (int)strcspn(all[i].name, " "), all[i].name);
        char *line = strstr(text, named), *end = line ? strchr(line + 1, '\n') : NULL;
        ck_assert_msg(end != NULL, "no completion of %s", all[i].name);
        *end = 0;
        command_keys(&k, all[i].c, all[i].name, NULL);
        for (int t = 0; t < k.n; t++)
            for (const struct key *row = k.table[t].rows; row->name; row++) {
                if (!row->type)
                    continue;
                snprintf(named, sizeof named, " %s=", row->name);
                ck_assert_msg(strstr(line, named) != NULL, "completion of %s lacks%s", all[i].name, named);
                for (int w = 0; key_choice(row, w); w++) {
                    snprintf(named, sizeof named, " %s=%.*s", row->name, (int)strcspn(key_choice(row, w), " "),
                             key_choice(row, w));
                    ck_assert_msg(strstr(line, named) != NULL, "completion of %s lacks%s", all[i].name, named);
                }
            }
        *end = '\n';
    }
    free(text);
}
END_TEST

/* ---- words and numbers */

START_TEST(precisions_have_two_names_everywhere)
{
    static const char *const same[][2] = {{"fp32", "f32"}, {"fp64", "f64"}, {"bf16", "bfloat16"}};
    for (int i = 0; i < n_all; i++) {
        struct keys k;
        command_keys(&k, all[i].c, all[i].name, NULL);
        const struct key *row = keys_find(&k, "precision", NULL);
        row = row ? row : keys_find(&k, "dtype", NULL);
        for (int s = 0; row && s < 3; s++) {
            int a = -1, b = -2;
            ck_assert_msg(!row->type->read(&a, row, same[s][0], why), "%s: %s", all[i].name, why);
            ck_assert_msg(!row->type->read(&b, row, same[s][1], why), "%s: %s", all[i].name, why);
            ck_assert_int_eq(a, b);
        }
    }
}
END_TEST

START_TEST(the_last_value_counts_and_the_line_comes_before_its_config)
{
    static const struct { const char *argument[5], *width, *heads; } lines[] = {
        {{"width=64", "width=32"}, "32", NULL},
        {{"--width", "64", "--width=32"}, "32", NULL},
        {{"width=48", "config=tiny"}, "48", "4"},
        {{"config=tiny", "width=48"}, "48", "4"},
        {{"config=micro", "config=tiny"}, "128", "4"},
        {{"config=@", "heads=2"}, "24", "2"},
    };
    put(scratch("some.json"), "{\"width\": 24, \"heads\": 3}", 25);
    struct run r = run_default();
    struct keys k = {.of = "a run"};
    struct options o = {0};
    char line[5][300], *argv[5];
    int argc = 0;
    run_tables(&k, &r, 1);
    for (; argc < 5 && lines[_i].argument[argc]; argc++) {
        const char *text = lines[_i].argument[argc];
        snprintf(line[argc], sizeof line[argc], "%s%s", strchr(text, '@') ? "config=" : text, strchr(text, '@')
                 ? scratch("some.json") : "");
        argv[argc] = line[argc];
    }
    ck_assert_msg(!options_read(&o, argc, argv, &k, "out", why), "%s", why);
    ck_assert_str_eq(options_value(&o, "width"), lines[_i].width);
    if (lines[_i].heads)
        ck_assert_str_eq(options_value(&o, "heads"), lines[_i].heads);
    ck_assert_msg(!run_take(&r, &o, why), "%s", why);
    ck_assert_int_eq(r.model.width, atoi(lines[_i].width));
    options_free(&o);
}
END_TEST

/* A yes needs no value, and takes no word that follows it. */
START_TEST(bare_words_and_dashes)
{
    struct run r = run_default();
    struct keys k = {.of = "a run"};
    struct options o = {0};
    char *argv[] = {"--resume", "folder", "--short-window", "4", "--resume", "no"};
    run_tables(&k, &r, 1);
    ck_assert_msg(!options_read(&o, 6, argv, &k, "out", why), "%s", why);
    ck_assert_str_eq(options_value(&o, "out"), "folder");
    ck_assert_str_eq(options_value(&o, "resume"), "no");
    ck_assert_str_eq(options_value(&o, "short_window"), "4");
    options_free(&o);
    ck_assert(!options_value(&o, "out") && o.n == 0);
    options_free(&o);                                      /* what is closed is empty, and may be closed again */
    char *twice[] = {"out=folder", "another"};
    ck_assert_str_eq(options_read(&o, 2, twice, &k, "out", why), "\"another\" is not an option: options are written "
                                                                "key=value, and out=folder was given already.");
    options_free(&o);
}
END_TEST

/* What is said of these options, or what they come to: the last value of each key, and which are of a configuration. */
static void tell_options(FILE *f, const char *line, const char *config)
{
    char copy[400], *argv[20], *path = scratch("options.json");
    struct options o = {0};
    struct keys k = {.of = "`swax odd`"};
    int argc = 0;
    odd_tables(&k, NULL);
    keys_add_texts(&k, NULL, (const struct key[]){
        KEY_ROW(&key_path, "config", struct odd, path, "", "a file"),
        KEY_ROW(&key_path, "output", struct odd, path, "", "a file"), {0}}, NULL);
    snprintf(copy, sizeof copy, "%s", line);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    static char given[600];
    if (config) {
        put(path, config, strlen(config));
        snprintf(given, sizeof given, "config=%s", path);
        argv[argc++] = given;
    }
    fprintf(f, "\"%s\"%s%s\n", line, config ? " with " : "", config ? config : "");
    const char *wrong = options_read(&o, argc, argv, &k, "text whole", why);
    wrong = wrong ? wrong : options_known(&o, &k, why);
    const char *named = wrong ? strstr(wrong, "options.json") : NULL;
    if (wrong)
        fprintf(f, "    %s\n", named ? named : wrong);
    for (int i = 0; i < o.n && !wrong; i++)
        fprintf(f, "    %s=%s%s\n", o.list[i].key,
                config && !strcmp(o.list[i].key, "config") ? "(file)" : o.list[i].value,
                o.list[i].of_config ? ", of the configuration" : "");
    options_free(&o);
}

START_TEST(options_are_read_as_ever)
{
    static const char *const lines[] = {
        "", "text=a whole=3", "a 3", "a whole=3 b", "a 3 c", "text=a b", "whole=1 whole=2", "--whole 5", "--whole=5",
        "--whole", "--whole --yes", "--yes", "--yes no", "--yes yes", "--yes maybe", "--yes -o x", "-o there",
        "-o", "-o -x", "-x", "=3", "--=3", "--", "--path-of-something-long here", "path-of-something-long=here",
        "text=a=b", "text=",
        "--real -3", "--nowhere 3", "nowhere=3", "--nowhere=3", "--nowhere a=b",
        "--text a=b", "--nowhere --yes", "wole=3", "te-xt=1",
        "a-b=1", "w!=3", "text=3 --list 1,2 -o out --yes",
        "--aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 3", "config=nowhere.json"};
    static const char *const configs[] = {
        "{}", "{\"text\": \"a\", \"whole\": 4, \"yes\": true, \"word\": \"two\"}", "{\"yes\": false}", "[1]",
        "{\"text\": null}", "{\"text\": [1]}", "{\"tetx\": 1}", "{\"whole\": 1,",
        "{\"path-of-something-long\": \"x\"}", "3"};
    char *text = NULL;
    size_t n;
    FILE *f = open_memstream(&text, &n);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        tell_options(f, lines[i], NULL);
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++)
        tell_options(f, i % 2 ? "whole=9" : "", configs[i]);
    /* settings in a text of their own */
    static const char *const settings[] = {"a=1; b=2", "; a = 1 ;; b=2;", "a", "a=1; b", "a=", "=1", "a=x=y;",
                                           "a=1; a=2", "", " "};
    for (size_t i = 0; i < 2 * sizeof settings / sizeof *settings; i++) {
        struct options o = {0};
        const char *wrong = options_read_settings(&o, settings[i / 2], (int)(i % 2), why);
        fprintf(f, "'%s'%s:%s%s", settings[i / 2], i % 2 ? ", over" : "", wrong ? " " : "", wrong ? wrong : "");
        for (int k = 0; k < o.n; k++)
            fprintf(f, " '%s' is '%s'", o.list[k].key, o.list[k].value);
        fputc('\n', f);
        options_free(&o);
    }
    fclose(f);
    golden_is("options.txt", text, 0);
    free(text);
}
END_TEST

/* Commands that are made up, as they answer: their help, what they do not know, and where nobody can read it. */
static int odd_command(int argc, char **argv) { return command_run(&odd_one, argc, argv); }
static int group_command(int argc, char **argv) { return command_run(&odd_group, argc, argv); }

START_TEST(made_up_commands_answer)
{
    char *text;
    static const struct { int (*command)(int, char **); const char *arguments, *says; } of[] = {
        {group_command, "smal", "There is no `swax group-2 smal`: did you mean small?"},
        {group_command, "zzzzzzz", "There is no `swax group-2 zzzzzzz`: `swax group-2 help` says what there is."},
        {odd_command, "whole=1000000", "999999"},
        {group_command, "bare whole=3", "`swax group-2 bare` takes no whole=: `swax group-2 small` does."}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++)
        refused(of[i].command, of[i].arguments, of[i].says);
    ck_assert_str_eq(done(odd_command, "whole=3"), "");
    ck_assert_str_eq(done(group_command, "small"), "");
    const char *help = done(group_command, "help");
    ck_assert_msg(!strncmp(help, "usage: swax group-2 small X\n", 28), "%s", help);
    ck_assert_int_eq(ask_command(group_command, "").status, 2);      /* nothing was done: no script takes it for more */
    read_whole(scratch("stdout"), &text);
    ck_assert_str_eq(text, help);
    free(text);
    ck_assert_str_eq(done(group_command, "small help"), done(group_command, "help small"));
}
END_TEST

START_TEST(what_nobody_can_read_is_said)
{
    char *path = scratch("err"), *text;
    if (access("/dev/full", W_OK)) {
        puts("skipped: there is no device that is always full");
        return;
    }
    fflush(NULL);
    const pid_t pid = fork();
    if (!pid) {
        char *const help[] = {(char *)(size_t)"help", NULL};
        if (!freopen("/dev/full", "w", stdout) || !freopen(path, "w", stderr))
            _exit(99);
        const int status = group_command(1, (char **)(size_t)help);
        fflush(stderr);
        _exit(status);
    }
    int status;
    ck_assert(waitpid(pid, &status, 0) == pid);
    read_whole(path, &text);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 2, "status %d", status);
    ck_assert_str_eq(text, "swax: What group-2 printed could not all be written.\n");
}
END_TEST

/* ---- a value of every type at its bounds and beside them */

struct of_all {
    int whole, yes, word;
    double real;
    uint64_t seed;
    struct key_list list;
    struct key_span span;
    char text[KEY_TEXT], path[KEY_TEXT];
};

static const char *const three_words[] = {"none zero", "some", "all every", NULL};
static const struct key of_all[] = {
    KEY_WHOLE("whole", struct of_all, whole, "7", -5, 1000000, "a number"),
    KEY_REAL("real", struct of_all, real, "1", 0.5, 2, "a number"),
    KEY_ROW(&key_seed, "seed", struct of_all, seed, "1", "a number"),
    KEY_YES("yes", struct of_all, yes, "whether"),
    KEY_ROW(&key_word, "word", struct of_all, word, "some", "a word", .words = three_words),
    KEY_ROW(&key_list, "list", struct of_all, list, "1,2", "numbers", .least = 1, .most = 9999999),
    KEY_ROW(&key_span, "span", struct of_all, span, "2-3", "two numbers", .least = 1, .most = 9999999),
    KEY_ROW(&key_text, "text", struct of_all, text, "a", "a text"),
    KEY_ROW(&key_path, "path", struct of_all, path, "a", "a path"),
    {0},
};

/* x: that many letters x in front of the value */
static const struct { const char *key, *value; int x; const char *reads; } values[] = {
    {"whole", "-5", 0, "-5"}, {"whole", "-6", 0, NULL}, {"whole", "1000000", 0, "1000000"}, {"whole", "+3", 0, "3"},
    {"whole", "1000001", 0, NULL}, {"whole", "", 0, NULL}, {"whole", "1.0", 0, NULL}, {"whole", "0x3", 0, NULL},
    {"whole", " 3", 0, NULL}, {"whole", "3 ", 0, NULL}, {"whole", "-", 0, NULL},
    {"whole", "99999999999999999999", 0, NULL},
    {"real", "0.5", 0, "0.5"}, {"real", "0.49999", 0, NULL}, {"real", "2", 0, "2"}, {"real", "2.00001", 0, NULL},
    {"real", "nan", 0, NULL}, {"real", "1e0", 0, "1"}, {"real", "1,5", 0, NULL},
    {"seed", "0", 0, "0"}, {"seed", "18446744073709551615", 0, "18446744073709551615"},
    {"seed", "18446744073709551616", 0, NULL}, {"seed", "-1", 0, NULL}, {"seed", "", 0, NULL}, {"seed", "1x", 0, NULL},
    {"yes", "yes", 0, "yes"}, {"yes", "no", 0, "no"}, {"yes", "y", 0, NULL}, {"yes", "", 0, NULL},
    {"word", "none", 0, "none"}, {"word", "zero", 0, "none"}, {"word", "every", 0, "all"}, {"word", "al", 0, NULL},
    {"word", "none zero", 0, NULL}, {"word", "", 0, NULL},
    {"list", "1", 0, "1"}, {"list", "9999999", 0, "9999999"}, {"list", "10000000", 0, NULL}, {"list", "0", 0, NULL},
    {"list", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16", 0, "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16"},
    {"list", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", 0, NULL}, {"list", "", 0, NULL}, {"list", ",1", 0, NULL},
    {"list", "1,", 0, NULL}, {"list", "1,,2", 0, NULL}, {"list", "000000000000001", 0, "1"},
    {"list", "0000000000000001", 0, NULL}, {"list", "2,1", 0, "2,1"}, {"list", "1;2", 0, NULL},
    {"span", "1-1", 0, "1-1"}, {"span", "2-1", 0, NULL}, {"span", "1-9999999", 0, "1-9999999"},
    {"span", "0-1", 0, NULL}, {"span", "1-10000000", 0, NULL}, {"span", "3", 0, NULL}, {"span", "3-", 0, NULL},
    {"span", "-3", 0, NULL},
    {"span", "000000000000001-2", 0, "1-2"}, {"span", "0000000000000001-2", 0, NULL}, {"span", "1-2-3", 0, NULL},
    {"text", "", 0, ""}, {"text", "", KEY_TEXT - 1, ""}, {"text", "", KEY_TEXT, NULL}, {"text", "\xff", 0, NULL},
    {"path", "b", KEY_TEXT - 2, "b"}, {"path", "b", KEY_TEXT - 1, NULL}, {"path", "~/b", 0, NULL},
};

START_TEST(values_are_taken_up_to_their_bounds)
{
    struct of_all into;
    struct keys k = {.of = "a test"};
    keys_default(of_all, &into);
    keys_add(&k, NULL, of_all, &into);
    ck_assert(into.whole == 7 && into.real == 1 && into.seed == 1 && !into.yes && into.word == 1 && into.list.n == 2 &&
              into.span.from == 2 && into.span.to == 3);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char value[2 * KEY_TEXT], right[2 * KEY_TEXT], was[KEY_TEXT], now[KEY_TEXT];
        const struct key *row = key_find(of_all, values[i].key);
        memset(value, 'x', sizeof value), memset(right, 'x', sizeof right);
        strcpy(value + values[i].x, values[i].value);
        key_write(was, &k.table[0], row);
        strcpy(right + values[i].x, values[i].reads ? values[i].reads : "");
        const char *wrong = keys_set(&k, values[i].key, value, why);
        ck_assert_msg(!wrong == !!values[i].reads, "%s=%.60s is %s", values[i].key, value, wrong ? wrong : "taken");
        key_write(now, &k.table[0], row);
        ck_assert_msg(!strcmp(now, wrong ? was : right), "%s=%.60s reads as %.60s", values[i].key, value, now);
        ck_assert_msg(!wrong || (is_sentence(why) && strstr(why, values[i].key)), "%s", why);
    }
}
END_TEST

/* Of a word behind two dashes, as many letters count as the longest key may have. */
START_TEST(an_option_has_at_most_63_letters)
{
    for (int n = 62; n < 66; n++) {
        struct run r = run_default();
        struct keys k = {.of = "a run"};
        struct options o = {0};
        char word[80] = "--", *argv[] = {word, "3"};
        memset(word + 2, 'y', (size_t)n);
        run_tables(&k, &r, 1);
        const char *wrong = options_read(&o, 2, argv, &k, "out", why);
        wrong = wrong ? wrong : options_give_all(&o, &k, why);
        ck_assert_msg(wrong && !strstr(wrong, "is not an option: options are written key=value") == (n < 64),
                      "%d letters: %s", n, wrong ? wrong : "taken");
        options_free(&o);
    }
}
END_TEST

START_TEST(every_config_by_name_is_a_run)
{
    for (int i = 0; config_word(i); i++) {
        struct run r = run_default();
        struct options o = {0};
        ck_assert(!options_read_settings(&o, config_settings(config_word(i)), 0, why));
        ck_assert_msg(!run_take(&r, &o, why) && !run_check(&r, why), "%s: %s", config_word(i), why);
        ck_assert_int_ge(r.model.width, 64);
        options_free(&o);
    }
}
END_TEST

START_TEST(numbers_are_decimal)
{
    static const struct { const char *text; double value; } good[] = {{"7.5", 7.5}, {"-1e-6", -1e-6}, {".5", 0.5},
                                                                      {"5.", 5}, {"+3", 3}, {"1E3", 1000},
                                                                      {"1e400", 1.0 / 0.0}};
    static const char *const bad[] = {"", ".", "-", "e3", "1e", "1e+", " 1", "1 ", "7,5", "0x1p3", "inf", "nan",
                                      "1_000", "1.2.3"};
    double x;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert_msg(swax_number_read(good[i].text, &x) && x == good[i].value, "%s", good[i].text);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!swax_number_read(bad[i], &x), "\"%s\" was taken for %g", bad[i], x);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("keys");
    TCase *t = tcase_create("keys");
    for (int i = 0; swax_commands[i]; i++)
        collect(swax_commands[i], "");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, the_help_has_every_key_with_the_value_that_is_used, 0, n_all);
    tcase_add_loop_test(t, the_help_says_what_may_stand_there_in_lines_of_100_letters, 0, n_all);
    tcase_add_loop_test(t, a_misspelt_word_is_recognised, 0, n_all);
    tcase_add_loop_test(t, a_default_is_the_value_that_a_struct_begins_with, 0, n_all);
    tcase_add_test(t, commands_of_a_command_are_in_its_help);
    tcase_add_test(t, bounds_choices_and_defaults_are_those_that_are_kept);
    tcase_add_test(t, a_run_begins_as_the_help_of_train_says);
    tcase_add_loop_test(t, what_cannot_be_is_refused_by_name_before_anything_is_opened, 0, n_all);
    tcase_add_test(t, what_cannot_be_of_data_is_refused_by_name);
    tcase_add_test(t, a_vocabulary_of_0_is_that_of_the_data_again);
    tcase_add_loop_test(t, a_misspelt_key_is_recognised, 0, n_all);
    tcase_add_loop_test(t, the_names_of_others_lead_to_ours, 0, n_all);
    tcase_add_test(t, the_man_page_of_the_tree_is_the_one_of_the_tables);
    tcase_add_test(t, helps_of_made_up_commands_are_those_that_are_kept);
    tcase_add_test(t, helps_fit_their_terminal);
    tcase_add_test(t, completion_has_the_commands);
    tcase_add_test(t, every_default_is_written_as_it_is_read);
    tcase_add_test(t, no_text_of_the_man_page_is_a_command_of_roff);
    tcase_add_test(t, help_is_asked_for_anywhere);
    tcase_add_test(t, seeds_are_all_numbers_of_64_bits);
    tcase_add_loop_test(t, completion_has_every_key_and_word, 0, 2);
    tcase_add_test(t, precisions_have_two_names_everywhere);
    tcase_add_loop_test(t, the_last_value_counts_and_the_line_comes_before_its_config, 0, 6);
    tcase_add_test(t, bare_words_and_dashes);
    tcase_add_test(t, options_are_read_as_ever);
    tcase_add_test(t, made_up_commands_answer);
    tcase_add_test(t, what_nobody_can_read_is_said);
    tcase_add_test(t, values_are_taken_up_to_their_bounds);
    tcase_add_test(t, an_option_has_at_most_63_letters);
    tcase_add_test(t, every_config_by_name_is_a_run);
    tcase_add_test(t, numbers_are_decimal);
    suite_add_tcase(s, t);
    scratch_open();
    const int status = suite_ends(s);
    scratch_close();
    return status;
}
