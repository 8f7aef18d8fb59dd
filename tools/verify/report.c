/* report.c - a verdict in words, and as JSON. */
#include "tools/verify/verify.h"

#include <math.h>
#include <stdio.h>
#include "tools/lib/json.h"

static const char *rule(const struct wish *w)
{
    switch (w->dtype) {
    case DT_F64: return "8 times what an honest float loop errs, scaled to double's rounding";
    case DT_BF16: return "FlashAttention's rule: 2 times (gradients: 3 times) what an honest bf16 evaluation errs";
    case DT_F16: return "an eighth of bf16's rule";
    default: return "8 times what an honest float loop errs, or one rounding of every input moves";
    }
}

static void print_cause(const struct report *r)
{
    struct swax_tier tier;
    if (r->too_large) {
        puts("diagnosis: none is made of so large a case: make a smaller one that fails.");
        return;
    }
    if (r->cause < 0) {
        puts("diagnosis: none of the known faults gives these numbers.");
        return;
    }
    const struct fault *f = fault_f64(r->cause, &tier);
    if (r->alike)
        printf("diagnosis: errors of this size come where %s.\n", f->says);
    else
        printf("diagnosis: %s.\n           (\"%s\" gives these numbers: it explains %.0f %% of the distance from the truth)\n", f->says, f->name, 100 * r->explained);
    for (int i = 0; i < r->causes; i++)
        printf("       or: %s.\n", fault_f64(r->causes_list[i], &tier)->says);
}

void report_print(const struct report *r)
{
    printf("%-6s %9s %11s %11s %10s %11s %11s  %s\n", "tensor", "failed", "rms error", "bound", "max ulp", "max error", "bound", "worst at");
    for (int i = 0; i < r->n; i++) {
        const struct finding *f = &r->finding[i];
        char failed[24];
        snprintf(failed, sizeof failed, "%d/%d", f->failed, f->answers);
        printf("%-6s %9s %11.3g %11.3g %10.3g %11.3g %11.3g  case %d, element %ld\n", f->name, failed, f->rms, f->rms_bound,
               f->ulp, f->largest, f->bound, f->problem, f->index);
    }
    printf("Errors are relative to the tensor's RMS and largest element.  Bound: %s.\n", rule(&r->wish));
    if (r->wish.behind)
        puts("Judged behind a head norm: the gradient of h is orthogonal to h, so a normaliser's gradient that is left out does not show."
             "\nSuch a kernel is exact under a scale-invariant norm only.");
    if (r->trouble[0])
        printf("%s.\n", r->trouble);
    if (r->failed)
        print_cause(r);
    printf("%s: %s, %s, %d of %d cases %s.\n", r->failed ? "WRONG" : "good", r->subject.name, dtype_name[r->wish.dtype],
           r->failed ? r->failed : r->problems, r->problems, r->failed ? "out of bound" : "within all bounds");
}

static void number(FILE *o, const char *key, double x)
{
    fprintf(o, ",\"%s\":", key);
    json_write_number(o, x);
}

static void cause(FILE *o, int fault, double explained, int alike)
{
    struct swax_tier tier;
    const struct fault *f = fault_f64(fault, &tier);
    fprintf(o, "{\"name\":\"%s\",\"says\":", f->name);
    json_write_string(o, f->says);
    fprintf(o, ",\"by\":\"%s\"", alike ? "size" : "numbers");
    number(o, "explains", explained);
    fputc('}', o);
}

void report_json(FILE *o, const struct report *r)
{
    fprintf(o, "{\"verdict\":\"%s\",\"op\":\"%s\",\"dtype\":\"%s\",\"behind\":\"%s\",\"cases\":%d,\"failed\":%d,\"trouble\":",
            r->failed ? "wrong" : "good", r->subject.name, dtype_name[r->wish.dtype], r->wish.behind ? "headnorm" : "", r->problems, r->failed);
    json_write_string(o, r->trouble);
    fputs(",\"tensors\":[", o);
    for (int i = 0; i < r->n; i++) {
        const struct finding *f = &r->finding[i];
        fprintf(o, "%s{\"name\":\"%s\",\"failed\":%d,\"cases\":%d,\"case\":%d,\"element\":%ld", i ? "," : "", f->name, f->failed, f->answers, f->problem, f->index);
        number(o, "rms", f->rms);
        number(o, "rms_bound", f->rms_bound);
        number(o, "max", f->largest);
        number(o, "max_bound", f->bound);
        number(o, "ulp", f->ulp);
        fputc('}', o);
    }
    fputs("],\"diagnosis\":[", o);
    if (r->failed && r->cause >= 0)
        cause(o, r->cause, r->explained, r->alike);
    for (int i = 0; i < r->causes && r->failed; i++) {
        fputc(',', o);
        cause(o, r->causes_list[i], r->explained, 0);
    }
    fputs("]}\n", o);
}
