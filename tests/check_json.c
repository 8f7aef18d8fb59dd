/* check_json.c - JSON from anywhere is read right or refused with a sentence. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "ref/network/config.h"
#include "tools/lib/json.h"
#include "tests/mutate.h"
#include "tests/scratch.h"
#include "tests/suite.h"

static char why[SWAX_WHY];

START_TEST(json_reads_what_it_should)
{
    const char text[] =
        " {\"a\": [1, -2.5e3, true, false, null, {}], \"\\u00e9\\ud83d\\ude00\\n\": \"x\\\"y\", \"n\": "
        "9007199254740993} ";
    struct json *j = json_parse(text, strlen(text), why);
    ck_assert_msg(j != NULL, "%s", why);
    ck_assert_int_eq(j->count, 3);
    const struct json *a = json_get(j, "a");
    ck_assert_int_eq(a->count, 6);
    ck_assert_double_eq(a->first->next->number, -2500);
    ck_assert_str_eq(a->first->next->text, "-2.5e3");
    ck_assert_str_eq(json_get(j, "\xc3\xa9\xf0\x9f\x98\x80\n")->text, "x\"y");
    int64_t n;
    ck_assert(json_integer(json_get(j, "n"), &n) && n == 9007199254740993);
    ck_assert(!json_integer(a->first->next, &n));
    ck_assert(!json_get(j, "b") && !json_get(a, "a"));
    json_free(j);
}
END_TEST

static const char *const bad_json[] = {
    "", " ", "{", "[", "]", "[1,]", "[,1]", "[1 2]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{\"a\":1,\"a\":2}",
    "01", "-", "1.", "1e", ".5", "+1",
    "1e999", "nul", "truex", "\"", "\"\\x\"", "\"\\u12\"", "\"\\u0000\"", "\"\\ud800\"", "\"\\udc00\"",
    "\"\\ud800\\u0041\"", "\"\\ud800\\ue000\"", "\"\\ud800\\udbff\"", "\"\t\"", "\"\xff\"",
    "\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "\"\xf5\x80\x80\x80\"", "1 2", "{} {}", "'a'", "NaN", "Infinity", "[1}",
    "{\"a\":1]", "\xef\xbb\xbf{}",
};

/* The first and the last character of each length in UTF-8. */
START_TEST(escapes_are_utf8)
{
    static const char *const of[][2] = {
        {"\\u007f", "\x7f"}, {"\\u0080", "\xc2\x80"}, {"\\u07ff", "\xdf\xbf"}, {"\\u0800", "\xe0\xa0\x80"},
        {"\\uffff", "\xef\xbf\xbf"}, {"\\ud800\\udc00", "\xf0\x90\x80\x80"}, {"\\udbff\\udfff", "\xf4\x8f\xbf\xbf"},
        {"\\ud8ff\\udcba", "\xf1\x8f\xb2\xba"}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        char text[40];
        snprintf(text, sizeof text, "[\"%s\"]", of[i][0]);
        struct json *j = json_parse(text, strlen(text), why);
        ck_assert_msg(j != NULL, "%s: %s", text, why);
        ck_assert_msg(!strcmp(j->first->text, of[i][1]), "%s is read as '%s'", of[i][0], j->first->text);
        json_free(j);
    }
}
END_TEST

/* ---- all short texts, against a second reader */

/* A reader of single letters: k and v are two strings, 1 is a number.  Where the value ends, or NULL. */
static const char *value_ends(const char *at)
{
    if (*at && strchr("kv1", *at))
        return at + 1;
    const int object = *at == '{';
    if (*at != '[' && !object)
        return NULL;
    const char close = object ? '}' : ']';
    if (*++at == close)
        return at + 1;
    for (int k = 0, v = 0;; at++) {
        if (object) {
            k += *at == 'k', v += *at == 'v';
            if (!(*at == 'k' || *at == 'v') || k > 1 || v > 1 || at[1] != ':')
                return NULL;
            at += 2;
        }
        at = value_ends(at);
        if (!at || *at == close)
            return at ? at + 1 : NULL;
        if (*at != ',')
            return NULL;
    }
}

START_TEST(every_short_text_is_read_or_refused_rightly)
{
    static const char letters[] = "[]{},:kv1", *const as[] = {"[", "]", "{", "}", ",", ":", "\"k\"", "\"v\"", "1"},
                      *const blanks[] = {"", " ", "\n", "\t\r "};
    enum { LETTERS = 9, LONGEST = 6 };
    for (int length = 1, all = LETTERS; length <= LONGEST; length++, all *= LETTERS)
        for (int n = 0; n < all; n++) {
            char word[LONGEST + 1] = "", text[80] = "";
            for (int i = 0, rest = n; i < length; i++, rest /= LETTERS)
                word[i] = letters[rest % LETTERS];
            const char *end = value_ends(word);
            const int right = end && !*end;
            if (strstr(word, "11") || (length > 4 && !right && word[0] != '[' && word[0] != '{'))
                continue;      /* that would be one number */
            char *to = text;
            const char *const blank = blanks[n % 4];
            for (int i = 0; i < length; i++)
                to += sprintf(to, "%s%s", blank, as[strchr(letters, word[i]) - letters]);
            to += sprintf(to, "%s", blank);
            struct json *j = json_parse(text, (size_t)(to - text), why);
            ck_assert_msg((j != NULL) == right, "%s is %s", text, j ? "taken" : why);
            json_free(j);
        }
}
END_TEST

/* A string of these four bytes: what Unicode says of UTF-8, by the number that they stand for. */
static int is_text(const unsigned char *b, int n)
{
    for (int i = 0; i < n;) {
        const int more = b[i] < 0x80 ? 0 : (b[i] & 0xE0) == 0xC0 ? 1 : (b[i] & 0xF0) == 0xE0 ? 2
                       : (b[i] & 0xF8) == 0xF0 ? 3 : -1;
        static const unsigned least[] = {0, 0x80, 0x800, 0x10000};
        if (more < 0 || i + more >= n)
            return 0;
        unsigned c = more ? b[i] & (0x3Fu >> more) : b[i];
        for (int k = 1; k <= more; k++) {
            if ((b[i + k] & 0xC0) != 0x80)
                return 0;
            c = c << 6 | (b[i + k] & 0x3F);
        }
        if (c < least[more] || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000) || c < 0x20 || c == '"' || c == '\\')
            return 0;
        i += more + 1;
    }
    return 1;
}

START_TEST(every_sequence_of_bytes_is_text_or_refused)
{
    static const unsigned char edges[] = {0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0};
    enum { EDGES = sizeof edges };
    for (int a = 1; a < 256; a += a == '\\' - 1 ? 2 : 1)          /* an escape is another thing */
        for (int b = 0; b < 256; b++)
            for (int k = 0; k < (a >= 0xE0 && b >= 0x7F && b <= 0xC0 ? EDGES * EDGES : 1); k++) {
                const int n = a < 0x80 || !b ? 1 + (b > 0) : a < 0xE0 ? 2 : a < 0xF0 ? 3 : 4;
                const unsigned char text[] = {'"', (unsigned char)a, (unsigned char)b, edges[k % EDGES],
                                              edges[k / EDGES]};
                char quoted[8];
                memcpy(quoted, text, 5);
                quoted[n + 1] = '"', quoted[n + 2] = 0;
                struct json *j = json_parse(quoted, (size_t)n + 2, why);
                ck_assert_msg((j != NULL) == is_text(text + 1, n), "%02x %02x %02x %02x, %d of them: %s", a, b,
                              text[3], text[4], n, j ? "taken" : "refused");
                ck_assert(!j || (strlen(j->text) == (size_t)n && !memcmp(j->text, text + 1, (size_t)n)));
                json_free(j);
            }
}
END_TEST

/* Of all bytes only digits and letters to F are four of an escape, in each of their places. */
START_TEST(escapes_are_of_hexadecimal_digits)
{
    for (int place = 0; place < 4; place++)
        for (int c = 1; c < 256; c++) {
            char text[] = "\"\\u1111\"";
            text[3 + place] = (char)c;
            const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10
                            : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
            struct json *j = json_parse(text, strlen(text), why);
            ck_assert_msg((j != NULL) == (digit >= 0), "%s is %s", text, j ? "taken" : "refused");
            const unsigned code = 0x1111u + ((unsigned)digit - 1u) * (1u << (4 * (3 - place)));
            const char *s = j ? j->text : "";
            const unsigned is = !j ? code : (unsigned char)s[0] < 0x80 ? (unsigned char)s[0]
                              : (unsigned char)s[0] < 0xe0 ? ((unsigned)s[0] & 31u) << 6 | ((unsigned)s[1] & 63u)
                              : ((unsigned)s[0] & 15u) << 12 | ((unsigned)s[1] & 63u) << 6 | ((unsigned)s[2] & 63u);
            ck_assert_msg(is == code, "%s is read as U+%04X", text, is);
            json_free(j);
        }
}
END_TEST

START_TEST(json_refuses_what_it_should)
{
    const char *text = bad_json[_i];
    struct json *j = json_parse(text, strlen(text), why);
    ck_assert_msg(j == NULL, "accepted: %s", text);
    ck_assert_msg(is_sentence(why), "%s", why);
}
END_TEST

/* Lines and columns count from 1; a column is a byte. */
START_TEST(what_is_wrong_is_placed)
{
    static const struct { const char *text; int line, column; } of[] = {
        {"x", 1, 1}, {"[1, x]", 1, 5}, {"[1,\n2,\n  x]", 3, 3}, {"\n\nx", 3, 1}, {"{\"a\": 1,\n \"b\" 2}", 2, 6},
        {"[1]\n ]", 2, 2}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        char expected[60];
        snprintf(expected, sizeof expected, "not valid JSON at line %d, column %d: ", of[i].line, of[i].column);
        ck_assert(!json_parse(of[i].text, strlen(of[i].text), why));
        ck_assert_msg(!strncmp(why, expected, strlen(expected)), "%s: %s", of[i].text, why);
    }
}
END_TEST

START_TEST(a_byte_order_mark_is_named)
{
    ck_assert(!json_parse("\xef\xbb\xbf{}", 5, why));
    ck_assert_msg(strstr(why, "byte-order mark") != NULL, "%s", why);
}
END_TEST

/* Who forgets to ask whether it is an object reads no address of nothing. */
START_TEST(elements_of_arrays_have_a_key_of_no_letters)
{
    struct json *j = json_parse("[1, [2], {\"a\": 3}]", 18, why);
    ck_assert_msg(j != NULL, "%s", why);
    ck_assert_str_eq(j->key, "");
    for (const struct json *e = j->first; e; e = e->next)
        ck_assert_str_eq(e->key, "");
    ck_assert_str_eq(j->first->next->next->first->key, "a");
    json_free(j);
}
END_TEST

/* A text may end where the memory ends: nothing behind it is read. */
START_TEST(nothing_behind_the_text_is_read)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *room = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    static const char *const text[] = {"[1, 2, {\"a\": 3}]", "{}", "[", "12", "\"a", "tru", "-", "{\"a\""};
    ck_assert(room != MAP_FAILED && !mprotect(room + page, page, PROT_NONE));
    for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
        const size_t n = strlen(text[i]);
        char *at = memcpy(room + page - n, text[i], n);
        struct json *j = json_parse(at, n, why);
        ck_assert_msg((j != NULL) == (i < 2 || i == 3), "%s: %s", text[i], j ? "read" : why);
        json_free(j);
    }
    munmap(room, 2 * page);
}
END_TEST

START_TEST(json_depth_is_bounded)
{
    enum { DEEP = 100000 };
    char *text = malloc(2 * DEEP);
    memset(text, '[', DEEP);
    memset(text + DEEP, ']', DEEP);
    ck_assert(!json_parse(text, 2 * DEEP, why));
    struct json *j = json_parse(text + DEEP - 64, 128, why);
    ck_assert_msg(j != NULL, "%s", why);
    json_free(j);
    ck_assert(!json_parse(text + DEEP - 65, 130, why));
    free(text);
}
END_TEST

START_TEST(json_is_not_fooled_by_a_nul)
{
    ck_assert(!json_parse("1\0002", 3, why));
    ck_assert(!json_parse("\"a\0b\"", 5, why));
    ck_assert(!json_parse("{\"a\0\":1}", 8, why));
}
END_TEST

START_TEST(json_numbers_and_strings_survive_a_round_trip)
{
    const double x[] = {0, -0.0, 1, 0.1, 1e-308, 5e-324, 1.7976931348623157e308, 1.0 / 3, 3e-4, 123456789012345678.0};
    for (size_t i = 0; i < sizeof x / sizeof *x; i++) {
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);
        fputs("{\"x\":", f);
        json_write_number(f, x[i]);
        fputs(",\"s\":", f);
        json_write_string(f, "\"\\/\b\x01\x7f\xc3\xa9\n");
        fputs("}", f);
        fclose(f);
        struct json *j = json_parse(text, size, why);
        ck_assert_msg(j != NULL, "%s: %s", why, text);
        ck_assert_double_eq(json_get(j, "x")->number, x[i]);
        ck_assert_str_eq(json_get(j, "s")->text, "\"\\/\b\x01\x7f\xc3\xa9\n");
        json_free(j);
        free(text);
    }
}
END_TEST

enum { MUTATIONS = 20000, ROOM = 2048 };

START_TEST(mutated_json_never_harms)
{
    const char seed[] =
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},\"\\u00e9\\ud83d\\ude00\":[1.5e-3,-0,true,"
        "null,\"\\n\"]}";
    struct random r = random_open(1, 0, 0);
    int accepted = 0;
    for (int i = 0; i < MUTATIONS; i++) {
        char *text = malloc(ROOM);
        memcpy(text, seed, sizeof seed);
        const size_t n = mutate(&r, text, sizeof seed - 1, ROOM);
        text = realloc(text, n + !n);      /* no byte beyond the end is ours */
        struct json *j = json_parse(text, n, why);
        ck_assert(j || is_sentence(why));
        accepted += j != NULL;
        json_free(j);
        free(text);
    }
    ck_assert(accepted > MUTATIONS / 100 && accepted < MUTATIONS);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("json");
    TCase *t = tcase_create("json");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, json_reads_what_it_should);
    tcase_add_test(t, escapes_are_of_hexadecimal_digits);
    tcase_add_test(t, escapes_are_utf8);
    tcase_add_test(t, every_short_text_is_read_or_refused_rightly);
    tcase_add_test(t, every_sequence_of_bytes_is_text_or_refused);
    tcase_add_loop_test(t, json_refuses_what_it_should, 0, sizeof bad_json / sizeof *bad_json);
    tcase_add_test(t, what_is_wrong_is_placed);
    tcase_add_test(t, a_byte_order_mark_is_named);
    tcase_add_test(t, elements_of_arrays_have_a_key_of_no_letters);
    tcase_add_test(t, nothing_behind_the_text_is_read);
    tcase_add_test(t, json_depth_is_bounded);
    tcase_add_test(t, json_is_not_fooled_by_a_nul);
    tcase_add_test(t, json_numbers_and_strings_survive_a_round_trip);
    tcase_add_test(t, mutated_json_never_harms);
    suite_add_tcase(s, t);
    return suite_ends(s);
}
