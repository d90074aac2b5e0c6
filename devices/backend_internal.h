/* Between backend.c and backend_fault.c. */
#ifndef DEVICES_BACKEND_INTERNAL_H
#define DEVICES_BACKEND_INTERNAL_H

#include "devices/backend.h"

void backend_disconnect(struct backend *b);
/* b->state is to be published: true when that is not to be done now. */
bool backend_fault_state(struct backend *b);
void backend_fault_close(struct backend *b);

#endif
