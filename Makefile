# swax - `make help` says what there is to do.  GNU make 3.81 (macOS) or later.
#
#: CC, AR, NVCC            the compilers and the archiver
#: CPPFLAGS, CFLAGS, NVCCFLAGS, LDFLAGS, LDLIBS    yours, after ours, so that they win
#: V=1                     shows commands;  WERROR=1  makes warnings errors;  SAN=-fsanitize=...  for all of it
#: CUDA=1, CUDA=0, NVCC=   with the CUDA tier, or without; unsaid, it is built where a card is seen
#: TIERS="avx2"            only these SIMD tiers;  BUILD=folder;  PREFIX=/usr/local  and  DESTDIR=  for install

VERSION := 0.2.0
BUILD   ?= build
PREFIX  ?= /usr/local
SAN     ?=

# all cores, where nobody said -j (a make that runs inside another finds the other's -j in its environment)
ifeq (,$(findstring -j,$(shell echo "$$MAKEFLAGS")))
MAKEFLAGS += -j$(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
endif
# a recipe begins with $(call step,CC): one short line, or its command with V=1; the folder for what it makes
step = $(if $(filter 1,$(V)),,@echo '  $(1)	$(@:$(BUILD)/%=%)';) mkdir -p $(@D);

WARN   := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wdouble-promotion -Wmissing-prototypes -Wstrict-prototypes \
          -Wvla -Wframe-larger-than=65536
# an enum's constant beside a double is what a #define would be, and exact
WARN   += $(if $(findstring clang,$(shell $(CC) --version)),-Wno-enum-float-conversion)
BASE    = $(CC) -I. -Iref -g -MMD -MP -fPIC $(WARN) $(if $(WERROR),-Werror) $(SAN)
USERS   = $(CPPFLAGS) $(CFLAGS)
REF     = $(BASE) -std=c99 $(or $(LEVEL),-O2) -ffp-contract=off $(USERS)
TOOL    = $(BASE) -std=c99 -O2 -ffp-contract=off $(POSIX) $(USERS)
LINK    = $(CC) $(SAN) $(OPENMP) $(CFLAGS) $(LDFLAGS)

# ---- what the machine that is compiled for asks for
ifeq ($(origin MACHINE),undefined)
MACHINE := $(shell $(CC) -dumpmachine)
endif
is       = $(strip $(foreach word,$(1),$(findstring $(word),$(MACHINE))))
POSIX   := -D_POSIX_C_SOURCE=200809L $(if $(call is,darwin apple macos),-D_DARWIN_C_SOURCE)
LIBS    := -lm $(if $(call is,linux),-ldl)
# an object whose own names win over a program's of the same name, as they do on macOS by themselves
SHARED   = -shared $(if $(call is,darwin apple macos),,-Wl,-Bsymbolic)

# ---- which tiers this compiler can build
# (none for Windows: gcc does not align its stack for vectors of 32 bytes there, GCC bug 54412)
TIERS   ?= $(if $(call is,mingw),,$(if $(call is,x86_64),avx2 avx512 avx512bf16)$(if $(call is,aarch64 arm64),neon))
# avx512bf16 changes bf16 alone: it takes float and double from avx512, which comes with it (ref/tiers.c)
override TIERS := $(strip $(TIERS) $(filter-out $(TIERS),$(if $(filter avx512bf16,$(TIERS)),avx512)))
TABLES_avx512bf16 = bf16
OPENMP  := $(shell printf '\043include <omp.h>\nint main(void) { return omp_get_num_threads(); }' | \
             $(CC) $(LDFLAGS) -fopenmp -x c - -o /dev/null 2>/dev/null && echo -fopenmp)
# a tier's instructions are its own, whatever CFLAGS=-march=... brings
AVX512       = -DSWAX_VEC_BYTES=64 -mavx512f -mavx512dq -mavx512vl -mavx512bw -mprefer-vector-width=512
FLAGS_avx2   = -DSWAX_VEC_BYTES=32 -mavx2 -mfma -mno-avx512f
FLAGS_avx512 = $(AVX512) -mno-avx512bf16
FLAGS_avx512bf16 = $(AVX512) -mavx512bf16
FLAGS_neon   = -DSWAX_VEC_BYTES=16
# -g1 keeps lines and back traces: to follow the variables of a tier's table takes a third of the compiler's time
SIMD    = $(BASE) -g1 -std=gnu99 -O3 -ffp-contract=fast -fno-math-errno $(or $(OPENMP),-Wno-unknown-pragmas) $(USERS)

comma   := ,

# ---- objects mirror the folders.  What names `real` is compiled once per precision, the rest once
MIXERS  := mixers $(patsubst ref/network/%.c,%,$(wildcard ref/network/mixer_*.c))
THRICE  := ref/oracle/call $(patsubst %,ref/network/%,model engine optimiser decode delta_parts $(MIXERS))
PRECISE := ref/ref=f32,f64 ref/widened=bf16 $(patsubst %,%=f32$(comma)f64$(comma)bf16,$(THRICE))
name     = $(firstword $(subst =, ,$(1)))
suffixes = $(subst $(comma), ,$(lastword $(subst =, ,$(1))))
ONCE    := ref/tiers.c \
           $(filter-out $(foreach p,$(PRECISE),$(call name,$(p)).c),$(wildcard ref/network/*.c ref/oracle/*.c))
# what takes the compiler longest stands first: the rest fills the other cores until it is done
LIB     := $(foreach p,bf16 f32 f64 peak,$(foreach t,$(TIERS),\
             $(if $(filter $(p),$(or $(TABLES_$(t)),f32 f64 bf16) peak),$(BUILD)/simd/$(t)_$(p).o))) \
           $(foreach p,$(PRECISE),$(foreach s,$(call suffixes,$(p)),$(BUILD)/$(call name,$(p))_$(s).o)) \
           $(patsubst %.c,$(BUILD)/%.o,$(ONCE)) $(patsubst %.c,$(BUILD)/%.o,$(wildcard simd/host/*.c))
LOOPS   := '-DSWAX_TIERS=$(foreach t,$(TIERS),LOOP($(t)))'
HAVE    := $(foreach t,$(TIERS),-DSWAX_HAVE_$(t))

# the judge's other orders of operations and the wrong kernels: plain loops, which are asked very often
$(BUILD)/ref/oracle/faults/%.o: LEVEL = -O3
FAULTS  := $(BUILD)/ref/oracle/faults/faults_f32.o $(BUILD)/ref/oracle/faults/faults_f64.o
TOOLS   := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tools/*.c tools/*/*.c)) $(FAULTS)
CHECKS  := $(patsubst tests/%.c,$(BUILD)/%,$(wildcard tests/check_*.c))

all: $(BUILD)/libswax.a $(BUILD)/swax $(BUILD)/libswax.so ## build the library and the program

$(BUILD): ; @mkdir -p $@

# ---- what was made with other settings is made again: each of these files changes when its settings do, and only then
define settings
ifneq ($$($(2)),$$(shell cat $(BUILD)/$(1) 2>/dev/null))
$(BUILD)/$(1): FORCE
endif
$(BUILD)/$(1): | $(BUILD) ; @printf '%s\n' '$$(subst ','\'',$$($(2)))' > $$@
endef

include $(wildcard cuda/cuda.mk)

COMPILER = $(strip $(BASE) $(OPENMP) $(USERS))
PARTS    = $(strip $(TIERS) $(HAVE) $(LIBS) $(LDFLAGS) $(LDLIBS))
$(eval $(call settings,compiler,COMPILER))
$(eval $(call settings,parts,PARTS))
$(eval $(call settings,version,VERSION))

$(BUILD)/%_f32.o:  %.c $(BUILD)/compiler ; $(call step,CC) $(REF) -c $< -o $@
$(BUILD)/%_f64.o:  %.c $(BUILD)/compiler ; $(call step,CC) $(REF) -DSWAX_F64 -c $< -o $@
$(BUILD)/%_bf16.o: %.c $(BUILD)/compiler ; $(call step,CC) $(REF) -DSWAX_BF16 -c $< -o $@
$(BUILD)/ref/tiers.o: ref/tiers.c $(BUILD)/compiler $(BUILD)/parts ; $(call step,CC) $(REF) $(HAVE) -c $< -o $@
$(BUILD)/ref/%.o:  ref/%.c $(BUILD)/compiler ; $(call step,CC) $(REF) -c $< -o $@
$(BUILD)/simd/host/%.o: simd/host/%.c $(BUILD)/compiler $(BUILD)/parts
	$(call step,CC) $(SIMD) $(POSIX) $(LOOPS) -c $< -o $@
define tier
ISA_$(1) = $$(SIMD) $$(FLAGS_$(1)) -DSWAX_ISA=$(1)
$(BUILD)/simd/$(1)_f32.o:  simd/simd.c $(BUILD)/compiler ; $$(call step,CC) $$(ISA_$(1)) -c $$< -o $$@
$(BUILD)/simd/$(1)_f64.o:  simd/simd.c $(BUILD)/compiler ; $$(call step,CC) $$(ISA_$(1)) -DSWAX_F64 -c $$< -o $$@
$(BUILD)/simd/$(1)_bf16.o: simd/simd.c $(BUILD)/compiler ; $$(call step,CC) $$(ISA_$(1)) -DSWAX_BF16 -c $$< -o $$@
$(BUILD)/simd/$(1)_peak.o: simd/peak.c $(BUILD)/compiler ; $$(call step,CC) $$(ISA_$(1)) -c $$< -o $$@
$(BUILD)/tests/isa/$(1)_vmath_f32.o: tests/isa/vmath.c $(BUILD)/compiler
	$$(call step,CC) $$(ISA_$(1)) -c $$< -o $$@
$(BUILD)/tests/isa/$(1)_vmath_f64.o: tests/isa/vmath.c $(BUILD)/compiler
	$$(call step,CC) $$(ISA_$(1)) -DSWAX_F64 -c $$< -o $$@
endef
$(foreach t,$(TIERS),$(eval $(call tier,$(t))))
$(BUILD)/tools/%.o: tools/%.c $(BUILD)/compiler ; $(call step,CC) $(TOOL) -c $< -o $@
$(BUILD)/tools/lib/threads.o: TOOL += $(OPENMP)

# ---- the ablations of data/ablate go into the program as lines of text, each a string of C
quoted    := sed -e 's/[\\"]/\\&/g' -e 's/.*/"&\\n",/'
ABLATIONS := $(sort $(wildcard data/ablate/*.json))
TOOLS     += $(BUILD)/tools/ablate/ablations.o
$(BUILD)/tools/ablate/ablations.c: $(ABLATIONS) $(BUILD)/compiler
	$(call step,TEXT) { echo '#include "tools/ablate/ablate.h"'; \
	 for f in $(ABLATIONS); do echo "static const char *const $$(basename $$f .json | tr - _)[] = {"; \
	   $(quoted) $$f; echo 'NULL};'; done; \
	 echo 'const struct ablate_builtin ablate_builtin[] = {'; \
	 for f in $(ABLATIONS); do n=$$(basename $$f .json); echo "{\"$$n\", $$(echo $$n | tr - _)},"; done; \
	 echo '{NULL, NULL}};'; } > $@
$(BUILD)/tools/ablate/ablations.o: $(BUILD)/tools/ablate/ablations.c ; $(call step,CC) $(TOOL) -c $< -o $@

# ---- and the model that a folder for Hugging Face brings along
TOOLS     += $(BUILD)/tools/convert/modeling.o
$(BUILD)/tools/convert/modeling.c: tools/python/modeling_swax.py $(BUILD)/compiler
	$(call step,TEXT) { echo '#include "tools/convert/hf_own.h"'; echo 'const char *const hf_modeling[] = {'; \
	 $(quoted) $<; echo 'NULL};'; } > $@
$(BUILD)/tools/convert/modeling.o: $(BUILD)/tools/convert/modeling.c ; $(call step,CC) $(TOOL) -c $< -o $@

VERSIONED := $(patsubst %,$(BUILD)/tools/%.o,main info verify/case verify/report verify/own_report)
$(VERSIONED): TOOL += -DSWAX_VERSION='"$(VERSION)"'
$(VERSIONED): $(BUILD)/version

$(BUILD)/libswax.a: $(LIB) $(BUILD)/parts ; $(call step,AR) rm -f $@ && $(AR) qcs $@ $(filter %.o,$^)
# kernels, oracle and verification in one object, for tools/python/swax_verify alone: its names are not for linking
$(BUILD)/libswax.so: $(filter-out $(BUILD)/tools/main.o,$(TOOLS)) $(LIB) $(BUILD)/parts
	$(call step,LINK) $(LINK) $(SHARED) $(filter %.o,$^) -o $@ $(LIBS) $(LDLIBS)
$(BUILD)/swax: $(BUILD)/libswax.a $(TOOLS) $(BUILD)/parts
	$(call step,LINK) $(LINK) $(filter %.o,$^) $(filter %.a,$^) -o $@ $(LIBS) $(LDLIBS)

# ---- tests: every tests/check_*.c is one program; tests/<other>.c are linked into each
ALONGSIDE := $(filter-out $(wildcard tests/check_*.c) tests/variants.c,$(wildcard tests/*.c))
SUPPORT := $(patsubst tests/%.c,$(BUILD)/tests/%.o,$(ALONGSIDE)) \
           $(BUILD)/tests/variants_f32.o $(BUILD)/tests/variants_f64.o
NO_CHECK     := The tests need Check and pkg-config: `make deps` installs them
CHECK_LIBS   ?= $(or $(shell pkg-config --libs check),$(error $(NO_CHECK)))
CHECK_CFLAGS ?= $(if $(CHECK_LIBS),$(shell pkg-config --cflags check))
TEST     = $(CC) -I. -Iref -std=gnu99 -O1 -g -MMD -MP -Wall -Wextra $(SAN) $(OPENMP) $(CHECK_CFLAGS) $(USERS)
$(BUILD)/tests/variants_f32.o: tests/variants.c $(BUILD)/compiler ; $(call step,CC) $(TEST) -c $< -o $@
$(BUILD)/tests/variants_f64.o: tests/variants.c $(BUILD)/compiler ; $(call step,CC) $(TEST) -DSWAX_F64 -c $< -o $@
$(BUILD)/tests/%.o: tests/%.c $(BUILD)/compiler ; $(call step,CC) $(TEST) -c $< -o $@
$(BUILD)/libtools.a: $(filter-out $(BUILD)/tools/main.o,$(TOOLS)) ; $(call step,AR) rm -f $@ && $(AR) qcs $@ $^
CHECK_PARTS  ?= $(SUPPORT) $(BUILD)/libtools.a
$(BUILD)/check_%: tests/check_%.c $(CHECK_PARTS) $(BUILD)/libswax.a
	$(call step,CHECK) $(TEST) $(LDFLAGS) $(filter %.c %.o,$^) $(filter %.a,$^) -o $@ $(CHECK_LIBS) $(LIBS) $(LDLIBS)
ifneq (,$(filter deps,$(MAKECMDGOALS)))
$(SUPPORT) $(CHECKS): | deps       # `make deps test`, in parallel
endif

$(BUILD)/check_vmath: TEST += $(LOOPS)
$(BUILD)/check_vmath: $(foreach t,$(TIERS),$(foreach p,f32 f64,$(BUILD)/tests/isa/$(t)_vmath_$(p).o))

# the reference as somebody builds it who wants it fast; infinities stay, since kernels.h has them
FAST = $(REF) -O3 -ffast-math -fno-finite-math-only -ffp-contract=fast
$(BUILD)/tests/honest/fast_f32.o: ref/ref.c $(BUILD)/compiler
	$(call step,CC) $(FAST) -Dswax_ref_f32=swax_fast_f32 -c $< -o $@
$(BUILD)/tests/honest/fast_f64.o: ref/ref.c $(BUILD)/compiler
	$(call step,CC) $(FAST) -DSWAX_F64 -Dswax_ref_f64=swax_fast_f64 -c $< -o $@
$(BUILD)/check_honest: $(BUILD)/tests/honest/fast_f32.o $(BUILD)/tests/honest/fast_f64.o

# a table of mixers with one row more: before the library, whose own is not taken then
$(BUILD)/check_mixer: $(foreach p,f32 f64 bf16,$(BUILD)/tests/mixer/ema_$(p).o $(BUILD)/tests/mixer/table_$(p).o)

test: format-check $(CHECKS) ## run every check, and format-check before them
	@sh tests/pages.sh && sh tests/floors.sh && sh tests/alone.sh $(CC) && sh tests/run.sh $(CHECKS)

# (columns are characters: the bytes that follow the first one of a character of UTF-8 do not count)
format-check: ## lines of more than 120 columns
	@find Makefile .ci ref simd cuda tools tests data -type f \( -name '*.[ch]' -o -name '*.cu' -o -name '*.cuh' -o \
	  -name '*.sh' -o -name '*.mk' -o -name '*.py' -o -name Makefile \) -exec env LC_ALL=C awk \
	  '{ line = $$0; gsub(/[\200-\277]/, "", line) } \
	   length(line) > 120 { print FILENAME ":" FNR ": " length(line) " columns, of at most 120"; n++ } \
	   END { exit n > 0 }' {} +
include .ci/jobs.mk

demo: $(BUILD)/swax ## train a small network on this repository's own text with the reference kernels: the loss falls
	rm -rf $(BUILD)/demo
	$(BUILD)/swax train out=$(BUILD)/demo file='ref/*.[ch]' tier=ref mixers='swa mlstm swa mlstm' width=32 length=64 \
	  batch=4 steps=100 window=16 input_gate_bias=-3 rate=0.005

# ---- install: PREFIX says where, DESTDIR (for packagers) puts a folder before it
HEADERS := ref/installed/kernels.h ref/bf16.h ref/tier.h ref/network/config.h ref/network/network.h
HEADERS += ref/oracle/opspec.h ref/oracle/oracle.h
INTO     = $(DESTDIR)$(PREFIX)
install: all ## install program, library, headers, pkg-config file and man page under PREFIX
	mkdir -p "$(INTO)/bin" "$(INTO)/lib/pkgconfig" "$(INTO)/lib/swax" "$(INTO)/include/swax/ref" \
	  "$(INTO)/share/man/man1" "$(INTO)/share/swax/swax_verify"
	install -m 755 $(BUILD)/swax "$(INTO)/bin/swax"
	install -m 644 $(BUILD)/libswax.a "$(INTO)/lib/libswax.a"
	install -m 755 $(BUILD)/libswax.so "$(INTO)/lib/swax/libswax.so"
	install -m 644 $(HEADERS) "$(INTO)/include/swax"
	install -m 644 ref/kernels.h ref/real.h "$(INTO)/include/swax/ref"
	install -m 644 tools/swax.1 "$(INTO)/share/man/man1/swax.1"
	install -m 644 tools/python/swax_verify/*.py "$(INTO)/share/swax/swax_verify"
	printf '%s\n' 'prefix=$(PREFIX)' 'Name: swax' \
	  'Description: reference kernels and network of SWAX (arXiv 2509.24552)' 'Version: $(VERSION)' \
	  'Cflags: -I"$${prefix}/include"' 'Libs: -L"$${prefix}/lib" -lswax $(LIBS) $(OPENMP)' \
	  > "$(INTO)/lib/pkgconfig/swax.pc"

man: $(BUILD)/swax ## write the man page again, from the tables of keys
	$(BUILD)/swax help man > tools/swax.1

deps: ## install what the tests need (Check, pkg-config) with the system's package manager
	@sh tests/deps.sh

test-hf: $(BUILD)/swax $(BUILD)/hf_logits ## what `swax convert` writes, in transformers, which PYTHON has, and torch
	$(or $(PYTHON),python3) tests/hf/check_hf.py $(BUILD)/swax $(BUILD)/hf_logits
$(BUILD)/hf_logits.o: tests/hf/logits.c $(BUILD)/compiler ; $(call step,CC) $(TOOL) -c $< -o $@
$(BUILD)/hf_logits: $(BUILD)/hf_logits.o $(BUILD)/libtools.a $(BUILD)/libswax.a
	$(call step,LINK) $(LINK) $^ -o $@ $(LIBS) $(LDLIBS)

ablation: $(BUILD)/swax ## the paper's finding at reduced scale: ablation-quick/report.html; stopped, it goes on
	$(BUILD)/swax ablate quick
ablation-smoke: $(BUILD)/swax ## every part of the ablation in under a minute, claiming nothing
	$(BUILD)/swax ablate smoke
corpus: $(BUILD)/swax ## source text to train on, in corpus/: Debian's linux-source, or corpus=FOLDER
	megabytes=$(or $(megabytes),1000) sh data/corpus.sh $(BUILD)/swax corpus $(corpus)
clean: ; rm -rf $(BUILD)
help: ## this screen
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@sed -n 's/^#: /  /p' $(MAKEFILE_LIST)

-include $(shell find $(BUILD) -name "*.d" 2>/dev/null)
.SECONDARY:
.PHONY: FORCE all test test-hf format-check demo install man ablation ablation-smoke deps corpus clean help
