/* mutants.c - small changes to a C file, each of which a test should notice.
 *
 *   mutants list FILE SEED   one line a mutant, its fields apart by tabs: a hash, the file, its number, its line,
 *                            whether it is in a body, in a table of the file, or in a static one or an enum of a body,
 *                            which has no code of its own, its kind, what becomes of what, and the line that it is in
 *   mutants apply FILE N     the file with mutant N, on standard output
 *
 * The hash is of SEED and of everything that does not change when another line does.  Whoever takes the mutants of the
 * smallest hashes takes a random sample, and nearly the same one after an edit.
 *
 * A mutant is a replacement of a stretch of the text.  The text is cut into tokens (comments and lines of the
 * preprocessor are skipped), and a few tokens in a row decide: what a person writes wrongly is an operator, a bound,
 * a constant, a sign, a forgotten statement, two arguments of one type the wrong way round.  What does not compile is
 * not counted by tests/mutants/run.sh. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { WORD, NUMBER, STRING, MARK };
struct token { const char *at; int length, line; enum kind kind; };
enum place { BODY, TABLE, STATIC };
struct mutant { const char *from, *to; int line; enum place place; char kind[12], with[256]; };

static struct token *token;
static struct mutant *mutant;
static int tokens, mutants;
static enum place place;

static void *more(void *array, int count, size_t size)
{
    if (count & (count - 1))
        return array;
    array = realloc(array, (size_t)(count ? 2 * count : 1) * size);
    if (!array) {
        fprintf(stderr, "mutants: out of memory\n");
        exit(2);
    }
    return array;
}

static int is(int i, const char *word)
{
    return i >= 0 && i < tokens && (size_t)token[i].length == strlen(word) && !strncmp(token[i].at, word, strlen(word));
}

static int one_of(int i, const char *const *words)
{
    for (; *words; words++)
        if (is(i, *words))
            return 1;
    return 0;
}

/* ---- tokens */

static const char *const marks[] = { "<<=", ">>=", "...", "->", "++", "--", "<<", ">>", "<=", ">=", "==", "!=",
                                     "&&",  "||",  "+=",  "-=", "*=", "/=", "%=", "&=", "|=", "^=", NULL };

static const char *skip_line(const char *s)
{
    while (*s && !(*s == '\n' && s[-1] != '\\'))
        s++;
    return s;
}

static const char *read_token(const char *s, enum kind *kind)
{
    if (isalpha((unsigned char)*s) || *s == '_') {
        *kind = WORD;
        while (isalnum((unsigned char)*s) || *s == '_')
            s++;
    } else if (isdigit((unsigned char)*s) || (*s == '.' && isdigit((unsigned char)s[1]))) {
        *kind = NUMBER;
        while (isalnum((unsigned char)*s) || *s == '.' || ((*s == '+' || *s == '-') && strchr("eEpP", s[-1])))
            s++;
    } else if (*s == '"' || *s == '\'') {
        const char quote = *s++;
        *kind = STRING;
        while (*s && *s != quote)
            s += *s == '\\' && s[1] ? 2 : 1;
        s += *s == quote;
    } else {
        *kind = MARK;
        for (int i = 0; marks[i]; i++)
            if (!strncmp(s, marks[i], strlen(marks[i])))
                return s + strlen(marks[i]);
        s++;
    }
    return s;
}

static void read_tokens(const char *text)
{
    int line = 1, first = 1;
    for (const char *s = text; *s;) {
        if (*s == '\n') {
            line++;
            first = 1;
            s++;
        } else if (isspace((unsigned char)*s)) {
            s++;
        } else if (*s == '#' && first) {
            const char *end = skip_line(s);
            for (; s < end; s++)
                line += *s == '\n';
        } else if (s[0] == '/' && s[1] == '*') {
            const char *end = strstr(s + 2, "*/");
            end = end ? end + 2 : s + strlen(s);
            for (; s < end; s++)
                line += *s == '\n';
        } else if (s[0] == '/' && s[1] == '/') {
            s = skip_line(s);
        } else {
            first = 0;
            token = more(token, tokens, sizeof *token);
            struct token *t = &token[tokens++];
            t->at = s;
            t->line = line;
            s = read_token(s, &t->kind);
            t->length = (int)(s - t->at);
        }
    }
}

/* ---- mutants */

static void add(const char *kind, int from, int to, const char *with)
{
    if (strlen(with) >= sizeof mutant->with)
        return;
    mutant = more(mutant, mutants, sizeof *mutant);
    struct mutant *m = &mutant[mutants++];
    m->from = token[from].at;
    m->to = token[to].at + token[to].length;
    m->line = token[from].line;
    m->place = place;
    snprintf(m->kind, sizeof m->kind, "%s", kind);
    strcpy(m->with, with);
}

/* Is the operator at i between two values, not in front of one? */
static int between(int i)
{
    return i > 0 && (token[i - 1].kind == NUMBER || token[i - 1].kind == WORD || is(i - 1, ")") || is(i - 1, "]"))
        && !is(i - 1, "return") && !is(i - 1, "case");
}

static int closing(int i)
{
    int depth = 0;
    for (; i < tokens; i++) {
        depth += is(i, "(") || is(i, "[") || is(i, "{");
        depth -= is(i, ")") || is(i, "]") || is(i, "}");
        if (!depth)
            return i;
    }
    return tokens - 1;
}

/* Do n tokens from a on say what those from b on say? */
static int same(int a, int b, int n)
{
    if (a < 0 || a + n > tokens || b + n > tokens)
        return 0;
    for (int k = 0; k < n; k++)
        if (token[a + k].length != token[b + k].length ||
            strncmp(token[a + k].at, token[b + k].at, (size_t)token[a + k].length))
            return 0;
    return 1;
}

/* The operator of x > y ? x : y, or of x > y ? y : x: where both are equal it does not matter which is taken. */
static int picks_one_of_two(int i)
{
    static const char *const before[] = {"(", "[", "{", "=", ",", ";", ":", "?", "&&", "||", "return", NULL},
                      *const behind[] = {")", "]", "}", ",", ";", ":", NULL};
    int ask = i + 1, colon, end;
    while (ask < tokens && !is(ask, "?") && !one_of(ask, behind))
        ask++;
    for (colon = ask + 1; colon < tokens && !is(colon, ":") && !is(colon, ";");)
        colon++;
    for (end = colon + 1; end < tokens && !one_of(end, behind);)
        end = is(end, "(") || is(end, "[") ? closing(end) + 1 : end + 1;
    const int y = ask - i - 1, first = colon - ask - 1, second = end - colon - 1;
    if (!is(ask, "?") || !is(colon, ":"))
        return 0;
    if (second == y && same(i + 1, colon + 1, y))
        return one_of(i - first - 1, before) && same(i - first, ask + 1, first);
    return first == y && same(i + 1, ask + 1, y) && one_of(i - second - 1, before) &&
           same(i - second, colon + 1, second);
}

static void operators(int i)
{
    static const struct { const char *from, *to; int binary; } swaps[] = {
        {"+", "-", 1}, {"-", "+", 1}, {"*", "/", 1}, {"/", "*", 1}, {"%", "/", 1}, {"<", "<=", 1}, {"<=", "<", 1},
        {">", ">=", 1}, {">=", ">", 1},
        {"==", "!=", 0}, {"!=", "==", 0}, {"&&", "||", 0}, {"||", "&&", 0}, {"+=", "-=", 0}, {"-=", "+=", 0},
        {"++", "--", 0}, {"--", "++", 0},
        {"*=", "/=", 0}, {"|=", "&=", 0}, {"&=", "|=", 0}, {"<<", ">>", 0}, {">>", "<<", 0},
    };
    static const char *const bounds[] = {"<", "<=", ">", ">=", NULL};
    for (size_t k = 0; k < sizeof swaps / sizeof swaps[0]; k++)
        if (is(i, swaps[k].from) && (!swaps[k].binary || between(i)) &&
            !(one_of(i, bounds) && picks_one_of_two(i)))
            add("operator", i, i, swaps[k].to);
    if (is(i, "!"))
        add("not", i, i, "");
    if (is(i, "-") && !between(i))
        add("sign", i, i, "");
}

/* The length of an array of characters, where it is declared. */
static int is_length_of_text(int i)
{
    static const char *const ends[] = {";", "{", "}", "(", NULL}, *const before[] = {"char", "*", ",", NULL},
                      *const sorts[] = {"static", "const", "unsigned", NULL};
    int name = i - 2, from;
    while (name > 2 && is(name, "]"))       /* of several lengths */
        name -= 3;
    for (from = i; from > 0 && !one_of(from - 1, ends);)
        from--;
    while (one_of(from, sorts))
        from++;
    return is(i - 1, "[") && is(i + 1, "]") && is(from, "char") && one_of(name - 1, before);
}

/* Of the count of a calloc, of a text, or added to what is asked of malloc: one more is more room, and nothing else. */
static int is_room(int i)
{
    int from = i;
    if (is_length_of_text(i))
        return 1;
    while (from > 0 && !is(from, ";") && !is(from, "{") && !is(from, "malloc") && !is(from, "calloc"))
        from--;
    return (is(from, "calloc") && from == i - 2) || (is(from, "malloc") && is(i - 1, "+") && (is(i + 1, ")")));
}

static void constants(int i)
{
    char with[64];
    if (token[i].kind != NUMBER || token[i].length > 20)
        return;
    char old[32];
    snprintf(old, sizeof old, "%.*s", token[i].length, token[i].at);
    char *end;
    const long n = strtol(old, &end, 0);
    if (!*end) {
        snprintf(with, sizeof with, "%ld", n + 1);
        if (!is_room(i))
            add("constant", i, i, with);
        if (n > 0) {
            snprintf(with, sizeof with, "%ld", n - 1);
            add("constant", i, i, with);
        }
    } else {
        const double x = strtod(old, &end);
        if (*end)
            return;
        snprintf(with, sizeof with, "%.17g", x ? 2 * x : 1);
        add("constant", i, i, with);
    }
}

static void conditions(int i)
{
    if (!(is(i, "if") || is(i, "while")) || !is(i + 1, "("))
        return;
    const int end = closing(i + 1);
    char with[256];
    snprintf(with, sizeof with, "(!%.*s)", (int)(token[end].at + 1 - token[i + 1].at), token[i + 1].at);
    if (strlen(with) < sizeof with - 1)
        add("condition", i + 1, end, with);
}

/* An expression statement, left out. */
static void statements(int i)
{
    static const char *const before[] = {";", "{", "}", ")", "else", ":", NULL};
    static const char *const never[] = { "return", "goto",    "break",  "continue", "if",       "for",    "while",
                                         "do",     "switch",  "case",   "default",  "else",     "static", "const",
                                         "extern", "typedef", "struct", "union",    "enum",     "int",    "long",
                                         "char",   "double",  "float",  "size_t",   "unsigned", "void",   "real",
                                         "stat",   "FILE",    NULL };
    if (!one_of(i - 1, before) || token[i].kind == STRING || token[i].kind == NUMBER || one_of(i, never))
        return;
    if (token[i].kind == MARK && !is(i, "*") && !is(i, "(") && !is(i, "++") && !is(i, "--"))
        return;
    if (token[i].kind == WORD && (token[i + 1].kind == WORD || (is(i + 1, "*") && !is(i + 2, "("))))
        return;     /* a declaration */
    int acts = 0, end = i;
    for (; end < tokens && !is(end, ";") && !is(end, "}"); end++) {
        acts |= is(end, "=") || is(end, "(") || is(end, "++") || is(end, "--") ||
                (token[end].length > 1 && token[end].at[token[end].length - 1] == '=');
        if (is(end, "{"))
            return;
        if (is(end, "(") || is(end, "["))
            end = closing(end);
    }
    if (acts && is(end, ";") && end > i)
        add("statement", i, end - 1, "");
}

/* A call that gives the same whichever way round its arguments are; of a comparison, where only its being 0 counts. */
static int commutes(int i)
{
    static const char *const always[] = {"fmax", "fmin", "calloc", "dot", NULL},
                      *const compare[] = {"strcmp", "strncmp", "memcmp", NULL},
                      *const before[] = {"!", "&&", "||", "(", NULL};
    return one_of(i, always) || (one_of(i, compare) && one_of(i - 1, before));
}

/* Two arguments of a call in a row, the other way round. */
static void arguments(int i)
{
    if (token[i].kind != WORD || is(i, "for") || !is(i + 1, "(") || commutes(i) ||
        (i && token[i - 1].kind == WORD && !is(i - 1, "return") && !is(i - 1, "else")))
        return;
    const int end = closing(i + 1);
    int from = i + 2, last = -1, last_end = -1;
    for (int k = i + 2; k <= end; k++) {
        if (k == end || is(k, ",")) {
            const int a = from, b = k - 1;
            char with[256];
            if (last >= 0 && a <= b && (token[last].kind == WORD || is(last, "&")) &&
                (token[a].kind == WORD || is(a, "&")) &&
                !(last_end - last == b - a &&
                  !strncmp(token[last].at, token[a].at, (size_t)(token[b].at + token[b].length - token[a].at)))) {
                snprintf(with, sizeof with, "%.*s, %.*s", (int)(token[b].at + token[b].length - token[a].at),
                         token[a].at, (int)(token[last_end].at + token[last_end].length - token[last].at),
                         token[last].at);
                if (strlen(with) < sizeof with - 1)
                    add("arguments", last, b, with);
            }
            last = a;
            last_end = b;
            from = k + 1;
        } else if (is(k, "(") || is(k, "[") || is(k, "{")) {
            k = closing(k);
        }
    }
}

/* In one line. */
static void flat(char *to, size_t size, const char *s, size_t n)
{
    size_t k = 0;
    for (size_t i = 0; i < n && k + 1 < size; i++) {
        const int space = isspace((unsigned char)s[i]);
        if (!space || (k && to[k - 1] != ' '))
            to[k++] = (char)(space ? ' ' : s[i]);
    }
    while (k && to[k - 1] == ' ')
        k--;
    to[k] = 0;
}

/* FNV-1a, and its bits well mixed: short keys that differ in their last letter should not lie side by side. */
static uint64_t hash(uint64_t h, const char *s)
{
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 0x100000001b3u;
    h = (h ^ h >> 31) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

static void list(const char *text, const char *file, const char *seed)
{
    static const char *const places[] = {"body", "table", "static"};
    char what[700], line[300], key[1400];
    uint64_t *seen = malloc((size_t)(mutants + 1) * sizeof *seen);
    for (int i = 0; seen && i < mutants; i++) {
        const struct mutant *m = &mutant[i];
        const char *first = m->from, *last = m->from;
        while (first > text && first[-1] != '\n')
            first--;
        last += strcspn(last, "\n");
        flat(what, 300, m->from, (size_t)(m->to - m->from));
        strcat(what, " => ");
        flat(what + strlen(what), 300, m->with, strlen(m->with));
        flat(line, sizeof line, first, (size_t)(last - first));
        snprintf(key, sizeof key, "%s %s %s %s", file, m->kind, what, line);
        const uint64_t h = hash(hash(0xcbf29ce484222325u, seed), key);
        char again[16];         /* the same change of the same line, the second time */
        int times = 0;
        for (int k = 0; k < i; k++)
            times += seen[k] == h;
        seen[i] = h;
        snprintf(again, sizeof again, "%d", times);
        printf("%016" PRIx64 "\t%s\t%d\t%d\t%s\t%s\t%s\t%s\n", times ? hash(h, again) : h, file, i, m->line,
               places[m->place], m->kind, what, line);
    }
    free(seen);
}

int main(int argc, char **argv)
{
    FILE *f = argc == 4 ? fopen(argv[2], "rb") : NULL;
    static char text[1 << 20];
    if (!f || (strcmp(argv[1], "list") && strcmp(argv[1], "apply"))) {
        fprintf(stderr, "mutants: give 'list FILE SEED' or 'apply FILE N', with a file that can be read\n");
        return 2;
    }
    const size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = 0;
    read_tokens(text);
    for (int i = 0, depth = 0; i < tokens; i++) {
        depth += is(i, "{");
        depth -= is(i, "}");
        if (!depth)
            continue;       /* declarations outside of bodies and tables */
        if (depth == 1 && is(i, "{"))
            place = is(i - 1, ")") ? BODY : TABLE;
        if (place == BODY && (is(i, "static") || (is(i, "enum") && is(i + 1, "{"))))
            place = STATIC;
        else if (place == STATIC && is(i, ";"))
            place = BODY;
        operators(i);
        constants(i);
        conditions(i);
        statements(i);
        arguments(i);
    }
    if (!strcmp(argv[1], "list")) {
        list(text, argv[2], argv[3]);
        return 0;
    }
    const int which = atoi(argv[3]);
    if (which < 0 || which >= mutants) {
        fprintf(stderr, "mutants: %s has mutants 0 to %d\n", argv[2], mutants - 1);
        return 2;
    }
    fwrite(text, 1, (size_t)(mutant[which].from - text), stdout);
    fputs(mutant[which].with, stdout);
    fputs(mutant[which].to, stdout);
    return 0;
}
