/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of planectl share.
 *
 * Functions that can fail return 0 or -1, and have said why on stderr when they
 * return -1.
 */
#ifndef PLANECTL_H
#define PLANECTL_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <linux/kvm_plane_bpf.h>

#define PIN_DIR		"/sys/fs/bpf/planes"

struct options {
	const char *pin_dir;
	bool json;
};

/* Commands */

int cmd_load(const struct options *opts, char **args);
int cmd_list(const struct options *opts, char **args);
int cmd_unload(const struct options *opts, char **args);

/* error.c: what went wrong */

int error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void libbpf_listen(int verbose);
int explain_open(const char *path, int err);
int explain_load(const char *path, int err);
int check_support(void);

/* json.c: what is printed for programs */

void json_begin(const char *key, char bracket);
void json_end(char bracket);
void json_string(const char *key, const char *value);
void json_int(const char *key, long long value);
void json_uint(const char *key, unsigned long long value);
void json_tenths(const char *key, double value);
void json_bool(const char *key, bool value);
void json_null(const char *key);

/* ops.c: a struct kvm_plane_ops, wherever its BTF is from */

struct ops {
	const struct btf *btf;
	const struct btf_type *type;
	const void *data;
};

bool ops_from_object(struct ops *ops, const struct bpf_object *obj, const struct bpf_map *map);
bool ops_from_value(struct ops *ops, const struct btf *btf, __u32 value_type, const void *value);
__u32 ops_abi(const struct ops *ops);
void ops_name(const struct ops *ops, char name[KVM_PLANE_NAME_LEN]);
__u64 ops_prog(const struct ops *ops, unsigned int index, const char **op);
bool ops_in_kernel(const struct btf *btf);

/* policy.c: the policies that the kernel has */

struct policy {
	char name[KVM_PLANE_NAME_LEN];
	char map_name[BPF_OBJ_NAME_LEN];
	__u32 link_id;
	__u32 map_id;		/* 0: detached, only the link is left */
	__u32 abi;
	__u32 uid;		/* who loaded it, and when */
	time_t loaded;
	const char **ops;
	size_t nr_ops;
	char **pins;
	size_t nr_pins;
};

struct policies {
	struct policy *policy;
	size_t nr;
	struct btf *vmlinux;
	struct btf *kvm;
	__u32 kvm_id;
};

int policies_read(struct policies *all, const char *pin_dir);
const struct policy *policies_find(const struct policies *all, const char *what);
void policies_free(struct policies *all);
int pinned_link_id(const char *path);
bool pin_is_detached(const char *path);
bool link_exists(__u32 id);
bool map_exists(__u32 id);
void *append(void *array, size_t *nr, size_t size);

/* process.c: processes */

#define COMMAND_LEN	16

void process_command(const char *pid, char command[COMMAND_LEN]);
void print_holders(__u32 link_id);

#endif /* PLANECTL_H */
