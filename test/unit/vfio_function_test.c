/*
 * What a function behind VFIO is to pciback and to the guest: which writes reach the device,
 * what of its BARs is the guest's, and its interrupts. On a stand-in for the kernel.
 */
#include "test/unit/vfio_fixture.h"

/* ---- configuration space ---- */

START_TEST(decoding_stays_on_underneath)
{
	const uint32_t both = PCI_COMMAND_IO | PCI_COMMAND_MEMORY;
	uint32_t val;

	create();
	/* It was off: the guest sees that, the device does not. */
	ck_assert_int_eq(d->ops->config_read(d, PCI_COMMAND, 2, &val), 0);
	ck_assert_uint_eq(val & both, 0);
	ck_assert_uint_eq(stand_in_get(&s, CONFIG, PCI_COMMAND, 2) & both, both);
	d->ops->config_write(d, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	d->ops->config_read(d, PCI_COMMAND, 4, &val);
	ck_assert_uint_eq(val & 0xffff, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	ck_assert_uint_eq(stand_in_get(&s, CONFIG, PCI_COMMAND, 2), both | PCI_COMMAND_MASTER);
	d->ops->config_write(d, PCI_COMMAND, 1, 0);
	d->ops->config_read(d, PCI_COMMAND, 1, &val);
	ck_assert_uint_eq(val, 0);
	ck_assert_uint_eq(stand_in_get(&s, CONFIG, PCI_COMMAND, 2), both);
	/* A byte of another register leaves it alone. */
	d->ops->config_write(d, PCI_COMMAND + 1, 1, PCI_COMMAND_INTX_DISABLE >> 8);
	d->ops->config_read(d, PCI_COMMAND, 2, &val);
	ck_assert_uint_eq(val, PCI_COMMAND_INTX_DISABLE);
}
END_TEST

START_TEST(the_device_stays_awake)
{
	uint32_t val;

	create();
	ck_assert_uint_eq(stand_in_get(&s, CONFIG, 0x40 + PCI_PM_CTRL, 2) & 3, 0);
	d->ops->config_write(d, 0x40 + PCI_PM_CTRL, 2, 3 | PCI_PM_CTRL_PME_ENABLE);
	ck_assert_uint_eq(stand_in_get(&s, CONFIG, 0x40 + PCI_PM_CTRL, 2), PCI_PM_CTRL_PME_ENABLE);
	d->ops->config_read(d, 0x40 + PCI_PM_CTRL, 2, &val);
	ck_assert_uint_eq(val, 3 | PCI_PM_CTRL_PME_ENABLE);
	ck_assert_int_eq(d->ops->reset(d), 0);
	d->ops->config_read(d, 0x40 + PCI_PM_CTRL, 1, &val);
	ck_assert_uint_eq(val, 0);
}
END_TEST

/* ---- BARs ---- */

START_TEST(areas_are_the_devices_memory)
{
	create();
	*(volatile uint32_t *)d->bar[0].area[0].memory = 0x12345678;
	ck_assert_uint_eq(stand_in_get(&s, 0, d->bar[0].area[0].offset, 4), 0x12345678);
	d->ops->bar_write(d, 1, 4, 2, 0xbeef);
	ck_assert_uint_eq(stand_in_get(&s, 1, 4, 2), 0xbeef);
	ck_assert_uint_eq(d->ops->bar_read(d, 1, 4, 1), 0xef);
}
END_TEST

START_TEST(the_table_is_never_the_guests)
{
	create();
	ck_assert_uint_eq(d->bar[0].nr_areas, 2);
	for (unsigned i = 0; i < 2; i++)
		ck_assert(d->bar[0].area[i].offset + d->bar[0].area[i].size <= 0x2000 ||
			  d->bar[0].area[i].offset >= 0x3000);
	ck_assert_uint_eq(d->bar[0].area[0].size + d->bar[0].area[1].size, 0x3000);
	stand_in_set(&s, 0, 0x2000, 4, 0xfee00000);
	for (unsigned at = 0x2000; at < 0x2040; at += 4)
		d->ops->bar_write(d, 0, at, 4, 0xdeadbeef);
	/* Also one that begins before it. */
	d->ops->bar_write(d, 0, 0x1ffc, 8, ~0ull);
	ck_assert_uint_eq(s.writes[0], 0);
	ck_assert_uint_eq(stand_in_get(&s, 0, 0x2000, 4), 0xfee00000);
	ck_assert_uint_eq(d->ops->bar_read(d, 0, 0x2000, 4), 0);
	ck_assert_uint_eq(d->ops->bar_read(d, 0, 0x200c, 4), 1);
	ck_assert_uint_eq(d->ops->bar_read(d, 0, 0x2008, 8), 1ull << 32);
	/* What else is in its page is reached by us. */
	d->ops->bar_write(d, 0, 0x2100, 4, 0x55);
	ck_assert_uint_eq(stand_in_get(&s, 0, 0x2100, 4), 0x55);
	ck_assert_uint_eq(d->ops->bar_read(d, 0, 0x2100, 4), 0x55);
}
END_TEST

START_TEST(only_what_is_listed_is_mapped)
{
	s.nr_sparse = 5;
	s.sparse[0] = (struct vfio_region_sparse_mmap_area){0, 0x1000};
	s.sparse[1] = (struct vfio_region_sparse_mmap_area){0x1800, 0x2800}; /* over the table */
	s.sparse[2] = (struct vfio_region_sparse_mmap_area){0x3000, 0x2000}; /* beyond the end */
	s.sparse[3] = (struct vfio_region_sparse_mmap_area){~0ull - 0xfff, 0x2000};
	s.sparse[4] = (struct vfio_region_sparse_mmap_area){0, 0x1000}; /* again */
	create();
	ck_assert_uint_eq(d->bar[0].nr_areas, 2);
	ck_assert_uint_eq(d->bar[0].area[0].offset, 0);
	ck_assert_uint_eq(d->bar[0].area[0].size, 0x1000);
	ck_assert_uint_eq(d->bar[0].area[1].offset, 0x3000);
	ck_assert_uint_eq(d->bar[0].area[1].size, 0x1000);
	destroy();
	/* None fits whole pages: nothing is mapped. */
	s.nr_sparse = 1;
	s.sparse[0] = (struct vfio_region_sparse_mmap_area){0x10, 0x1000};
	create();
	ck_assert_uint_eq(d->bar[0].nr_areas, 0);
	destroy();
	s.sparse_loop = true;
	create();
}
END_TEST

START_TEST(many_areas_are_as_many_as_there_is_room_for)
{
	s.size[0] = 0x20000;
	s.nr_sparse = 16;
	for (unsigned i = 0; i < 16; i++)
		s.sparse[i] = (struct vfio_region_sparse_mmap_area){i * 0x2000, 0x1000};
	create();
	ck_assert_uint_eq(d->bar[0].nr_areas, PCI_MAX_AREAS);
	d->ops->bar_write(d, 0, 0x1e000, 4, 1);
	ck_assert_uint_eq(s.writes[0], 1);
}
END_TEST

START_TEST(what_is_outside_reads_as_ones)
{
	s.size[0] = 0;
	s.size[2] = 0x80;
	s.flags[2] &= ~(uint32_t)VFIO_REGION_INFO_FLAG_MMAP;
	stand_in_set(&s, CONFIG, 0x50, 4, 0x0009); /* no MSI-X: its BAR is not there */
	create();
	ck_assert_uint_eq(d->bar[2].size, 4096); /* two devices never share a page */
	ck_assert_uint_eq(d->ops->bar_read(d, 2, 0x7c, 4), 0);
	ck_assert_uint_eq(d->ops->bar_read(d, 2, 0x7c, 8), ~0ull);
	ck_assert_uint_eq(d->ops->bar_read(d, 2, 0x80, 2), 0xffff);
	d->ops->bar_write(d, 2, 0x80, 2, 0);
	ck_assert_uint_eq(s.writes[2], 0);
}
END_TEST

/* ---- interrupts ---- */

START_TEST(intx_is_level_triggered)
{
	create();
	ck_assert_int_eq(s.enabled, VFIO_PCI_INTX_IRQ_INDEX);
	stand_in_intx(&s, true);
	settle();
	ck_assert_int_eq(pci_calls.intx, 1);
	ck_assert_uint_eq(pci_calls.intx_raised, 1);
	/* Still asserted at the EOI: again. */
	d->ops->intx_eoi(d);
	settle();
	ck_assert_uint_eq(s.unmasks, 1);
	ck_assert_uint_eq(pci_calls.intx_raised, 2);
	stand_in_intx(&s, false);
	d->ops->intx_eoi(d);
	settle();
	ck_assert_uint_eq(pci_calls.intx_raised, 2);
	ck_assert_int_eq(pci_calls.intx, 0);
	ck_assert_uint_eq(s.unmasks, 2);
}
END_TEST

/* vfio-pci: -EBUSY for a line that is shared and cannot be masked at the device. */
START_TEST(a_card_without_its_line_has_messages)
{
	s.intx_errno = EBUSY;
	create();
	ck_assert_ptr_nonnull(strstr(t->log_last, "shared with a device of the host"));
	ck_assert_int_eq(d->ops->msi_enable(d, 1), 0);
	d->ops->msi_disable(d);
	ck_assert_int_eq(s.enabled, VFIO_PCI_NUM_IRQS);
}
END_TEST

START_TEST(msi_takes_the_place_of_intx)
{
	create();
	stand_in_intx(&s, true);
	settle();
	ck_assert_int_eq(d->ops->msi_enable(d, 4), 0);
	ck_assert_int_eq(s.enabled, VFIO_PCI_MSI_IRQ_INDEX);
	ck_assert_int_eq(pci_calls.intx, 0);
	for (unsigned i = 0; i < 4; i++)
		stand_in_message(&s, i);
	stand_in_message(&s, 2);
	settle();
	ck_assert_uint_eq(pci_calls.msi[0], 1);
	ck_assert_uint_ge(pci_calls.msi[2], 1);
	ck_assert_uint_eq(pci_calls.msi[3], 1);
	ck_assert_int_eq(d->ops->msi_enable(d, 1), -EBUSY);
	ck_assert_int_eq(s.enabled, VFIO_PCI_MSI_IRQ_INDEX);
	d->ops->msi_disable(d);
	ck_assert_int_eq(s.enabled, VFIO_PCI_INTX_IRQ_INDEX);
	d->ops->msi_disable(d);
	ck_assert_int_eq(d->ops->msi_enable(d, 5), -EINVAL);
	ck_assert_int_eq(d->ops->msi_enable(d, 0), -EINVAL);
	ck_assert_int_eq(s.enabled, VFIO_PCI_INTX_IRQ_INDEX);
}
END_TEST

START_TEST(msix_has_the_entries_that_are_named)
{
	const uint16_t entries[] = {3, 0};

	create();
	ck_assert_int_eq(d->ops->msix_enable(d, entries, 2), 0);
	ck_assert_int_eq(s.enabled, VFIO_PCI_MSIX_IRQ_INDEX);
	ck_assert_uint_eq(s.nr_enabled, 4);
	ck_assert_int_lt(s.trigger[1], 0);
	ck_assert_int_lt(s.trigger[2], 0);
	stand_in_message(&s, 3);
	stand_in_message(&s, 1);
	settle();
	ck_assert_uint_eq(pci_calls.msix[3], 1);
	ck_assert_uint_eq(pci_calls.msix[0] + pci_calls.msix[1] + pci_calls.msix[2], 0);
	/* The table says so. */
	ck_assert_uint_eq(d->ops->bar_read(d, 0, 0x200c, 4), 0);
	ck_assert_uint_eq(d->ops->bar_read(d, 0, 0x201c, 4), 1);
	ck_assert_uint_eq(d->ops->bar_read(d, 0, 0x203c, 4), 0);
	d->ops->msix_disable(d);
	ck_assert_uint_eq(d->ops->bar_read(d, 0, 0x203c, 4), 1);
	ck_assert_int_eq(s.enabled, VFIO_PCI_INTX_IRQ_INDEX);
}
END_TEST

START_TEST(bad_entries_are_refused)
{
	const uint16_t beyond[] = {0, 4}, twice[] = {1, 1};

	create();
	ck_assert_int_eq(d->ops->msix_enable(d, beyond, 2), -EINVAL);
	ck_assert_int_eq(d->ops->msix_enable(d, twice, 2), -EINVAL);
	ck_assert_int_eq(s.enabled, VFIO_PCI_INTX_IRQ_INDEX);
	/* The host has not as many. */
	s.vectors_left = 2;
	ck_assert_int_eq(d->ops->msi_enable(d, 4), -ENOSPC);
	ck_assert_int_eq(d->ops->msi_enable(d, 2), 0);
}
END_TEST

START_TEST(errors_and_requests_are_told)
{
	create();
	/* AER: uncorrectable status and severity. */
	stand_in_set(&s, CONFIG, 0x100 + PCI_ERR_UNCOR_STATUS, 4, PCI_ERR_UNC_POISON_TLP);
	ck_assert(!eventfd_write(s.error_fd, 1));
	settle();
	ck_assert_uint_eq(pci_calls.aer[PCI_AER_NONFATAL], 1);
	stand_in_set(&s, CONFIG, 0x100 + PCI_ERR_UNCOR_SEVER, 4, PCI_ERR_UNC_POISON_TLP);
	ck_assert(!eventfd_write(s.error_fd, 1));
	settle();
	ck_assert_uint_eq(pci_calls.aer[PCI_AER_FATAL], 1);
	ck_assert_uint_eq(pci_calls.leaves, 0);
	ck_assert(!eventfd_write(s.request_fd, 1));
	settle();
	ck_assert(!eventfd_write(s.request_fd, 1));
	settle();
	ck_assert_uint_eq(pci_calls.leaves, 1);
	ck_assert(strstr(t->log, "wants " STAND_IN_BDF " back"));
}
END_TEST

START_TEST(a_device_that_was_pulled_out_leaves)
{
	create();
	stand_in_set(&s, CONFIG, 0, 4, ~0u);
	ck_assert(!eventfd_write(s.error_fd, 1));
	settle();
	ck_assert_uint_eq(pci_calls.leaves, 1);
	ck_assert_uint_eq(pci_calls.aer[PCI_AER_FATAL], 0);
}
END_TEST

START_TEST(a_reset_ends_messages)
{
	create();
	d->ops->msi_enable(d, 2);
	ck_assert_int_eq(d->ops->reset(d), 0);
	ck_assert_uint_eq(s.device_resets, 2);
	ck_assert_int_eq(s.enabled, VFIO_PCI_INTX_IRQ_INDEX);
	ck_assert_uint_eq(stand_in_get(&s, CONFIG, PCI_COMMAND, 2),
			  PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
}
END_TEST

START_TEST(a_slot_is_reset_when_all_of_it_is_ours)
{
	s.resets = false;
	create();
	ck_assert_uint_eq(s.hot_resets, 1);
	s.hot_group = STAND_IN_GROUP + 1;
	ck_assert_int_eq(d->ops->reset(d), -EPERM);
	ck_assert_uint_eq(s.hot_resets, 1);
	ck_assert(strstr(t->log_last, "cannot be reset"));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		decoding_stays_on_underneath,
		the_device_stays_awake,
		areas_are_the_devices_memory,
		the_table_is_never_the_guests,
		only_what_is_listed_is_mapped,
		many_areas_are_as_many_as_there_is_room_for,
		what_is_outside_reads_as_ones,
		intx_is_level_triggered,
		a_card_without_its_line_has_messages,
		msi_takes_the_place_of_intx,
		msix_has_the_entries_that_are_named,
		bad_entries_are_refused,
		errors_and_requests_are_told,
		a_device_that_was_pulled_out_leaves,
		a_reset_ends_messages,
		a_slot_is_reset_when_all_of_it_is_ours,
	};
	return RUN_TESTS("vfio_function", setup, teardown, tests);
}
