/* fuzz.h - a harness is one file here: what it does with any bytes at all.  It must not crash, hang or read what is not
 * its own; what it answers does not matter.  driver.c feeds it, or libFuzzer, where clang has it. */
#ifndef SWAX_FUZZ_H
#define SWAX_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* file.c: put the bytes into a file of that name, in a folder of this process's own, in memory where that can be had:
 * its path.  A checksum that a safetensors file claims is made right first: it would end every try at the door. */
const char *fuzz_file(const char *name, const uint8_t *data, size_t size);
const char *fuzz_folder(void);

#endif
