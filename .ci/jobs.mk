# jobs.mk - what CI runs beside `make test`.  Each job is a target of its own and builds in a folder of its own; what it
# needs beyond a compiler is installed by `sh tests/deps.sh WORD`, the word behind the target's name.
apart  = $(MAKE) BUILD=$(BUILD)/$(@:test-%=%) CUDA=0
SHIM   = CHECK_CFLAGS=-Itests/shim CHECK_LIBS=
# warnings are for the builds of gcc and clang to judge: a sanitizer's frames are larger.
# where a job runs on a build that is ten times slower: a sample of the cases, and patience
SAMPLE = EVERY=16 SWAX_VMATH_STRIDE=65537 CK_TIMEOUT_MULTIPLIER=10
# ... and check_tiers in as many processes as there are SHARDS; idle threads sleep: an emulator's would keep a core busy
SHARDS ?= 1/2 2/2
shards  = printf '%s\n' $(SHARDS) | \
          EVERY=16 OMP_WAIT_POLICY=passive xargs -P $(words $(SHARDS)) -I SHARD env SHARD=SHARD
# the kernels and their checks alone, without the program
KERNELS = CHECK_PARTS='$(patsubst %,$(BUILD)/$(@:test-%=%)/tests/%.o,cases suite)'
CLANG ?= $(firstword $(foreach n,22 21 20 19 18 17 16 15 14,$(shell command -v clang-$(n))) clang)

# what `make test` takes a part of
LONG_CHECKS := $(patsubst %,$(BUILD)/check_%,tiers verify verify_tiles verify_files honest threads)
test-long: $(LONG_CHECKS) ## the sweeps that `make test` takes a part of, in full: half an hour
	LONG=yes CK_TIMEOUT_MULTIPLIER=4 sh tests/run.sh $(LONG_CHECKS)

test-clang: ## every check, built by clang: the newest clang-N in PATH, or CLANG=
	+$(apart) CC=$(CLANG) test

# (a test that ends need not free what it read, so leaks are fuzzing's to find; gcc 13 puts vectors into frames that it
# does not align, GCC bug 110027, while it looks for uses after return; a test that crashes on purpose says so by its
# signal)
SANITIZERS = -fsanitize=address,undefined -fno-sanitize-recover=undefined
sanitize: export ASAN_OPTIONS ?= detect_leaks=0:detect_stack_use_after_return=0:handle_segv=0
sanitize: ## every check under AddressSanitizer and UndefinedBehaviorSanitizer
	+$(SAMPLE) $(apart) WERROR= CFLAGS='$(CFLAGS) -O1' SAN='$(SANITIZERS)' test

# ThreadSanitizer has to see what OpenMP's runtime synchronises: LLVM's libomp tells it through archer, gcc's does not.
# Tiers divide their work by the same text, so the first one stands for all.
LLVM_LIBS = $(shell $(CLANG) -print-resource-dir)/../.. /usr/lib/llvm-*/lib
ARCHER = $(firstword $(wildcard $(foreach d,$(LLVM_LIBS),$(d)/libarcher.so)))
test-tsan: ## check_threads under ThreadSanitizer: clang's OpenMP runtime with archer
	@[ -n "$(ARCHER)" ] || { echo 'test-tsan needs libarcher.so, which comes with the libomp of $(CLANG)'; exit 1; }
	+$(apart) CC=$(CLANG) TIERS=$(firstword $(TIERS)) WERROR= CFLAGS='$(CFLAGS) -O1' SAN=-fsanitize=thread \
	  $(SHIM) $(KERNELS) $(BUILD)/tsan/check_threads
	OMP_TOOL_LIBRARIES=$(ARCHER) TSAN_OPTIONS='ignore_noninstrumented_modules=1 halt_on_error=1' \
	  $(BUILD)/tsan/check_threads

# _exit would leave without writing the counts: a child that calls it leaves by exit here
coverage: ## every check, and how many lines and branches of each room it ran
	+CK_TIMEOUT_MULTIPLIER=4 $(apart) WERROR= CFLAGS='$(CFLAGS) -O1' SAN=--coverage \
	  CPPFLAGS='$(CPPFLAGS) -D_exit=exit' test
	sh tests/coverage.sh $(BUILD)/coverage

# as somebody builds it for the machine in front of him
test-native: ## check_tiers, built with CFLAGS="-O3 -march=native"
	+$(apart) CFLAGS='$(CFLAGS) -O3 -march=native' $(SHIM) $(KERNELS) $(BUILD)/native/check_tiers
	$(shards) $(BUILD)/native/check_tiers

# NEON on another machine
NEON_CC  ?= aarch64-linux-gnu-gcc
EMULATOR ?= qemu-aarch64
test-neon: ## check the NEON tier, cross-compiled, under qemu
	+$(apart) CC='$(NEON_CC) -static' $(SHIM) $(KERNELS) $(BUILD)/neon/check_tiers $(BUILD)/neon/check_vmath
	REQUIRE=neon; export REQUIRE; $(shards) $(EMULATOR) $(BUILD)/neon/check_tiers
	SWAX_VMATH_STRIDE=65537 $(EMULATOR) $(BUILD)/neon/check_vmath

# another C library, no shared objects, no OpenMP: the program, and the checks of the kernels, the network and the files
ELSEWHERE = tiers golden grad model json io data train
test-musl: ## musl, linked statically: the program builds, and the checks of kernels, network, files and training pass
	+$(apart) CC=musl-gcc LDFLAGS='$(LDFLAGS) -static' $(SHIM) $(BUILD)/musl/swax $(ELSEWHERE:%=$(BUILD)/musl/check_%)
	EVERY=16 sh tests/run.sh $(ELSEWHERE:%=$(BUILD)/musl/check_%)

# the program is for POSIX; the library and the oracle are not
WINDOWS_CC ?= x86_64-w64-mingw32-gcc
WINE       ?= $(firstword $(shell command -v wine64 wine) $(wildcard /usr/lib/wine/wine64))
test-windows: ## Windows: library and oracle, cross-compiled by mingw, pass check_tiers under wine
	+$(apart) CC='$(WINDOWS_CC) -static' WERROR= $(SHIM) $(KERNELS) $(BUILD)/windows/libswax.a $(BUILD)/windows/check_tiers
	REQUIRE= WINEDEBUG=-all; export REQUIRE WINEDEBUG; $(shards) $(WINE) $(BUILD)/windows/check_tiers.exe

# zig brings macOS's headers and a linker: `pip install ziglang`
ZIG ?= python3 -m ziglang
test-macos: test-macos-arm64 test-macos-x86_64 ## macOS: program and library, cross-compiled for arm64 and x86-64 by zig
test-macos-arm64 test-macos-x86_64:
	+$(apart) CC='$(ZIG) cc -target $(subst arm64,aarch64,$(@:test-macos-%=%))-macos' AR='$(ZIG) ar' \
	  MACHINE=$(@:test-macos-%=%)-apple-darwin $(BUILD)/$(@:test-%=%)/swax $(BUILD)/$(@:test-%=%)/libswax.a

# any bytes at all: tests/fuzz/*.c, from tests/fuzz/corpus, for SECONDS in all or RUNS tries each, whichever ends first.
# FUZZ_ENGINE=libfuzzer lets clang's look for new paths, instead of our own tries, which can be counted and repeated.
FUZZ        := $(filter-out driver file,$(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/*.c)))
SECONDS     ?= 80
RUNS        ?= 1000000000
FUZZ_SEED   ?= 1
FUZZ_ENGINE ?= ours
FUZZ_CC      = $(if $(filter libfuzzer,$(FUZZ_ENGINE)),CC=$(CLANG))
FUZZ_SAN     = $(SANITIZERS)$(if $(filter libfuzzer,$(FUZZ_ENGINE)), -fsanitize=fuzzer-no-link)
EACH         = $(shell expr $(SECONDS) / $(words $(FUZZ)))
fuzz: export ASAN_OPTIONS  ?= abort_on_error=1:detect_leaks=1
fuzz: export UBSAN_OPTIONS ?= abort_on_error=1:print_stacktrace=1
fuzz: ## any bytes at all to every reader of files, under AddressSanitizer and UndefinedBehaviorSanitizer, for SECONDS
	+$(apart) TIERS= WERROR= $(FUZZ_CC) CFLAGS='$(CFLAGS) -O1' SAN='$(FUZZ_SAN)' FUZZ_ENGINE=$(FUZZ_ENGINE) \
	  $(FUZZ:%=$(BUILD)/fuzz/fuzz_%)
	@for f in $(FUZZ); do \
	   if [ $(FUZZ_ENGINE) = ours ]; then \
	     $(BUILD)/fuzz/fuzz_$$f tests/fuzz/corpus/$$f seconds=$(EACH) runs=$(RUNS) seed=$(FUZZ_SEED) || exit 1; \
	   else mkdir -p $(BUILD)/fuzz/found/$$f && $(BUILD)/fuzz/fuzz_$$f -max_total_time=$(EACH) -runs=$(RUNS) \
	     -print_final_stats=1 $(BUILD)/fuzz/found/$$f tests/fuzz/corpus/$$f || exit 1; fi; done
$(BUILD)/fuzz_%: tests/fuzz/%.c tests/fuzz/driver.c tests/fuzz/file.c $(BUILD)/libtools.a $(BUILD)/libswax.a
	$(call step,FUZZ) $(TEST) $(LDFLAGS) $(if $(filter libfuzzer,$(FUZZ_ENGINE)),-fsanitize=fuzzer) \
	  $(if $(filter libfuzzer,$(FUZZ_ENGINE)),$(filter-out %/driver.c,$(filter %.c %.a,$^)),$(filter %.c %.a,$^)) \
	  -o $@ $(LIBS) $(LDLIBS)
$(BUILD)/fuzz_%: CHECK_CFLAGS =
$(BUILD)/fuzz_%: CHECK_LIBS =

# SIGKILL at any moment: KILLS of a training run, and a fifth as many of an ablation
KILLS ?= 50
kills: $(BUILD)/swax $(BUILD)/kills ## kill train and ablate at any moment, KILLS times, and compare what they end in
	$(BUILD)/kills $(BUILD)/swax train $(KILLS)
	$(BUILD)/kills $(BUILD)/swax ablate $(shell expr $(KILLS) / 5 + 1)
# every EVERY-th call for files, and for memory, that fails in turn, in every command; glibc only
FAULTS_EVERY ?= 1
harm: $(BUILD)/swax $(BUILD)/harm_faults $(BUILD)/harm_shim.so ## let every call for files or memory fail in turn
	$(BUILD)/harm_faults $(BUILD)/swax $(BUILD)/harm_shim.so files all $(FAULTS_EVERY)
	$(BUILD)/harm_faults $(BUILD)/swax $(BUILD)/harm_shim.so memory all $(FAULTS_EVERY)
$(BUILD)/harm_faults: tests/harm/faults.c $(BUILD)/compiler ; $(call step,LINK) $(TEST) $< -o $@
$(BUILD)/harm_shim.so: tests/harm/shim.c $(BUILD)/compiler ; $(call step,LINK) $(TEST) -shared -fPIC $< -o $@ -ldl
$(BUILD)/harm_faults $(BUILD)/harm_shim.so: CHECK_CFLAGS =
$(BUILD)/kills: tests/harm/kills.c $(BUILD)/compiler ; $(call step,LINK) $(TEST) $< -o $@
$(BUILD)/kills: CHECK_CFLAGS =

# COUNT changes of the code, drawn by SEED, in all of ref/ and tools/ or in FILES: does a check notice each?
COUNT ?= 40
SEED  ?= 16
mutants: ## plant COUNT small changes in the code (SEED, FILES), one at a time: each should be noticed by a check
	sh tests/mutants/run.sh $(COUNT) $(SEED) $(FILES)

test-install: ## programs in C and C++ that were given `make install`'s files alone
	+$(MAKE) install DESTDIR= PREFIX=$(abspath $(BUILD))/installed
	sh tests/install.sh $(abspath $(BUILD))/installed $(CC) $(CXX)

# for whoever has no compiler: no OpenMP, whose library is not among those that a wheel may take for granted
WHEEL_LINK = -s -Wl,--gc-sections,--version-script=tools/python/exports.map
wheel-library: $(BUILD)/wheel/libswax.so
$(BUILD)/wheel/libswax.so: FORCE
	+$(MAKE) BUILD=$(BUILD)/wheel/objects CUDA=0 OPENMP= CFLAGS='$(CFLAGS) -g0 -ffunction-sections -fdata-sections' \
	  $(BUILD)/wheel/objects/libswax.so LDFLAGS='$(LDFLAGS) $(if $(call is,linux),$(WHEEL_LINK))'
	cp $(BUILD)/wheel/objects/libswax.so $@

wheel: wheel-library ## wheels of swax-verify in build/dist: for this machine, and for aarch64 where NEON_CC is there
	+if command -v $(NEON_CC) >/dev/null; then $(MAKE) BUILD=$(BUILD)/aarch64 CC=$(NEON_CC) CUDA=0 wheel-library; fi
	python3 tools/python/build_wheel.py $(BUILD)/dist $(BUILD)/wheel/libswax.so \
	  $$(ls $(BUILD)/aarch64/wheel/libswax.so 2>/dev/null)

PYTHON ?= python3
test-python: $(BUILD)/libswax.so ## tools/python under Python's own unittest; needs numpy
	SWAX_LIBRARY=$(abspath $(BUILD))/libswax.so $(PYTHON) -m unittest discover -s tests/python -v

test-cuda: ## the CUDA tier compiles
	+$(MAKE) BUILD=$(BUILD)/cuda CUDA=1 all

.PHONY: test-long test-clang sanitize test-tsan coverage test-native test-neon test-musl test-windows test-macos \
        test-macos-arm64 test-macos-x86_64 test-install test-python wheel wheel-library test-cuda fuzz kills \
        harm mutants
