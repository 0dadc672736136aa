// SPDX-License-Identifier: GPL-2.0
/*
 * What can be watched of switches: tracepoints, and statistics by cause, as binary statistics and
 * in debugfs.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mem_test.h"
#include "puppet_test.h"

#define TRACE		"/sys/kernel/tracing/instances/planes-test"
#define VECTOR		0x50
#define BAD_VERDICT	-77

static struct puppet_test t;
static __u64 data[512] __attribute__((aligned(4096)));

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		fail("%s: %s", path, strerror(errno));
	close(fd);
}

static void trace(const char *event)
{
	char path[128];

	rmdir(TRACE);
	if (mkdir(TRACE, 0700))
		skip("no tracing: %s", strerror(errno));
	snprintf(path, sizeof(path), TRACE "/events/kvm/%s/enable", event);
	write_file(path, "1");
}

/* The events so far, each from its name on; they are as expected, in order and no others. */
static void expect_trace(const char *const *expected, int nr)
{
	FILE *file = fopen(TRACE "/trace", "re");
	char line[512], *event;
	int n = 0;

	ASSERT(file);
	while (fgets(line, sizeof(line), file)) {
		event = strstr(line, "kvm_plane_");
		if (line[0] == '#' || !event)
			continue;
		event[strcspn(event, "\n")] = 0;
		if (n >= nr || strcmp(event, expected[n]))
			fail("event %d is \"%s\", not \"%s\"", n, event, n < nr ? expected[n] : "");
		n++;
	}
	fclose(file);
	ASSERT_EQ(n, nr);
	rmdir(TRACE);
}

static __u64 debugfs_stat(const char *name)
{
	char path[128], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), "/sys/kernel/debug/kvm/%d-%d/%s", getpid(), t.vm->fd, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		fail("%s: %s", path, strerror(errno));
	close(fd);
	return strtoull(text, NULL, 0);
}

static void expect_stat(const char *name, __u64 value)
{
	__u64 found = puppet_stat(&t, name);

	if (found != value)
		fail("%s is %llu, not %llu", name, found, value);
	found = debugfs_stat(name);
	if (found != value)
		fail("%s is %llu in debugfs, not %llu", name, found, value);
}

static void let_switch(enum puppet_op_nr nr, __u32 suspend)
{
	struct puppet_op *op = &t.puppet->op[nr];

	op->verdict = KVM_PLANE_SWITCH;
	op->asks = PUPPET_SWITCH | PUPPET_SUSPEND | (nr <= PUPPET_RDMSR ? PUPPET_SKIP : 0);
	op->target = 2;
	op->suspend = suspend;
}

/* From plane 0 to plane 2 by the policy, and back by userspace. */
static void expect_switch(void)
{
	kvm_run_planes(t.vm->run)->plane = 0;
	kvm_run_planes(t.vm->run)->suspended_planes = 0;
	ASSERT_EQ(puppet_run(&t), 2);
}

/* One of each cause */
static void switch_for_every_cause(void)
{
	struct kvm_memory_attributes attrs = {
		.address = (unsigned long)data,
		.size = sizeof(data),
		.attributes = NW,
	};

	puppet_start(&t, 3);
	puppet_let(2, puppet_hlt + 1, 0, 0, 0, 0);
	let_switch(PUPPET_HYPERCALL, 1);
	let_switch(PUPPET_WRMSR, 3);
	let_switch(PUPPET_RDMSR, 0);
	let_switch(PUPPET_MEMORY_FAULT, 7);
	let_switch(PUPPET_EVENT, 1);
	/* To plane 2 it is one of another plane, too. */
	t.puppet->op[PUPPET_EVENT].times = 1;
	let_switch(PUPPET_HALT, 2);

	puppet_let(0, guest_hypercall_insn, 0, 0, 0, 0);
	expect_switch();
	puppet_let(0, puppet_wrmsr, 0, PUPPET_MSR, 0, 0);
	puppet_turn(&t, 0);
	expect_switch();
	puppet_let(0, puppet_rdmsr, 0, PUPPET_MSR, 0, 0);
	puppet_turn(&t, 0);
	expect_switch();

	puppet_let(0, puppet_write, 0, 0, 0, (unsigned long)data);
	puppet_turn(&t, 0);
	vm_ioctl(t.vm->fd, KVM_SET_MEMORY_ATTRIBUTES, &attrs);
	expect_switch();
	attrs.attributes = 0;
	vm_ioctl(t.vm->fd, KVM_SET_MEMORY_ATTRIBUTES, &attrs);
	puppet_let(0, puppet_hlt + 1, 0, 0, 0, 0);
	puppet_turn(&t, 0);

	puppet_send(&t, 1, VECTOR);
	expect_switch();
	lapic_drop_interrupts(t.vm->vcpu[1]);
	puppet_turn(&t, 0);
	puppet_let(0, puppet_hlt, 0, 0, 0, 0);
	expect_switch();
}

static void switches(enum test_how how)
{
	static const char *const expected[] = {
		"kvm_plane_switch: vcpu 0 plane 0 to 2 cause hypercall suspended 0x1",
		"kvm_plane_switch: vcpu 0 plane 0 to 2 cause msr suspended 0x3",
		"kvm_plane_switch: vcpu 0 plane 0 to 2 cause msr suspended 0x0",
		"kvm_plane_switch: vcpu 0 plane 0 to 2 cause memory_fault suspended 0x7",
		"kvm_plane_switch: vcpu 0 plane 0 to 2 cause event suspended 0x1",
		"kvm_plane_switch: vcpu 0 plane 0 to 2 cause halt suspended 0x2",
	};

	trace("kvm_plane_switch");
	switch_for_every_cause();
	expect_trace(expected, ARRAY_SIZE(expected));
	puppet_end(&t);
}

static void stats(enum test_how how)
{
	struct policy_status status;

	switch_for_every_cause();
	expect_stat("plane_switch_hypercall", 1);
	expect_stat("plane_switch_msr", 2);
	expect_stat("plane_switch_memory_fault", 1);
	expect_stat("plane_switch_event", 1);
	expect_stat("plane_switch_halt", 1);
	expect_stat("plane_refused", 0);
	/* Back to plane 0, each time but the last */
	expect_stat("plane_switch_user", 5);
	ASSERT(policy_read_status(t.vm, &status));
	ASSERT_EQ(status.switches, 6);

	t.puppet->op[PUPPET_HALT].verdict = KVM_PLANE_RESUME;
	puppet_turn(&t, 0);
	expect_stat("plane_switch_user", 6);
	t.puppet->op[PUPPET_WRMSR].verdict = KVM_PLANE_RESUME;
	t.puppet->op[PUPPET_WRMSR].asks = PUPPET_INJECT;
	t.puppet->op[PUPPET_WRMSR].exception = X86_UD;
	puppet_let(0, puppet_wrmsr, 0, PUPPET_MSR, 0, 0);
	puppet_turn(&t, 0);
	puppet_expect_fault(0, X86_UD);
	expect_stat("plane_refused", 1);
	expect_stat("plane_switch_msr", 2);
	puppet_end(&t);
}

static void ejection(enum test_how how)
{
	char event[128];
	const char *const expected[] = { event };

	trace("kvm_plane_eject");
	puppet_start(&t, 2);
	t.puppet->op[PUPPET_WRMSR].verdict = BAD_VERDICT;
	puppet_let(0, puppet_wrmsr, 0, PUPPET_MSR, 0, 0);
	puppet_turn(&t, 0);
	snprintf(event, sizeof(event),
		 "kvm_plane_eject: vm %llu vcpu 0 policy puppet kind %d code %d: %s",
		 t.puppet->attach.vm_id, KVM_PLANE_EJECT_VERDICT, BAD_VERDICT,
		 "return value that is no verdict");
	expect_trace(expected, 1);
	vm_free(t.vm);
	policy_unload(&t.policy);
}

const struct test tests[] = {
	TEST("the tracepoint kvm_plane_switch tells of each switch by a policy", switches),
	TEST("the tracepoint kvm_plane_eject tells why a policy was ejected", ejection),
	TEST("switches are counted by their cause, and so are exceptions", stats),
	{ }
};
