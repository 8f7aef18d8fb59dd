/* say.c - sentences about what is wrong. */
#include "tools/lib/say.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *say(char *why, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    if (vsnprintf(why, SWAX_WHY, format, list) >= SWAX_WHY)
        memcpy(why + SWAX_WHY - 4, "...", 4);
    va_end(list);
    return why;
}

void say_word(FILE *f, const char *key, const char *value)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=.,:/@%";
    size_t n = 0;
    while (value[n] && (strchr(plain, value[n]) || (unsigned char)value[n] > 127))
        n++;
    const char *const quote = value[n] || !(n || key) ? "'" : "";
    fprintf(f, "%s%s%s", quote, key ? key : "", key ? "=" : "");
    for (const char *p = value; *p; p++) {
        fputs(*p == '\'' ? "'\\'" : "", f);       /* out of the quotes, a quote of its own, and in again */
        fputc(*p, f);
    }
    fputs(quote, f);
}

const char *say_errno(char *why, const char *path, const char *what)
{
    const size_t n = strlen(path), most = SWAX_WHY / 2;      /* the end of a long path says more than its beginning */
    return say(why, "%s%s %s: %s.", n > most ? "..." : "", n > most ? path + n - most : path, what, strerror(errno));
}
