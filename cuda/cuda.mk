# cuda.mk - the CUDA tier.  Compiling it takes minutes: it is built where this machine shows a card, where NVCC names a
# compiler, and where CUDA=1 asks for it; CUDA=0, or an empty NVCC=, leaves it out.
# Machine code for sm_80 and sm_90a, and PTX that the driver compiles for newer cards.
ifeq ($(origin CUDA),undefined)
CUDA      := $(if $(or $(NVCC),$(wildcard /dev/nvidia[0-9]*),$(shell nvidia-smi -L 2>/dev/null)),1,0)
endif
NVCC      ?= $(firstword $(shell command -v nvcc) $(wildcard /usr/local/cuda/bin/nvcc))
CUDA_HOME := $(if $(NVCC),$(patsubst %/bin/nvcc,%,$(realpath $(shell command -v $(NVCC)))))
CUDA_MAJOR := $(if $(CUDA_HOME),$(shell $(NVCC) --version | sed -n 's/.*release \([0-9]*\)\..*/\1/p'))
CUDA_LIB  := $(firstword $(dir $(wildcard $(patsubst %,$(CUDA_HOME)/%/libcublasLt.so,\
                                            lib64 lib targets/x86_64-linux/lib targets/sbsa-linux/lib))))
# what is missing, the first of these: a compiler, one that is there, one that is new enough, the library of products
CUDA_LACKS := $(strip $(if $(NVCC),,no nvcc in PATH or /usr/local/cuda/bin))
CUDA_LACKS := $(or $(CUDA_LACKS),$(if $(CUDA_HOME),,$(NVCC) is not there))
CUDA_KNOWN := 12 13 14 15 16 17 18 19
CUDA_LACKS := $(or $(CUDA_LACKS),$(if $(filter $(CUDA_KNOWN),$(CUDA_MAJOR)),,nvcc $(CUDA_MAJOR) is older than 12))
CUDA_LACKS := $(or $(CUDA_LACKS),$(if $(CUDA_LIB),,no libcublasLt.so under $(CUDA_HOME)))
CUDA_WHY  := $(if $(filter 1,$(CUDA)),$(CUDA_LACKS),no card is seen here, or CUDA=0 (CUDA=1 builds it all the same))
$(if $(filter 1file,$(CUDA)$(origin CUDA)),,\
  $(if $(filter 1,$(CUDA)),$(if $(CUDA_WHY),$(error CUDA=1, but $(CUDA_WHY)))))
CUDA_GEN  ?= -gencode arch=compute_80,code=[sm_80,compute_80] -gencode arch=compute_90a,code=sm_90a
NVCC_FLAGS = -I. -Iref -std=c++20 -O3 --extended-lambda --default-stream per-thread -MMD -MP \
             -Xcompiler -fPIC,-Wall,-Wextra $(if $(WERROR),-Werror all-warnings -Xcompiler -Werror) \
             $(CUDA_GEN) $(NVCCFLAGS)

ifeq ($(CUDA_WHY),)
CUDA_SAYS := cuda: building it with nvcc $(CUDA_MAJOR), $(CUDA_HOME)
HAVE += -DSWAX_HAVE_cuda
LIB  += $(BUILD)/cuda/cuda.o $(BUILD)/cuda/matmul.o $(foreach p,f32 f64 bf16,$(BUILD)/cuda/kernels_$(p).o) \
        $(patsubst %.cu,$(BUILD)/%.o,$(wildcard cuda/*_bf16.cu))
# the static runtime where the toolkit has one, so that a program needs no more than the driver and cuBLASLt
LIBS += -L$(CUDA_LIB) -Wl,-rpath,$(CUDA_LIB) $(if $(wildcard $(CUDA_LIB)libcudart_static.a),-lcudart_static,-lcudart) \
        -lcublasLt -lstdc++ -ldl -lrt -lpthread

COMPILER_CUDA = $(strip $(NVCC) $(CUDA_HOME) $(NVCC_FLAGS))
$(eval $(call settings,nvcc,COMPILER_CUDA))
DEVICE = $(NVCC) $(NVCC_FLAGS)
$(BUILD)/cuda/kernels_f32.o:  cuda/kernels.cu $(BUILD)/nvcc ; $(call step,NVCC) $(DEVICE) -c $< -o $@
$(BUILD)/cuda/kernels_f64.o:  cuda/kernels.cu $(BUILD)/nvcc ; $(call step,NVCC) $(DEVICE) -DSWAX_F64 -c $< -o $@
$(BUILD)/cuda/kernels_bf16.o: cuda/kernels.cu $(BUILD)/nvcc ; $(call step,NVCC) $(DEVICE) -DSWAX_BF16 -c $< -o $@
$(BUILD)/cuda/%_bf16.o: cuda/%_bf16.cu $(BUILD)/nvcc ; $(call step,NVCC) $(DEVICE) -DSWAX_BF16 -c $< -o $@
$(BUILD)/cuda/%.o: cuda/%.cu $(BUILD)/nvcc ; $(call step,NVCC) $(DEVICE) -c $< -o $@

# what cuda/bench/run.sh runs on a machine with a card
$(BUILD)/cuda_cases: cuda/bench/cases.c cuda/bench/steps.c $(BUILD)/libswax.a
	$(call step,LINK) $(TOOL) $(OPENMP) $(LDFLAGS) $(filter %.c %.a,$^) -o $@ $(LIBS) $(LDLIBS)
CUDA_BENCH := $(filter-out %/cases.c %/steps.c,$(wildcard cuda/bench/*.c))
$(BUILD)/cuda_bench: $(CUDA_BENCH:%.c=$(BUILD)/%.o) $(BUILD)/libswax.a
	$(call step,LINK) $(LINK) $^ -o $@ $(LIBS) $(LDLIBS)
$(BUILD)/cuda/bench/%.o: cuda/bench/%.c $(BUILD)/compiler ; $(call step,CC) $(TOOL) -c $< -o $@
$(BUILD)/cuda/bench/events.o: TOOL += -isystem $(CUDA_HOME)/include
else
CUDA_SAYS := cuda: left out: $(CUDA_WHY)
endif

$(if $(filter clean help deps,$(MAKECMDGOALS)),,$(info $(CUDA_SAYS)))
