/*
 * A capture file of an interface, in the format of pcap(5) with nanoseconds: Ethernet
 * frames as the guest sent or got them.
 */
#ifndef DEVICES_NET_PCAP_H
#define DEVICES_NET_PCAP_H

#include <stddef.h>

#include "devices/net/packet.h"

struct pcap;

/* Begins the file anew. NULL and a sentence on an error. */
struct pcap *pcap_open(const char *path, char *err, size_t errlen);
/* 0, or negative errno once, when the file cannot be written: it ends there. */
int pcap_frame(struct pcap *c, const struct packet *p);
void pcap_close(struct pcap *c);

#endif
