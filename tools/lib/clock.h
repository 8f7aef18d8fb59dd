/* clock.h - time that passes. */
#ifndef SWAX_CLOCK_H
#define SWAX_CLOCK_H

double clock_seconds(void);      /* since some moment, whoever sets the clocks of the system */
double clock_processor(void);    /* seconds of the processor that all threads of this process have had */

#endif
