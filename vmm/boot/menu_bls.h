/* GRUB 2's command blscfg: entries in files of their own. For menu_grub2.c. */
#ifndef VMM_BOOT_MENU_BLS_H
#define VMM_BOOT_MENU_BLS_H

#include "vmm/boot/boot_menu.h"
#include "vmm/boot/grub_words.h"

/* Adds them to a menu, the newest first. 0 or -ENOMEM. */
int menu_bls(struct boot_menu *m, int menu, const struct boot_files_source *files,
	     const struct grub_variables *vars);

/* menu_grub2.c: the words of "linux PATH ARGS..." and of "initrd PATH...". */
int grub2_set_kernel(struct boot_entry *e, const struct grub_statement *st);
int grub2_add_initrds(struct boot_entry *e, const struct grub_statement *st);

#endif
