/* Packets that a fault holds back (pvabi/faults.def: delay and reorder of net_tx, net_packet). */
#ifndef DEVICES_NET_VIF_FAULT_H
#define DEVICES_NET_VIF_FAULT_H

#include "devices/net/netback.h"
#include "pvabi/fault.h"

/* Keeps a copy of the packet until its time or until the next one went. False: it cannot. */
bool vif_fault_hold(struct vif_queue *q, bool to_guest, const struct packet *p,
		    const struct fault *f);
/* A packet went this way. */
void vif_fault_passed(struct vif_queue *q, bool to_guest);
/* Lets go what is due, and sees to it that the rest is looked at again. */
void vif_fault_due(struct vif_queue *q);
void vif_fault_forget(struct vif_queue *q);

#endif
