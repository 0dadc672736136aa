// SPDX-License-Identifier: GPL-2.0
/*
 * How a VMM opts in: to hypercalls that exit (KVM_CAP_PLANE), and to a policy
 * (KVM_CAP_PLANE_SWITCH); each error by name, and who may.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "counting_guest.h"
#include "policy.h"
#include "test.h"
#include "vtl_test.h"

#define PIN	"/sys/fs/bpf/planes-test"
#define NOBODY	65534

static int enable(struct vm *vm, __u32 cap, __u32 flags, __u64 a0, __u64 a1, __u64 a2, __u64 a3)
{
	struct kvm_enable_cap enable = {
		.cap = cap, .flags = flags, .args = { a0, a1, a2, a3 },
	};

	return ioctl(vm->fd, KVM_ENABLE_CAP, &enable);
}

static void exits(enum test_how how)
{
	struct vm *vm = vm_create(1);

	ASSERT_EQ(enable(vm, KVM_CAP_PLANE, 0, KVM_PLANE_EXIT_HYPERCALL, 0x11, 0x12, 0), 0);
	ASSERT_EQ(enable(vm, KVM_CAP_PLANE, 0, KVM_PLANE_EXIT_HYPERCALL, 5, 5, 0), 0);
	ASSERT_EQ(enable(vm, KVM_CAP_PLANE, 0, KVM_PLANE_EXIT_HYPERCALL, 0, ~0ULL, 0), 0);
	ASSERT_EQ(enable(vm, KVM_CAP_PLANE, 0, 0, 0, 0, 0), 0);
	ASSERT_ERRNO(enable(vm, KVM_CAP_PLANE, 1, 0, 0, 0, 0), EINVAL);
	ASSERT_ERRNO(enable(vm, KVM_CAP_PLANE, 0, 8, 0, 0, 0), EINVAL);
	ASSERT_ERRNO(enable(vm, KVM_CAP_PLANE, 0, 9, 1, 2, 0), EINVAL);
	ASSERT_EQ(enable(vm, KVM_CAP_PLANE, 0, KVM_PLANE_EXIT_VMGEXIT, 0, 0, 0), 0);
	ASSERT_ERRNO(enable(vm, KVM_CAP_PLANE, 0, KVM_PLANE_EXIT_VMGEXIT, 0, 2, 0), EINVAL);
	ASSERT_ERRNO(enable(vm, KVM_CAP_PLANE, 0, 1ULL << 63 | 1, 1, 2, 0), EINVAL);
	ASSERT_ERRNO(enable(vm, KVM_CAP_PLANE, 0, KVM_PLANE_EXIT_HYPERCALL, 2, 1, 0), EINVAL);
	vm_free(vm);
}

static void opting_in(enum test_how how)
{
	struct vm *vm = vm_create(2), *second = vm_create(2);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "map", 4, 4, 1, NULL);
	struct policy_status status;
	struct policy policy;
	__u64 fd;

	ASSERT(map >= 0);
	vtl_policy_load(&policy);
	fd = policy.token;

	ASSERT_ERRNO(enable(vm, KVM_CAP_PLANE_SWITCH, 0, -1ULL, 0, 0, 0), ENOENT);
	ASSERT_ERRNO(enable(vm, KVM_CAP_PLANE_SWITCH, 0, -2ULL, 0, 0, 0), EBADF);
	ASSERT_ERRNO(enable(vm, KVM_CAP_PLANE_SWITCH, 0, 1000, 0, 0, 0), EBADF);
	ASSERT_ERRNO(enable(vm, KVM_CAP_PLANE_SWITCH, 0, 1ULL << 32 | fd, 0, 0, 0), EBADF);
	ASSERT_ERRNO(enable(vm, KVM_CAP_PLANE_SWITCH, 0, null, 0, 0, 0), EINVAL);
	ASSERT_ERRNO(enable(vm, KVM_CAP_PLANE_SWITCH, 0, map, 0, 0, 0), EINVAL);
	ASSERT_ERRNO(enable(vm, KVM_CAP_PLANE_SWITCH, 0, bpf_link__fd(policy.link), 0, 0, 0),
		     EINVAL);
	ASSERT_ERRNO(enable(vm, KVM_CAP_PLANE_SWITCH, 1, fd, 0, 0, 0), EINVAL);
	ASSERT_ERRNO(enable(vm, KVM_CAP_PLANE_SWITCH, 0, fd, 1, 0, 0), EINVAL);
	ASSERT_ERRNO(enable(vm, KVM_CAP_PLANE_SWITCH, 0, fd, 0, 1, 0), EINVAL);
	ASSERT_ERRNO(enable(vm, KVM_CAP_PLANE_SWITCH, 0, fd, 0, 0, 1), EINVAL);
	ASSERT_ERRNO(enable(vm, KVM_CAP_PLANE_SWITCH, 0, -1ULL, 1, 0, 0), EINVAL);
	ASSERT_EQ(policy_read_status(vm, &status), true);
	ASSERT(!strcmp(status.policy, "none"));

	ASSERT_EQ(enable(vm, KVM_CAP_PLANE_SWITCH, 0, fd, 0, 0, 0), 0);
	ASSERT_EQ(policy_read_status(vm, &status), true);
	ASSERT(!strcmp(status.policy, "vtl"));
	ASSERT_ERRNO(enable(vm, KVM_CAP_PLANE_SWITCH, 0, fd, 0, 0, 0), EBUSY);
	ASSERT_EQ(enable(second, KVM_CAP_PLANE_SWITCH, 0, fd, 0, 0, 0), 0);
	ASSERT_EQ(enable(vm, KVM_CAP_PLANE_SWITCH, 0, -1ULL, 0, 0, 0), 0);
	ASSERT_ERRNO(enable(vm, KVM_CAP_PLANE_SWITCH, 0, -1ULL, 0, 0, 0), ENOENT);
	ASSERT_EQ(enable(vm, KVM_CAP_PLANE_SWITCH, 0, fd, 0, 0, 0), 0);
	vm_free(vm);
	policy_unload(&policy);
	vm_free(second);
}

/* Of another kind than a policy's: a program attached to a network namespace */
static void other_link(enum test_how how)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int net = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	struct vm *vm = vm_create(1);
	int prog, link;

	prog = bpf_prog_load(BPF_PROG_TYPE_FLOW_DISSECTOR, "test", "GPL", insns, 2, NULL);
	if (prog < 0)
		skip("no flow dissector program: %s", strerror(errno));
	link = bpf_link_create(prog, net, BPF_FLOW_DISSECTOR, NULL);
	if (link < 0)
		skip("no link of another kind: %s", strerror(errno));
	ASSERT_ERRNO(enable(vm, KVM_CAP_PLANE_SWITCH, 0, link, 0, 0, 0), EINVAL);
	close(link);
	vm_free(vm);
}

/* As a user without privileges, in a group or not; errno of opening the pin, or 0. */
static int open_pin_as(__u32 gid)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		if (setgid(gid) || setuid(NOBODY))
			_exit(255);
		_exit(bpf_obj_get(PIN) < 0 ? errno : 0);
	}
	waitpid(pid, &status, 0);
	ASSERT(WIFEXITED(status));
	ASSERT(WEXITSTATUS(status) != 255);
	return WEXITSTATUS(status);
}

static void permissions(enum test_how how)
{
	struct policy policy;
	FILE *file;

	file = fopen("/proc/sys/kernel/unprivileged_bpf_disabled", "re");
	if (file) {
		note("unprivileged_bpf_disabled is %c", fgetc(file));
		fclose(file);
	}
	vtl_policy_load(&policy);
	unlink(PIN);
	ASSERT_EQ(policy_pin_token(&policy, PIN), 0);
	ASSERT_EQ(chmod("/sys/fs/bpf", 0755), 0);

	ASSERT_EQ(chmod(PIN, 0600), 0);
	ASSERT_EQ(open_pin_as(NOBODY), EACCES);
	ASSERT_EQ(chown(PIN, 0, NOBODY), 0);
	ASSERT_EQ(chmod(PIN, 0660), 0);
	ASSERT_EQ(open_pin_as(NOBODY), 0);
	ASSERT_EQ(open_pin_as(NOBODY - 1), EACCES);
	unlink(PIN);
	policy_unload(&policy);
}

/* As a user without privileges: who switches is who may open the pin. */
static __noreturn void run_unprivileged(__u32 gid)
{
	struct vtl_test v;
	int token, i;

	if (setgid(gid) || setuid(NOBODY))
		_exit(255);
	vtl_test_start(&v, BY_USERSPACE, 2, counting_guest);
	token = bpf_obj_get(PIN);
	if (gid != NOBODY) {
		ASSERT(token < 0 && errno == EACCES);
	} else {
		if (token < 0)
			fail("%s: %s", PIN, strerror(errno));
		ASSERT_EQ(vtl_use_policy(&v.vtl, token), 0);
		close(token);
	}
	for (i = 0; i < 3; i++)
		vtl_test_run(&v);
	ASSERT_EQ(v.vtl.switches == 0, gid == NOBODY);
	_exit(0);
}

static void unprivileged_vmm(enum test_how how)
{
	static const __u32 groups[] = { NOBODY, NOBODY - 1 };
	struct policy policy;
	int i, status;
	pid_t pid;

	vtl_policy_load(&policy);
	unlink(PIN);
	ASSERT_EQ(policy_pin_token(&policy, PIN), 0);
	ASSERT_EQ(chmod("/sys/fs/bpf", 0755), 0);
	ASSERT_EQ(chown(PIN, 0, NOBODY), 0);
	ASSERT_EQ(chmod(PIN, 0660), 0);
	ASSERT_EQ(chmod("/dev/kvm", 0666), 0);

	for (i = 0; i < 2; i++) {
		pid = fork();
		if (!pid)
			run_unprivileged(groups[i]);
		waitpid(pid, &status, 0);
		if (!WIFEXITED(status) || WEXITSTATUS(status))
			break;
	}
	chmod("/dev/kvm", 0600);
	unlink(PIN);
	policy_unload(&policy);
	ASSERT(WIFEXITED(status));
	ASSERT_EQ(WEXITSTATUS(status), 0);
}

const struct test tests[] = {
	TEST("a VMM chooses which hypercalls exit, in one range that is not empty", exits),
	TEST("a VM opts in to one policy at a time, and out again", opting_in),
	TEST("a VM cannot opt in with a BPF link, of whatever kind", other_link),
	TEST("who may opt in is whom the pin's permissions let open it", permissions),
	TEST("a VMM without privileges has its planes switched if it may open the token",
	     unprivileged_vmm),
	{ }
};
