/* opspec.c - the rows of opspec.h. */
#include "ref/oracle/opspec.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

const struct op_spec swax_ops[] = {
    { "embed_forward", "NVC", "", 1,
      {{"y",OUT,REAL,"NC",0}, {"token",IN,INT,"N",0}, {"w",IN,REAL,"VC",0}}, OF_NUMBERS },
    { "embed_backward", "NVC", "", 1,
      {{"dw",ADD,STAT,"VC",0}, {"dy",IN,REAL,"NC",0}, {"token",IN,INT,"N",0}}, OF_NUMBERS },

    { "linear_forward", "NOI", "", 1,
      {{"y",OUT,REAL,"NO",0}, {"x",IN,REAL,"NI",0}, {"w",IN,REAL,"OI",0}, {"b",IN,STAT,"O",1}}, OF_NUMBERS },
    { "linear_backward", "NOI", "", 1,
      {{"dx",ADD,REAL,"NI",0}, {"dw",ADD,STAT,"OI",0}, {"db",ADD,STAT,"O",1},
       {"dy",IN,REAL,"NO",0}, {"x",IN,REAL,"NI",0}, {"w",IN,REAL,"OI",0}}, OF_NUMBERS },

    { "readout_forward", "NOI", "", 1,
      {{"y",OUT,STAT,"NO",0}, {"x",IN,REAL,"NI",0}, {"w",IN,REAL,"OI",0}, {"b",IN,STAT,"O",1}}, OF_NUMBERS },
    { "readout_backward", "NOI", "", 1,
      {{"dx",ADD,REAL,"NI",0}, {"dw",ADD,STAT,"OI",0}, {"db",ADD,STAT,"O",1},
       {"dy",IN,STAT,"NO",0}, {"x",IN,REAL,"NI",0}, {"w",IN,REAL,"OI",0}}, OF_NUMBERS },

    { "rmsnorm_forward", "NC", "eps", 0,
      {{"y",OUT,REAL,"NC",0}, {"rstd",OUT,STAT,"N",0}, {"x",IN,REAL,"NC",0}, {"w",IN,STAT,"C",0}}, OF_NUMBERS },
    { "rmsnorm_backward", "NC", "", 0,
      {{"dx",ADD,REAL,"NC",0}, {"dw",ADD,STAT,"C",0}, {"dy",IN,REAL,"NC",0},
       {"x",IN,REAL,"NC",0}, {"w",IN,STAT,"C",0}, {"rstd",IN,STAT,"N",0}}, OF_NUMBERS },

    { "headnorm_forward", "NHDz", "eps", 0,
      {{"y",OUT,REAL,"NHD",0}, {"mean",OUT,STAT,"NH",0}, {"rstd",OUT,STAT,"NH",0},
       {"x",IN,REAL,"NHD",0}, {"w",IN,STAT,"HD",0}}, OF_NUMBERS },
    { "headnorm_backward", "NHDz", "", 0,
      {{"dx",ADD,REAL,"NHD",0}, {"dw",ADD,STAT,"HD",0}, {"dy",IN,REAL,"NHD",0},
       {"x",IN,REAL,"NHD",0}, {"w",IN,STAT,"HD",0}, {"mean",IN,STAT,"NH",0}, {"rstd",IN,STAT,"NH",0}}, OF_NUMBERS },

    { "rope_forward", "BTHDP", "theta", 0,
      {{"y",OUT,REAL,"BTHD",0}, {"x",IN,REAL,"BTHD",0}, {"start",IN,INT,"BT",1}}, OF_NUMBERS },
    { "rope_backward", "BTHDP", "theta", 0,
      {{"dx",ADD,REAL,"BTHD",0}, {"dy",IN,REAL,"BTHD",0}, {"start",IN,INT,"BT",1}}, OF_NUMBERS },

    { "attention_forward", "BTSHGDW", "", 0,
      {{"y",OUT,REAL,"BTHD",0}, {"lse",OUT,STAT,"BTH",0},
       {"q",IN,REAL,"BTHD",0}, {"k",IN,REAL,"BSGD",0}, {"v",IN,REAL,"BSGD",0}, {"sink",IN,STAT,"H",2},
       {"start",IN,INT,"BT",1}},
      OF_NUMBERS },
    { "attention_backward", "BTSHGDW", "", 0,
      {{"dq",ADD,REAL,"BTHD",0}, {"dk",ADD,REAL,"BSGD",0}, {"dv",ADD,REAL,"BSGD",0}, {"dsink",ADD,STAT,"H",2},
       {"dy",IN,REAL,"BTHD",0}, {"q",IN,REAL,"BTHD",0}, {"k",IN,REAL,"BSGD",0}, {"v",IN,REAL,"BSGD",0},
       {"sink",IN,STAT,"H",2}, {"start",IN,INT,"BT",1},
       {"y",IN,REAL,"BTHD",0}, {"lse",IN,STAT,"BTH",0}}, OF_NUMBERS },

    { "mlstm_forward", "BTHKVLg", "eps", 0,
      {{"h",OUT,REAL,"BTHV",0}, {"C1",OUT,STAT,"BHKV",0}, {"n1",OUT,STAT,"BHK",0}, {"m1",OUT,STAT,"BH",0},
       {"m",OUT,STAT,"BTH",0}, {"qn",OUT,STAT,"BTH",0}, {"Cs",OUT,STAT,"BHcKV",1}, {"ns",OUT,STAT,"BHcK",1},
       {"q",IN,REAL,"BTHK",0}, {"k",IN,REAL,"BTHK",0}, {"v",IN,REAL,"BTHV",0},
       {"i",IN,STAT,"BTH",0}, {"f",IN,STAT,"BTH",0},
       {"C0",IN,STAT,"BHKV",2}, {"n0",IN,STAT,"BHK",2}, {"m0",IN,STAT,"BH",2}, {"start",IN,INT,"BT",3}}, OF_CELL },
    { "mlstm_backward", "BTHKVLg", "eps", 0,
      {{"dq",ADD,REAL,"BTHK",0}, {"dk",ADD,REAL,"BTHK",0}, {"dv",ADD,REAL,"BTHV",0},
       {"di",ADD,STAT,"BTH",0}, {"df",ADD,STAT,"BTH",0}, {"dC0",ADD,STAT,"BHKV",4}, {"dn0",ADD,STAT,"BHK",4},
       {"dh",IN,REAL,"BTHV",0}, {"dC1",IN,STAT,"BHKV",5}, {"dn1",IN,STAT,"BHK",5},
       {"q",IN,REAL,"BTHK",0}, {"k",IN,REAL,"BTHK",0}, {"v",IN,REAL,"BTHV",0},
       {"i",IN,STAT,"BTH",0}, {"f",IN,STAT,"BTH",0},
       {"C0",IN,STAT,"BHKV",2}, {"n0",IN,STAT,"BHK",2}, {"m0",IN,STAT,"BH",2}, {"start",IN,INT,"BT",3},
       {"h",IN,REAL,"BTHV",0}, {"C1",IN,STAT,"BHKV",0}, {"n1",IN,STAT,"BHK",0}, {"m1",IN,STAT,"BH",0},
       {"m",IN,STAT,"BTH",0}, {"qn",IN,STAT,"BTH",0}, {"Cs",IN,STAT,"BHcKV",0}, {"ns",IN,STAT,"BHcK",0}}, OF_CELL },

    { "delta_forward", "BTHGKVJLe", "scale", 0,
      {{"y",OUT,REAL,"BTHV",0}, {"S1",OUT,STAT,"BHKV",0}, {"r",OUT,STAT,"BTHV",0}, {"Ss",OUT,STAT,"BHcKV",1},
       {"q",IN,REAL,"BTGK",0}, {"k",IN,REAL,"BTGK",0}, {"v",IN,REAL,"BTHV",0},
       {"g",IN,STAT,"BTHJ",0}, {"beta",IN,STAT,"BTH",0}, {"S0",IN,STAT,"BHKV",2}, {"start",IN,INT,"BT",3}}, OF_DELTA },
    { "delta_backward", "BTHGKVJLe", "scale", 0,
      {{"dq",ADD,REAL,"BTGK",0}, {"dk",ADD,REAL,"BTGK",0}, {"dv",ADD,REAL,"BTHV",0},
       {"dg",ADD,STAT,"BTHJ",0}, {"dbeta",ADD,STAT,"BTH",0}, {"dS0",ADD,STAT,"BHKV",4},
       {"S",SCRATCH,STAT,"BHKV",0}, {"D",SCRATCH,STAT,"BHKV",0},
       {"dy",IN,REAL,"BTHV",0}, {"dS1",IN,STAT,"BHKV",5},
       {"q",IN,REAL,"BTGK",0}, {"k",IN,REAL,"BTGK",0}, {"v",IN,REAL,"BTHV",0},
       {"g",IN,STAT,"BTHJ",0}, {"beta",IN,STAT,"BTH",0}, {"S0",IN,STAT,"BHKV",2}, {"start",IN,INT,"BT",3},
       {"S1",IN,STAT,"BHKV",0}, {"r",IN,STAT,"BTHV",0}, {"Ss",IN,STAT,"BHcKV",0}}, OF_DELTA },

    { "conv_forward", "BTSCF", "", 0,
      {{"y",OUT,REAL,"BTC",0}, {"x",IN,REAL,"BSC",0}, {"w",IN,STAT,"CF",0}, {"b",IN,STAT,"C",1},
       {"start",IN,INT,"BT",2}},
      OF_NUMBERS },
    { "conv_backward", "BTSCF", "", 0,
      {{"dx",ADD,REAL,"BSC",0}, {"dw",ADD,STAT,"CF",0}, {"db",ADD,STAT,"C",1}, {"dy",IN,REAL,"BTC",0},
       {"x",IN,REAL,"BSC",0}, {"w",IN,STAT,"CF",0}, {"b",IN,STAT,"C",1}, {"start",IN,INT,"BT",2}}, OF_NUMBERS },

    { "decay_forward", "NHJ", "low", 0,
      {{"g",OUT,STAT,"NHJ",0}, {"a",IN,STAT,"NHJ",0}, {"lrate",IN,STAT,"H",0}, {"bias",IN,STAT,"HJ",0}}, OF_NUMBERS },
    { "decay_backward", "NHJ", "low", 0,
      {{"da",ADD,STAT,"NHJ",0}, {"dlrate",ADD,STAT,"H",0}, {"dbias",ADD,STAT,"HJ",0}, {"dg",IN,STAT,"NHJ",0},
       {"a",IN,STAT,"NHJ",0}, {"lrate",IN,STAT,"H",0}, {"bias",IN,STAT,"HJ",0}}, OF_NUMBERS },
    { "strength_forward", "N", "top", 0,
      {{"beta",OUT,STAT,"N",0}, {"b",IN,STAT,"N",0}}, OF_NUMBERS },
    { "strength_backward", "N", "top", 0,
      {{"db",ADD,STAT,"N",0}, {"dbeta",IN,STAT,"N",0}, {"b",IN,STAT,"N",0}}, OF_NUMBERS },

    { "softcap_forward", "N", "cap", 0,
      {{"y",OUT,STAT,"N",0}, {"x",IN,STAT,"N",0}}, OF_NUMBERS },
    { "softcap_backward", "N", "cap", 0,
      {{"dx",ADD,STAT,"N",0}, {"dy",IN,STAT,"N",0}, {"y",IN,STAT,"N",0}}, OF_NUMBERS },

    { "gate_forward", "N", "", 0,
      {{"y",OUT,REAL,"N",0}, {"g",IN,REAL,"N",0}, {"x",IN,REAL,"N",0}}, OF_NUMBERS },
    { "gate_backward", "N", "", 0,
      {{"dg",ADD,REAL,"N",0}, {"dx",ADD,REAL,"N",0}, {"dy",IN,REAL,"N",0}, {"g",IN,REAL,"N",0}, {"x",IN,REAL,"N",0}},
      OF_NUMBERS },

    { "swiglu_forward", "N", "", 0,
      {{"y",OUT,REAL,"N",0}, {"a",IN,REAL,"N",0}, {"b",IN,REAL,"N",0}}, OF_NUMBERS },
    { "swiglu_backward", "N", "", 0,
      {{"da",ADD,REAL,"N",0}, {"db",ADD,REAL,"N",0}, {"dy",IN,REAL,"N",0}, {"a",IN,REAL,"N",0}, {"b",IN,REAL,"N",0}},
      OF_NUMBERS },

    { "add_forward", "N", "", 1,
      {{"y",OUT,REAL,"N",0}, {"a",IN,REAL,"N",0}, {"b",IN,REAL,"N",0}}, OF_NUMBERS },
    { "add_backward", "N", "", 1,
      {{"da",ADD,REAL,"N",0}, {"db",ADD,REAL,"N",0}, {"dy",IN,REAL,"N",0}}, OF_NUMBERS },

    { "skip_forward", "NHD", "", 1,
      {{"y",OUT,REAL,"NHD",0}, {"a",IN,REAL,"NHD",0}, {"b",IN,REAL,"NHD",0}, {"w",IN,STAT,"H",0}}, OF_NUMBERS },
    { "skip_backward", "NHD", "", 1,
      {{"da",ADD,REAL,"NHD",0}, {"db",ADD,REAL,"NHD",0}, {"dw",ADD,STAT,"H",0}, {"dy",IN,REAL,"NHD",0},
       {"b",IN,REAL,"NHD",0}, {"w",IN,STAT,"H",0}}, OF_NUMBERS },

    { "xent_forward", "NV", "cap", 0,
      {{"loss",OUT,STAT,"N",0}, {"lse",OUT,STAT,"N",0}, {"x",IN,STAT,"NV",0}, {"target",IN,INT,"N",0}}, OF_NUMBERS },
    { "xent_backward", "NV", "cap", 0,
      {{"dx",ADD,STAT,"NV",0}, {"dloss",IN,STAT,"N",0}, {"x",IN,STAT,"NV",0}, {"target",IN,INT,"N",0},
       {"lse",IN,STAT,"N",0}}, OF_NUMBERS },

    { "sqsum", "N", "", 1,
      {{"sum",ADD,DOUBLE,"",0}, {"x",IN,STAT,"N",0}}, OF_NUMBERS },
    { "accumulate", "N", "", 1,
      {{"y",ADD,STAT,"N",0}, {"x",IN,STAT,"N",0}}, OF_NUMBERS },
    { "cast", "N", "", 1,
      {{"y",OUT,REAL,"N",0}, {"x",IN,STAT,"N",0}}, OF_NUMBERS },
    { "adamw", "Ns", "lr beta1 beta2 eps decay clip", 0,
      {{"w",UPDATE,STAT,"N",0}, {"m",UPDATE,STAT,"N",0}, {"v",UPDATE,STAT,"N",0},
       {"g",IN,STAT,"N",0}, {"sum",IN,DOUBLE,"",6}}, OF_OPTIMISER },
};
const int swax_n_ops = sizeof swax_ops / sizeof swax_ops[0];

int op_find(const char *name)
{
    for (int i = 0; i < swax_n_ops; i++)
        if (!strcmp(swax_ops[i].name, name))
            return i;
    return -1;
}

int op_args(const struct op_spec *op)
{
    int n = 0;
    while (n < OP_ARGS && op->arg[n].name)
        n++;
    return n;
}

int op_arg_find(const struct op_spec *op, const char *name)
{
    for (int i = 0; i < op_args(op); i++)
        if (!strcmp(op->arg[i].name, name))
            return i;
    return -1;
}

int op_answers(const struct op_arg *a) { return a->role == OUT || a->role == ADD || a->role == UPDATE; }

int op_scalars(const struct op_spec *op)
{
    int n = op->scalars[0] != '\0';
    for (const char *s = op->scalars; *s; s++)
        n += *s == ' ';
    return n;
}

const char *op_scalar_name(const struct op_spec *op, int scalar, char name[OP_WORD])
{
    const char *from = op->scalars;
    for (int i = 0; i < scalar; i++)
        from += strcspn(from, " ") + 1;
    const size_t n = strcspn(from, " ");
    memcpy(name, from, n);
    name[n] = '\0';
    return name;
}

static int sibling(int op, const char *from, const char *to)
{
    char name[64];
    const char *tail = strstr(swax_ops[op].name, from);
    if (!tail)
        return -1;
    snprintf(name, sizeof name, "%.*s%s", (int)(tail - swax_ops[op].name), swax_ops[op].name, to);
    return op_find(name);
}

int op_forward_of(int op)  { return sibling(op, "_backward", "_forward"); }
int op_backward_of(int op) { return sibling(op, "_forward", "_backward"); }

long op_extent(const struct op_spec *op, char letter, const int *dims)
{
    if (letter == 'c') {
        const long T = op_extent(op, 'T', dims), L = op_extent(op, 'L', dims);
        return (T + L - 1) / L;
    }
    return dims[strchr(op->dims, letter) - op->dims];
}

static long elements(const struct op_spec *op, const char *shape, const int *dims)
{
    long n = 1;
    for (const char *s = shape; *s; s++)
        n *= op_extent(op, *s, dims);
    return n;
}

long op_arg_size(const struct op_spec *op, int arg, const int *dims) { return elements(op, op->arg[arg].shape, dims); }

long op_stride(const struct op_spec *op, int arg, char letter, const int *dims)
{
    return elements(op, strchr(op->arg[arg].shape, letter) + 1, dims);
}

const char *op_dim_word(const struct op_spec *op, char letter)
{
    static const struct { char letter; const char *word; } words[] = {
        {'B', "sequences"}, {'T', "tokens"}, {'N', "rows"}, {'C', "width"}, {'I', "inputs"}, {'O', "outputs"},
        {'H', "heads"}, {'G', "key/value heads"}, {'D', "head size"}, {'W', "window"}, {'S', "keys"},
        {'P', "position of the first token"}, {'L', "chunk length"}, {'K', "key size"}, {'V', "value size"},
        {'g', "gates: 0 exponential, 1 sigmoid, 2 sigmoid with normaliser, 3 logarithms"},
        {'F', "taps"}, {'J', "gates of a head: 1, or one for each key channel"},
        {'e', "1 delta rule, 0 linear attention"},
        {'z', "centre: 1 LayerNorm, 0 RMS"}, {'s', "optimiser step"}, {'c', "chunks"},
    };
    if (letter == 'V' && !strchr(op->dims, 'K'))
        return "vocabulary";
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (words[i].letter == letter)
            return words[i].word;
    return "";
}

struct op_range op_range(const char *name)
{
    static const struct { const char *name; struct op_range range; } ranges[] = {
        {"P", {-(1 << 30), 1 << 30}}, {"g", {0, 3}}, {"e", {0, 1}}, {"scale", {-1e30, 1e30}}, {"low", {-1e30, 0}},
        {"top", {0, 1e30}}, {"z", {0, 1}}, {"eps", {0, 1}}, {"theta", {1e-3, 1e30}}, {"cap", {0, 1e30}},
        {"lr", {0, 1e6}}, {"beta1", {0, 0.9999999}}, {"beta2", {0, 0.9999999}}, {"decay", {0, 1e6}},
        {"clip", {0, 1e30}},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (!strcmp(ranges[i].name, name))
            return ranges[i].range;
    return (struct op_range){1, INT_MAX};
}

/* How sizes hang together, wherever both letters stand in a row. */
static const char *do_not_fit(const struct op_spec *spec, const int *dims, char sentence[OP_SENTENCE])
{
    static const struct { char letter, of; const char *wrong; } rules[] = {
        {'S', 'T', "%s: S=%ld keys are fewer than T=%ld queries: S counts the keys before the call and those of it."},
        {'G', 'H', "%s: G=%ld key/value heads do not divide H=%ld heads."},
        {'J', 'K', "%s: J=%ld gates of a head are neither 1 nor one for each of K=%ld key channels."},
    };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (!strchr(spec->dims, rules[i].letter) || !strchr(spec->dims, rules[i].of))
            continue;
        const long a = op_extent(spec, rules[i].letter, dims), b = op_extent(spec, rules[i].of, dims);
        if (rules[i].letter == 'S' ? a < b : rules[i].letter == 'G' ? b % a != 0 : a != 1 && a != b) {
            snprintf(sentence, OP_SENTENCE, rules[i].wrong, spec->name, a, b);
            return sentence;
        }
    }
    return NULL;
}

static int within(double x, struct op_range r) { return x >= r.least && x <= r.most; }

const char *op_wrong(int op, const int *dims, const double *scalars, char sentence[OP_SENTENCE])
{
    const struct op_spec *spec = &swax_ops[op];
    for (int i = 0; spec->dims[i]; i++) {
        const char letter[2] = {spec->dims[i], 0};
        const struct op_range r = op_range(letter);
        if (!within(dims[i], r)) {
            snprintf(sentence, OP_SENTENCE, "%s: %s=%d, and it is a whole number from %.0f to %.0f.", spec->name,
                     letter, dims[i], r.least, r.most);
            return sentence;
        }
    }
    for (int i = 0; i < op_scalars(spec) && scalars; i++) {
        char name[OP_WORD];
        const struct op_range r = op_range(op_scalar_name(spec, i, name));
        if (!within(scalars[i], r)) {
            snprintf(sentence, OP_SENTENCE, "%s: %s=%g, and it is a number from %.7g to %.7g.", spec->name, name,
                     scalars[i], r.least, r.most);
            return sentence;
        }
    }
    return do_not_fit(spec, dims, sentence);
}
