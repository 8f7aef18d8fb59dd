/* safetensors_write.c - tensors into files. */
#include "tools/lib/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tools/lib/checksum.h"
#include "tools/lib/files.h"
#include "tools/lib/json.h"
#include "tools/lib/say.h"

static void write_entry(FILE *h, const struct st_tensor *t, int64_t begin, int64_t end)
{
    json_write_string(h, t->name);
    fprintf(h, ":{\"dtype\":\"%s\",\"shape\":[", st_type_name[t->type]);
    for (int d = 0; d < t->rank; d++)
        fprintf(h, "%s%lld", d ? "," : "", (long long)t->shape[d]);
    fprintf(h, "],\"data_offsets\":[%lld,%lld]}", (long long)begin, (long long)end);
}

static int64_t bytes_of(const struct st_tensor *t)
{
    int64_t n = st_type_bytes[t->type];
    for (int d = 0; d < t->rank; d++)
        n *= t->shape[d];
    return n;
}

/* The header with its length before it, its checksum still zeros, padded so that the data begin at a multiple of 8. */
static char *make_header(const struct st_plan *plan, size_t *size)
{
    char *text = NULL;
    FILE *h = file_open_text(&text, size);
    if (!h)
        return NULL;
    fprintf(h, "%8s{\"__metadata__\":{%s%016d\"", "", st_checksum_place, 0);
    for (int i = 0; i < plan->n_meta; i++) {
        fputc(',', h);
        json_write_string(h, plan->meta[i][0]);
        fputc(':', h);
        json_write_string(h, plan->meta[i][1]);
    }
    fputc('}', h);
    int64_t at = 0;
    for (int i = 0; i < plan->n; i++) {
        const int64_t end = at + bytes_of(&plan->tensor[i]);
        fputc(',', h);
        write_entry(h, &plan->tensor[i], at, end);
        at = end;
    }
    fputc('}', h);
    fflush(h);
    fprintf(h, "%*s", (int)((8 - *size % 8) % 8), "");
    if (!file_close_text(h, &text))
        return NULL;
    for (int i = 0; i < 8; i++)
        text[i] = (char)((*size - 8) >> 8 * i & 255);
    return text;
}

/* Data first into the sum, tensor by tensor; its digits last into the header.  Is all of it there? */
static int write_all(int fd, const struct st_plan *plan, char *header, size_t size, void *room)
{
    struct checksum s = {0};
    char digits[17];
    int good = !file_write(fd, header, size);
    checksum_add(&s, header + 8, size - 8);
    for (int i = 0; i < plan->n && good; i++) {
        const size_t n = (size_t)bytes_of(&plan->tensor[i]);
        plan->get(plan->arg, i, room);
        checksum_add(&s, room, n);
        good = !file_write(fd, room, n);
    }
    checksum_text(&s, digits);
    const char *place = strstr(header + 8, st_checksum_place) + strlen(st_checksum_place);
    return good && pwrite(fd, digits, 16, place - header) == 16;
}

const char *st_write(const char *path, const struct st_plan *plan, char *why)
{
    size_t size, most = 1;
    for (int i = 0; i < plan->n; i++)
        most = (size_t)bytes_of(&plan->tensor[i]) > most ? (size_t)bytes_of(&plan->tensor[i]) : most;
    char *header = make_header(plan, &size), *room = malloc(most);
    const int fd = header && room ? file_begin(path, why) : -1;
    const char *wrong = NULL;
    if (!header || !room) {
        say(why, "There is no memory to write %.200s.", path);
        wrong = why;
    } else if (fd < 0) {
        wrong = why;
    } else if (!write_all(fd, plan, header, size, room)) {
        wrong = say_errno(why, path, "cannot be written");
        file_abandon(fd, path);
    } else {
        wrong = file_commit(fd, path, why);
    }
    free(header);
    free(room);
    return wrong;
}
