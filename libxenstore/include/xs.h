/* The old name of xenstore.h. */
#include <xenstore.h>
