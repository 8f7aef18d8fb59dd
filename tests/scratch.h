/* scratch.h - a folder for a test's files, made by main and gone with it. */
#ifndef SWAX_SCRATCH_H
#define SWAX_SCRATCH_H

void scratch_open(void);
void scratch_close(void);
char *scratch(const char *name);      /* the path of a file in it, to be freed */

#endif
