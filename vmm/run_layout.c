/*
 * Where RAM, the heap and a hole for devices are in a domain's machine.
 */
#include "pvabi/grant_table.h"
#include "vmm/run_internal.h"

#define SUPERPAGE_FRAMES 512UL

static uint64_t superpages(uint64_t frames)
{
	return (frames + SUPERPAGE_FRAMES - 1) & ~(SUPERPAGE_FRAMES - 1);
}

/* Linux's drivers want buffers that are contiguous for the device, and below 4 GiB. */
#define SPARE_FRAMES (64ul << (20 - PAGE_SHIFT))

void machine_lay_out(const struct run_options *o, struct machine_layout *l)
{
	const uint64_t window = PCI_WINDOW_START >> PAGE_SHIFT, end = PCI_HOLE_END >> PAGE_SHIFT;
	uint64_t ram = (o->maxmem_mib << (20 - PAGE_SHIFT)) + MEMORY_SLACK_FRAMES;

	if (guest_wants_hole(o))
		ram += SPARE_FRAMES;
	*l = (struct machine_layout){.ram = ram};
	for (;;) {
		l->heap_start = superpages(l->ram);
		l->heap_frames = domain_heap_frames(l->ram, o->max_vcpus, &o->grants);
		l->heap_frames += monitor_heap_frames(
			l->heap_start + l->heap_frames + SUPERPAGE_FRAMES, o->max_vcpus);
		l->heap_frames = superpages(l->heap_frames);
		if (l->hole_frames || !guest_wants_hole(o) ||
		    l->heap_start + l->heap_frames <= window)
			return;
		l->hole_start = ram < window ? ram : window;
		l->hole_frames = end - l->hole_start;
		l->spare_frames = ram > window ? SPARE_FRAMES : 0;
		l->ram = ram + l->hole_frames;
	}
}
