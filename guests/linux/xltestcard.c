/*
 * A driver for Xenolith's test card (devices/pci/testcard.h), for Debian's unmodified kernel:
 * nothing in that kernel binds to a card of this kind with MSI or MSI-X, and user space
 * cannot, as Debian builds vfio without its mode for machines that have no IOMMU. It asks the
 * kernel for the kind of interrupts that the parameter `irqs` names, tries every part of the
 * card, and says what it saw, a fact a line. Then it is there for errors to recover from.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/version.h>
#include <asm/xen/hypercall.h>

#include "devices/pci/testcard.h"

static char *irqs = "msix";
module_param(irqs, charp, 0444);
static unsigned int rounds;
module_param(rounds, uint, 0444);

struct card {
	struct pci_dev *pdev;
	void __iomem *bar;
	unsigned int nr_vectors;
	bool is_line;
	atomic_t seen[TESTCARD_CAUSES];
	atomic_t strange; /* interrupts without a cause */
	atomic_t vectors;  /* bit n: vector n came */
};

static irqreturn_t on_interrupt(int irq, void *arg)
{
	struct card *c = arg;
	u32 causes = readl(c->bar + TESTCARD_CAUSE);

	if (!causes || causes == ~0u) {
		atomic_inc(&c->strange);
		return c->is_line ? IRQ_NONE : IRQ_HANDLED;
	}
	for (unsigned int i = 0; i < c->nr_vectors; i++)
		if (pci_irq_vector(c->pdev, i) == irq)
			atomic_or(1 << i, &c->vectors);
	writel(causes, c->bar + TESTCARD_CAUSE);
	for (unsigned int n = 0; n < TESTCARD_CAUSES; n++)
		if (causes & 1 << n)
			atomic_inc(&c->seen[n]);
	return IRQ_HANDLED;
}

/* A write that must be answered by cause n, once more than before; false after 5 s. */
static bool await(struct card *c, unsigned int n, int before)
{
	ktime_t end = ktime_add_ms(ktime_get(), 5000);

	while (atomic_read(&c->seen[n]) == before) {
		if (ktime_after(ktime_get(), end))
			return false;
		cpu_relax();
	}
	return true;
}

static void test_interrupts(struct card *c)
{
	unsigned int arrived = 0;

	for (unsigned int n = 0; n < TESTCARD_CAUSES; n++) {
		int before = atomic_read(&c->seen[n]);

		writel(1 << n, c->bar + TESTCARD_RAISE);
		arrived += await(c, n, before) && atomic_read(&c->seen[n]) == before + 1;
	}
	msleep(20);
	pr_info("xltestcard: %s: %u vectors, %u of 8 causes, vectors seen %#x, strange %d\n", irqs,
		c->nr_vectors, arrived, (unsigned int)atomic_read(&c->vectors),
		atomic_read(&c->strange));
	/* One that the card loses does not come, and the next one does. */
	int before = atomic_read(&c->seen[2]);
	writel(1, c->bar + TESTCARD_LOSE);
	writel(4, c->bar + TESTCARD_RAISE);
	msleep(50);
	bool lost = atomic_read(&c->seen[2]) == before;
	writel(4, c->bar + TESTCARD_RAISE);
	pr_info("xltestcard: lost %d, then %d\n", lost, await(c, 2, before));
	/* A storm passes. */
	before = atomic_read(&c->seen[0]);
	writel(1000, c->bar + TESTCARD_STORM);
	msleep(200);
	writel(0, c->bar + TESTCARD_STORM);
	msleep(20);
	pr_info("xltestcard: storm %d\n", atomic_read(&c->seen[0]) > before);
	before = atomic_read(&c->seen[1]);
	writel(0, c->bar + TESTCARD_BELL);
	bool rang = await(c, 1, before);
	pr_info("xltestcard: doorbell %d %u\n", rang, readl(c->bar + TESTCARD_BELLS));
}

static void test_registers(struct card *c)
{
	void __iomem *ports = pci_iomap(c->pdev, 2, 0);
	u32 sum = 0, back = 0;
	bool same;

	writel(0x12345678, c->bar + TESTCARD_SCRATCH);
	writeb(0xaa, c->bar + TESTCARD_SCRATCH + 2);
	pr_info("xltestcard: memory %x %x %x\n", readl(c->bar + TESTCARD_ID),
		readl(c->bar + TESTCARD_SCRATCH), readw(c->bar + TESTCARD_SCRATCH + 1));
	if (ports) {
		iowrite32(0xfeedf00d, ports + TESTCARD_SCRATCH);
		iowrite8(0x11, ports + TESTCARD_SCRATCH);
		pr_info("xltestcard: ports %x %x %x\n", ioread32(ports + TESTCARD_ID),
			ioread32(ports + TESTCARD_SCRATCH), ioread16(ports + TESTCARD_SCRATCH + 2));
		pci_iounmap(c->pdev, ports);
	}
	for (unsigned int i = 0; i < TESTCARD_MEMORY; i += 4) {
		writel(i * 2654435761u, c->bar + TESTCARD_PAGE + i);
		sum ^= i * 2654435761u;
	}
	for (unsigned int i = 0; i < TESTCARD_MEMORY; i += 4)
		back ^= readl(c->bar + TESTCARD_PAGE + i);
	same = sum == back && readl(c->bar + TESTCARD_PAGE + 40) == 40 * 2654435761u;
	pr_info("xltestcard: page %d\n", same);
}

static u32 dma(struct card *c, u64 address, u32 len, u32 offset, u32 control)
{
	writel((u32)address, c->bar + TESTCARD_DMA_ADDRESS);
	writel((u32)(address >> 32), c->bar + TESTCARD_DMA_ADDRESS_HI);
	writel(len, c->bar + TESTCARD_DMA_LENGTH);
	writel(offset, c->bar + TESTCARD_DMA_OFFSET);
	writel(~0u, c->bar + TESTCARD_DMA_STATUS);
	writel(control | TESTCARD_DMA_START, c->bar + TESTCARD_DMA_CONTROL);
	return readl(c->bar + TESTCARD_DMA_STATUS);
}

static void test_dma(struct card *c)
{
	dma_addr_t at;
	u8 *mem = dma_alloc_coherent(&c->pdev->dev, 2 * PAGE_SIZE, &at, GFP_KERNEL);
	int before = atomic_read(&c->seen[5]);
	u32 to, from, bad, beyond;
	bool same = true;

	if (!mem)
		return;
	for (unsigned int i = 0; i < PAGE_SIZE; i++)
		mem[i] = (u8)(i * 31 + 7);
	to = dma(c, at, PAGE_SIZE, 0, 0);
	for (unsigned int i = 0; i < PAGE_SIZE; i += 97)
		same &= readb(c->bar + TESTCARD_PAGE + i) == (u8)(i * 31 + 7);
	/* Back, to the second page, across nothing but it. */
	from = dma(c, at + PAGE_SIZE + 16, PAGE_SIZE - 32, 16,
		   TESTCARD_DMA_TO_HOST | TESTCARD_DMA_IRQ | 5 << 8);
	same &= await(c, 5, before);
	for (unsigned int i = 16; i < PAGE_SIZE - 16; i++)
		same &= mem[PAGE_SIZE + i] == (u8)(i * 31 + 7);
	same &= !mem[PAGE_SIZE + 15] && !mem[2 * PAGE_SIZE - 16];
	bad = dma(c, 1ull << 45, 64, 0, TESTCARD_DMA_TO_HOST);
	beyond = dma(c, at, 64, TESTCARD_MEMORY - 32, 0);
	pr_info("xltestcard: dma %x %x %d, bad address %x, bad bounds %x\n", to, from, same, bad,
		beyond);
	dma_free_coherent(&c->pdev->dev, 2 * PAGE_SIZE, mem, at);
}

/* ns each, for ratios: a hypercall that does nothing, a register, the configuration space
 * through pciback, an interrupt from the write that raises it to its handler. */
static void measure(struct card *c)
{
	u64 t[5];
	u32 val;

	t[0] = ktime_get_ns();
	for (unsigned int i = 0; i < rounds; i++)
		HYPERVISOR_xen_version(0, NULL);
	t[1] = ktime_get_ns();
	for (unsigned int i = 0; i < rounds; i++)
		readl(c->bar + TESTCARD_SCRATCH);
	t[2] = ktime_get_ns();
	for (unsigned int i = 0; i < rounds; i++)
		pci_read_config_dword(c->pdev, PCI_VENDOR_ID, &val);
	t[3] = ktime_get_ns();
	for (unsigned int i = 0; i < rounds; i++) {
		int before = atomic_read(&c->seen[3]);

		writel(8, c->bar + TESTCARD_RAISE);
		if (!await(c, 3, before))
			return;
	}
	t[4] = ktime_get_ns();
	pr_info("xltestcard: ns: hypercall %llu register %llu config %llu interrupt %llu\n",
		(t[1] - t[0]) / rounds, (t[2] - t[1]) / rounds, (t[3] - t[2]) / rounds,
		(t[4] - t[3]) / rounds);
}

static int get_interrupts(struct card *c)
{
	unsigned int flag = !strcmp(irqs, "msix") ? PCI_IRQ_MSIX :
			    !strcmp(irqs, "msi")  ? PCI_IRQ_MSI :
						    PCI_IRQ_LEGACY;
	int n = pci_alloc_irq_vectors(c->pdev, 1, TESTCARD_CAUSES, flag), rc;

	if (n < 0)
		return n;
	c->is_line = flag == PCI_IRQ_LEGACY;
	for (; c->nr_vectors < n; c->nr_vectors++) {
		rc = request_irq(pci_irq_vector(c->pdev, c->nr_vectors), on_interrupt,
				 c->is_line ? IRQF_SHARED : 0, "xltestcard", c);
		if (rc)
			return rc;
	}
	return 0;
}

static void put_interrupts(struct card *c)
{
	while (c->nr_vectors)
		free_irq(pci_irq_vector(c->pdev, --c->nr_vectors), c);
	pci_free_irq_vectors(c->pdev);
}

static ssize_t report_store(struct device *dev, struct device_attribute *attr, const char *buf,
			    size_t len)
{
	struct card *c = dev_get_drvdata(dev);
	unsigned long reg, val;

	/* "REGISTER VALUE": what a test wants of the card. */
	if (sscanf(buf, "%lx %lx", &reg, &val) != 2 || reg >= TESTCARD_BAR || reg % 4)
		return -EINVAL;
	writel((u32)val, c->bar + reg);
	return len;
}
static DEVICE_ATTR(write_register, 0200, NULL, report_store);

static int probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct card *c = devm_kzalloc(&pdev->dev, sizeof(*c), GFP_KERNEL);
	int rc;

	if (!c)
		return -ENOMEM;
	c->pdev = pdev;
	pci_set_drvdata(pdev, c);
	rc = pcim_enable_device(pdev);
	if (!rc)
		rc = pcim_iomap_regions(pdev, 1, "xltestcard");
	if (!rc)
		rc = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (rc)
		return rc;
	c->bar = pcim_iomap_table(pdev)[0];
	if (readl(c->bar + TESTCARD_ID) != TESTCARD_MAGIC) {
		pr_err("xltestcard: its first register is %#x\n", readl(c->bar));
		return -ENODEV;
	}
	writel(1, c->bar + TESTCARD_RESET);
	pci_set_master(pdev);
	test_registers(c);
	rc = get_interrupts(c);
	if (rc) {
		pr_err("xltestcard: no interrupts: %d\n", rc);
		put_interrupts(c);
		return rc;
	}
	writel(0xff, c->bar + TESTCARD_ENABLE);
	test_interrupts(c);
	test_dma(c);
	if (rounds)
		measure(c);
	rc = device_create_file(&pdev->dev, &dev_attr_write_register);
	pr_info("xltestcard: ready %s\n", pci_name(pdev));
	return rc;
}

static void remove(struct pci_dev *pdev)
{
	struct card *c = pci_get_drvdata(pdev);

	device_remove_file(&pdev->dev, &dev_attr_write_register);
	writel(0, c->bar + TESTCARD_ENABLE);
	put_interrupts(c);
	pr_info("xltestcard: removed, the card says %x\n", readl(c->bar + TESTCARD_ID));
}

static pci_ers_result_t error_detected(struct pci_dev *pdev, pci_channel_state_t state)
{
	pr_info("xltestcard: error detected, state %u\n", (unsigned int)state);
	return state == pci_channel_io_frozen ? PCI_ERS_RESULT_NEED_RESET : PCI_ERS_RESULT_CAN_RECOVER;
}

static pci_ers_result_t mmio_enabled(struct pci_dev *pdev)
{
	struct card *c = pci_get_drvdata(pdev);

	pr_info("xltestcard: mmio enabled, id %x\n", readl(c->bar + TESTCARD_ID));
	return PCI_ERS_RESULT_RECOVERED;
}

static pci_ers_result_t slot_reset(struct pci_dev *pdev)
{
	struct card *c = pci_get_drvdata(pdev);

	pci_restore_state(pdev);
	pci_set_master(pdev);
	pr_info("xltestcard: slot reset, id %x, enabled %x\n", readl(c->bar + TESTCARD_ID),
		readl(c->bar + TESTCARD_ENABLE));
	writel(0xff, c->bar + TESTCARD_ENABLE);
	return PCI_ERS_RESULT_RECOVERED;
}

static void resume(struct pci_dev *pdev)
{
	struct card *c = pci_get_drvdata(pdev);
	int before = atomic_read(&c->seen[6]);

	writel(1 << 6, c->bar + TESTCARD_RAISE);
	pr_info("xltestcard: resume, interrupts again %d\n", await(c, 6, before));
}

static const struct pci_error_handlers handlers = {
	.error_detected = error_detected,
	.mmio_enabled = mmio_enabled,
	.slot_reset = slot_reset,
	.resume = resume,
};

static const struct pci_device_id ids[] = {{PCI_DEVICE(TESTCARD_VENDOR, TESTCARD_DEVICE)}, {}};
MODULE_DEVICE_TABLE(pci, ids);

static struct pci_driver xltestcard = {
	.name = "xltestcard",
	.id_table = ids,
	.probe = probe,
	.remove = remove,
	.err_handler = &handlers,
};
module_pci_driver(xltestcard);
MODULE_DESCRIPTION("Xenolith's test card");
MODULE_LICENSE("Dual MIT/GPL");
