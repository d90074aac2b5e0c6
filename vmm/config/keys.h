/* A key of the configuration, and the ways to understand one. */
#ifndef VMM_CONFIG_KEYS_H
#define VMM_CONFIG_KEYS_H

#include "vmm/config/domain_settings.h"

struct config_key {
	const char *key;
	/* 0, or negative errno and a sentence with the place. */
	int (*set)(struct settings_reader *r, const struct config_setting *s,
		   const struct config_key *k);
	size_t offset; /* of its member in struct domain_settings */
	unsigned min, max;
	const char *note; /* of a key that is not used: why, or what it would be */
};

extern const struct config_key config_keys[]; /* key NULL ends it */

/* key_set.c: into the member, a const char * or an unsigned. */
int key_set_string(struct settings_reader *r, const struct config_setting *s,
		   const struct config_key *k);
int key_set_number(struct settings_reader *r, const struct config_setting *s,
		   const struct config_key *k);
int key_set_name(struct settings_reader *r, const struct config_setting *s,
		 const struct config_key *k);
int key_set_uuid(struct settings_reader *r, const struct config_setting *s,
		 const struct config_key *k);
/* k->min: the SHUTDOWN_* code. */
int key_set_action(struct settings_reader *r, const struct config_setting *s,
		   const struct config_key *k);
/* k->key is the kind's option. No such kind: the note says why. */
int key_set_devices(struct settings_reader *r, const struct config_setting *s,
		    const struct config_key *k);
int key_set_time_offset(struct settings_reader *r, const struct config_setting *s,
			const struct config_key *k);
int key_set_cpus(struct settings_reader *r, const struct config_setting *s,
		 const struct config_key *k);
int key_set_hugepages(struct settings_reader *r, const struct config_setting *s,
		      const struct config_key *k);
int key_set_bootloader_args(struct settings_reader *r, const struct config_setting *s,
			    const struct config_key *k);
/* Warns, or fails, with the note unless the value asks for nothing: "", 0, [ ]. */
int key_warn(struct settings_reader *r, const struct config_setting *s, const struct config_key *k);
int key_refuse(struct settings_reader *r, const struct config_setting *s,
	       const struct config_key *k);
/* Takes any value: nothing is lost. */
int key_accept(struct settings_reader *r, const struct config_setting *s,
	       const struct config_key *k);

/* A warning about this place. */
void settings_warn(struct settings_reader *r, const struct config_setting *s, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
