/*
 * Packets and responses that a fault holds back or spoils (pvabi/faults.def: delay and
 * reorder of net_tx and net_packet; net_tx_response).
 */
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

/* What becomes of a response to a tx request. False: it is not put into the ring now.
 * *split: it is shown to the guest by itself. */
bool vif_fault_response(struct vif_queue *q, struct netif_tx_response *r, bool *split);
/* One was put into the ring: those that waited for it follow. */
void vif_fault_responded(struct vif_queue *q);

#endif
