// SPDX-License-Identifier: GPL-2.0
/*
 * The token of a policy, the fd of its struct_ops map that a VMM opts in with: what a process
 * without privileges that has it can do, which is to opt in, and what it cannot, which is to
 * change, remove or bring back the policy for anybody.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "counting_guest.h"
#include "policy.h"
#include "test.h"
#include "vtl_test.h"

#define PIN		"/sys/fs/bpf/planes-token"
#define LINK_PIN	"/sys/fs/bpf/planes-token-link"
#define OWN_DIR		"/sys/fs/bpf/nobody"
#define OWN_PIN		OWN_DIR "/token"
#define NOBODY		65534

/* <linux/bpf.h> since 6.4; Debian 12's is older. */
#define STRUCT_OPS	((enum bpf_attach_type)44)

/* The kernel's; no errno of userspace */
#define ENOTSUPP	524

/* Has the beginning that all struct_ops maps have: a reference count and a state. */
static __u64 value[512];

static void be_nobody(void)
{
	if (setgid(NOBODY) || setuid(NOBODY))
		_exit(255);
}

static int open_token(__u32 flags)
{
	LIBBPF_OPTS(bpf_obj_get_opts, opts, .file_flags = flags);

	return bpf_obj_get_opts(PIN, &opts);
}

static int opt_in(struct vm *vm, int token)
{
	return vm_enable_cap(vm->fd, KVM_CAP_PLANE_SWITCH, token, 0, 0);
}

/* In a process of its own; what the test asserts there fails here. */
static void in_child(void (*fn)(void))
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		fn();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	ASSERT(WIFEXITED(status));
	ASSERT_EQ(WEXITSTATUS(status), 0);
}

static void start(struct policy *policy, mode_t mode)
{
	vtl_policy_load(policy);
	unlink(PIN);
	unlink(LINK_PIN);
	ASSERT_EQ(policy_pin_token(policy, PIN), 0);
	ASSERT_EQ(policy_pin_link(policy, LINK_PIN), 0);
	ASSERT_EQ(chown(PIN, 0, NOBODY), 0);
	ASSERT_EQ(chmod(PIN, mode), 0);
	ASSERT_EQ(chmod("/sys/fs/bpf", 0755), 0);
	ASSERT_EQ(chmod("/dev/kvm", 0666), 0);
}

static void end(struct policy *policy)
{
	chmod("/dev/kvm", 0600);
	unlink(PIN);
	unlink(LINK_PIN);
	policy_unload(policy);
}

static void opt_in_by_reading(void)
{
	struct vtl_test v;
	int token;

	be_nobody();
	ASSERT(open_token(0) < 0 && errno == EACCES);
	ASSERT(bpf_obj_get(LINK_PIN) < 0 && errno == EACCES);
	token = open_token(BPF_F_RDONLY);
	ASSERT(token >= 0);

	vtl_test_start(&v, BY_USERSPACE, 2, counting_guest);
	ASSERT_EQ(vtl_use_policy(&v.vtl, token), 0);
	close(token);
	vtl_test_run(&v);
	ASSERT_EQ(v.vtl.switches, 0);
	vm_free(v.vm);
}

static void read_only(enum test_how how)
{
	struct policy policy;

	start(&policy, 0440);
	in_child(opt_in_by_reading);
	end(&policy);
}

/* Every command of the bpf system call that takes the fd of a map or of a link */
static void try_all(int token)
{
	LIBBPF_OPTS(bpf_link_update_opts, update, .flags = BPF_F_REPLACE, .old_map_fd = token);
	__u32 key = 0, next, count = 1;
	bool writes = (fcntl(token, F_GETFL) & O_ACCMODE) == O_RDWR;

	ASSERT_ERRNO(bpf_link_detach(token), EINVAL);
	ASSERT_ERRNO(bpf_link_update(token, token, NULL), EINVAL);
	ASSERT_ERRNO(bpf_link_update(token, token, &update), EINVAL);
	ASSERT_ERRNO(bpf_link_create(token, 0, STRUCT_OPS, NULL), EPERM);
	ASSERT(bpf_map_get_next_key(token, NULL, &next) == 0);
	ASSERT_EQ(bpf_map_lookup_elem(token, &key, value), 0);

	ASSERT_ERRNO(bpf_map_update_elem(token, &key, value, 0), writes ? EINVAL : EPERM);
	/* What is set first is what KVM has. Of a new value BPF wants that it is not in use. */
	memset(value, 0, 8);
	ASSERT_ERRNO(bpf_map_update_elem(token, &key, value, 0), writes ? EBUSY : EPERM);
	memset(value, 0, sizeof(value));
	ASSERT_ERRNO(bpf_map_update_elem(token, &key, value, 0), writes ? EBUSY : EPERM);
	ASSERT_ERRNO(bpf_map_delete_elem(token, &key), writes ? EOPNOTSUPP : EPERM);
	ASSERT_ERRNO(bpf_map_lookup_and_delete_elem(token, &key, value), writes ? ENOTSUPP : EPERM);
	ASSERT_ERRNO(bpf_map_update_batch(token, &key, value, &count, NULL),
		     writes ? ENOTSUPP : EPERM);
	ASSERT_ERRNO(bpf_map_delete_batch(token, &key, &count, NULL), writes ? ENOTSUPP : EPERM);
	ASSERT_ERRNO(bpf_map_freeze(token), ENOTSUPP);
	ASSERT(mmap(NULL, 4096, PROT_READ, MAP_SHARED, token, 0) == MAP_FAILED);
	ASSERT_EQ(errno, ENOTSUPP);
}

/* From the map to the link, and to what else the policy consists of */
static void try_ids(int token)
{
	struct bpf_map_info info = { };
	__u32 len = sizeof(info);
	__u32 id;

	ASSERT_EQ(bpf_obj_get_info_by_fd(token, &info, &len), 0);
	ASSERT(info.id);
	ASSERT(bpf_map_get_fd_by_id(info.id) == -EPERM);
	for (id = 1; id < 16; id++)
		ASSERT(bpf_link_get_fd_by_id(id) == -EPERM);
	ASSERT(bpf_btf_get_fd_by_id(info.btf_id) == -EPERM);
}

/* In a directory of his own, what was opened for reading can be opened for writing. */
static void pin_elsewhere(int token)
{
	ASSERT_ERRNO(bpf_obj_pin(token, PIN "-2"), EACCES);
	ASSERT_EQ(bpf_obj_pin(token, OWN_PIN), 0);
	token = bpf_obj_get(OWN_PIN);
	ASSERT(token >= 0);
	ASSERT_EQ(fcntl(token, F_GETFL) & O_ACCMODE, O_RDWR);
	try_all(token);
	close(token);
	ASSERT_EQ(unlink(OWN_PIN), 0);
}

static void try_as_nobody(void)
{
	int token;

	be_nobody();
	ASSERT(bpf_obj_get(LINK_PIN) < 0 && errno == EACCES);
	token = open_token(0);
	ASSERT(token >= 0);
	try_all(token);
	try_ids(token);
	close(token);
	token = open_token(BPF_F_RDONLY);
	ASSERT(token >= 0);
	try_all(token);
	pin_elsewhere(token);
}

static void use_only(enum test_how how)
{
	struct policy policy;
	struct vtl_test v;

	start(&policy, 0660);
	vtl_test_start(&v, BY_USERSPACE, 2, counting_guest);
	ASSERT_EQ(vtl_use_policy(&v.vtl, policy.token), 0);
	vtl_test_run(&v);
	ASSERT_EQ(mkdir(OWN_DIR, 0700), 0);
	ASSERT_EQ(chown(OWN_DIR, NOBODY, NOBODY), 0);
	in_child(try_as_nobody);
	ASSERT_EQ(rmdir(OWN_DIR), 0);
	vtl_test_run(&v);
	ASSERT_EQ(v.vtl.switches, 0);
	policy_check_switched(v.vm, "vtl");
	vm_free(v.vm);
	end(&policy);
}

static int stale;

static void bring_back(void)
{
	struct vm *vm;

	be_nobody();
	ASSERT_ERRNO(bpf_link_create(stale, 0, STRUCT_OPS, NULL), EPERM);
	vm = vm_create(1);
	ASSERT_ERRNO(opt_in(vm, stale), EINVAL);
	vm_free(vm);
}

/* All but the one that it takes, as loaders of BPF programs have them */
static void bring_back_with_bpf(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2];

	ASSERT_EQ(syscall(SYS_capget, &header, caps), 0);
	caps[0].effective &= ~(1U << CAP_SYS_ADMIN);
	ASSERT(caps[1].effective & 1U << (CAP_BPF - 32));
	ASSERT_EQ(syscall(SYS_capset, &header, caps), 0);
	ASSERT_ERRNO(bpf_link_create(stale, 0, STRUCT_OPS, NULL), EPERM);
}

static void removed(enum test_how how)
{
	struct policy policy, again;
	struct vm *vm = vm_create(1);

	start(&policy, 0660);
	stale = open_token(0);
	ASSERT(stale >= 0);
	end(&policy);

	ASSERT_EQ(chmod("/dev/kvm", 0666), 0);
	in_child(bring_back);
	chmod("/dev/kvm", 0600);
	in_child(bring_back_with_bpf);
	ASSERT_ERRNO(opt_in(vm, stale), EINVAL);

	/* Its name is free, and the old token is not the new one's. */
	vtl_policy_load(&again);
	ASSERT_ERRNO(opt_in(vm, stale), EINVAL);
	ASSERT_EQ(opt_in(vm, again.token), 0);
	policy_unload(&again);
	close(stale);
	vm_free(vm);
}

/* As libbpf does it for root, from an fd of the link that somebody else may have got */
static int link_fd, new_map;

static void replace_with_bpf(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { };

	ASSERT_EQ(syscall(SYS_capset, &header, none), 0);
	ASSERT_ERRNO(bpf_link_update(link_fd, new_map, NULL), EPERM);
}

static void replaced(enum test_how how)
{
	struct vm *vm = vm_create(1);
	struct policy policy;
	int old;

	vtl_policy_load(&policy);
	old = fcntl(policy.token, F_DUPFD_CLOEXEC, 0);
	vtl_policy_replace(&policy);
	ASSERT_ERRNO(opt_in(vm, old), EINVAL);
	ASSERT_EQ(opt_in(vm, policy.token), 0);

	/* Back again takes more than the fds of the link and of the old map. */
	link_fd = bpf_link__fd(policy.link);
	new_map = old;
	in_child(replace_with_bpf);
	ASSERT_EQ(opt_in(vm, -1), 0);
	ASSERT_ERRNO(opt_in(vm, old), EINVAL);
	ASSERT_EQ(bpf_link_update(link_fd, old, NULL), 0);
	ASSERT_EQ(opt_in(vm, old), 0);
	close(old);
	vm_free(vm);
	policy_unload(&policy);
}

static int kvm_users(void)
{
	FILE *file = fopen("/sys/module/kvm/refcnt", "re");
	int users = -1;

	if (!file || fscanf(file, "%d", &users) != 1)
		fail("/sys/module/kvm/refcnt");
	fclose(file);
	return users;
}

/* What is freed is freed later, by a worker, after grace periods of RCU. */
static bool kvm_users_become(int users)
{
	int i;

	for (i = 0; i < 500 && kvm_users() != users; i++)
		usleep(10000);
	return kvm_users() == users;
}

static void kept(enum test_how how)
{
	struct bpf_map_info info = { };
	__u32 len = sizeof(info);
	struct policy policy;
	int token, fd;

	/* That is the vendor's module. */
	ASSERT(kvm_users_become(1));
	vtl_policy_load(&policy);
	token = fcntl(policy.token, F_DUPFD_CLOEXEC, 0);
	ASSERT_EQ(bpf_obj_get_info_by_fd(token, &info, &len), 0);
	policy_unload(&policy);
	usleep(200000);
	ASSERT(kvm_users() > 1);
	fd = bpf_map_get_fd_by_id(info.id);
	ASSERT(fd >= 0);
	close(fd);

	close(token);
	ASSERT(kvm_users_become(1));
	ASSERT(bpf_map_get_fd_by_id(info.id) == -ENOENT);
}

const struct test tests[] = {
	TEST("a token that may only be read is enough to opt in, for who may not open the link",
	     read_only),
	TEST("who has no privileges can do nothing with a token that changes the policy", use_only),
	TEST("nor bring back a policy that was removed, without CAP_SYS_ADMIN", removed),
	TEST("after a replacement, the new token is one, and the old is none", replaced),
	TEST("a token that is kept keeps the programs and kvm.ko, until it is closed", kept),
	{ }
};
