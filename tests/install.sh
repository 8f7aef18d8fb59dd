#!/bin/sh
# install.sh - what `make install` put under the folder that is named serves a stranger: programs in C and C++, by the
# standards that are asked for, with the headers of others before and after ours, and with pkg-config's words alone.
# usage: tests/install.sh PREFIX [C compiler] [C++ compiler]
prefix=${1:?usage: tests/install.sh PREFIX} cc=${2:-cc} cxx=${3:-c++}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
flags=$(pkg-config --cflags swax) && libs=$(pkg-config --libs swax) || exit 1
failed=0

# what every program does: a kernel in two precisions, a tier, the oracle, a network
cat >"$work/use.h" <<'END'
static int use(void)
{
    const struct swax_config c = swax_config_default();
    char why[SWAX_WHY];
    const char *wrong = NULL;
    const struct swax_tier *t = swax_tier_find("ref", &wrong);
    float y[2], a[2] = { 1, 2 }, b[2] = { 3, 4 };
    double u[2], v[2] = { 1, 2 }, w[2] = { 3, 4 };
    struct swax_kernels_f32 k;
    swax_tier_f32(t, &k);
    k.add_forward(y, a, b, 2);
    swax_ref_f64.add_forward(u, v, w, 2);
    const float one = bf16_to_float(bf16_from_float(1.0f));
    struct swax_network *n = swax_network_new(&c, t, SWAX_PREC_F32, 1, 8, 1, why);
    const int good = n && y[1] == 6 && u[1] == 6 && one == 1 && sizeof(struct swax_kernels_bf16) == sizeof k &&
                     op_find("mlstm_forward") >= 0 && SWAX_SIGMOID == 1;
    swax_network_free(n);
    return good ? 0 : 1;
}
END
ours='#include <swax/kernels.h>
#include <swax/tier.h>
#include <swax/network.h>
#include <swax/config.h>
#include <swax/oracle.h>
#include <swax/opspec.h>
#include <swax/bf16.h>'
words='#if defined real || defined stat || defined R || defined WITHOUT_I && defined I
#error "a word of ours is left"
#endif'
{ printf '%s\n' "$ours" "#define WITHOUT_I" "$words" '#include <stddef.h>' '#include <sys/stat.h>'
  printf '%s\n' '#include <complex.h>' '#include "use.h"' \
      'int main(void) { struct stat s; const double _Complex z = 2 * I;' \
      'return stat("/", &s) || __imag__ z != 2 || use(); }'; } >"$work/after.c"
{ printf '%s\n' '#include <stddef.h>' '#include <sys/stat.h>' '#include <complex.h>' '#define R 7' '#define real 8'
  printf '%s\n' "$ours" '#include "use.h"' 'int main(void) { struct stat s; const double _Complex z = 2 * I;' \
      'return stat("/", &s) || __imag__ z != 2 || R + real != 15 || use(); }'; } >"$work/before.c"
{ printf '%s\n' "$ours" "#define WITHOUT_I" "$words" '#include <cstddef>' '#include <complex>' '#include <sys/stat.h>'
  printf '%s\n' '#include <vector>' '#include <algorithm>' '#include "use.h"' \
      'int main() { struct stat s; const std::complex<double> z(0, 2);' \
      'return stat("/", &s) || z.imag() != 2 || std::real(z) != 0 || use(); }'; } >"$work/after.cpp"
{ printf '%s\n' '#include <complex>' '#include <cstddef>' '#include <sys/stat.h>' "$ours" '#include "use.h"'
  printf '%s\n' 'int main() { struct stat s; const std::complex<double> z(0, 2);' \
      'return stat("/", &s) || z.imag() != 2 || use(); }'; } >"$work/before.cpp"

try() {     # compiler, standard, source, flags for the linker
    if $1 -std=$2 -Wall -Wextra -Wpedantic -Werror $flags "$work/$3" -o "$work/program" $4 && "$work/program"; then
        echo "installed: $1 -std=$2 $3 builds, links and runs"
    else
        echo "installed: $1 -std=$2 $3 FAILED"
        failed=1
    fi
}
for source in after before; do
    for standard in c99 c11 gnu17; do try "$cc" $standard $source.c "$libs"; done
    for standard in c++11 c++14 c++17 c++20; do try "$cxx" $standard $source.cpp "$libs"; done
done
"$prefix/bin/swax" version | grep -q "$(pkg-config --modversion swax)" ||
    { echo "installed: the program's version is not pkg-config's"; failed=1; }
"$prefix/bin/swax" verify tier ref add_forward >"$work/out" 2>&1 || { cat "$work/out"; failed=1; }
exit $failed
