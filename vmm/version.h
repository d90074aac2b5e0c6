/* The program's version: the only place that has it. */
#ifndef VMM_VERSION_H
#define VMM_VERSION_H

#define XENOLITH_VERSION "0.1"

#endif
