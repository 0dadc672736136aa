// SPDX-License-Identifier: GPL-2.0
/*
 * What the VMPL policy leaves to userspace: VMGEXITs that are none of its requests, and those by
 * a GHCB page that it cannot access.
 */
#include <linux/kvm_plane_vmpl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "test.h"
#include "vmpl_guest.h"
#include "vmpl_test.h"

#define VMGEXIT_LEN	4
#define OTHER_SLOT	9
#define OTHER_GPA	0xd0000000ULL
#define NO_MEMORY	0xd0100000ULL
#define BEYOND		0x000ffffffffff000ULL

static struct vmpl_test t;
static volatile __u64 msr;

static void start(int nr_vmpls, const guest_code_t *entry)
{
	vmpl_test_start(&t, BY_POLICY, nr_vmpls, entry);
}

/* The guest's next exit is a VMGEXIT of @vmpl, past the instruction. */
static void expect_vmgexit(int vmpl)
{
	const struct kvm_plane_event *event = kvm_run_plane_event(t.vm->run);
	struct kvm_regs regs;

	vm_run(t.vm);
	if (vm_guest_call(t.vm))
		fail("the guest did not exit by VMGEXIT; its MSR is %#llx",
		     vm_get_msr(t.vm, vmpl, GHCB_MSR));
	ASSERT_EXIT(t.vm, KVM_EXIT_PLANE_EVENT);
	ASSERT_EQ(event->cause, KVM_PLANE_EVENT_VMGEXIT);
	ASSERT_EQ(event->extra, (unsigned long)vmpl_vmgexit);
	ASSERT_EQ(kvm_run_planes(t.vm->run)->plane, vmpl);
	vm_ioctl(t.vm->vcpu[vmpl], KVM_GET_REGS, &regs);
	ASSERT_EQ(regs.rip, (unsigned long)vmpl_vmgexit + VMGEXIT_LEN);
}

static void expect_sync(__u64 value)
{
	const struct guest_call *call = vmpl_test_run(&t);

	ASSERT_EQ(call->cmd, GUEST_SYNC);
	ASSERT_EQ(call->arg[0], value);
}

static void finish(void)
{
	vm_free(t.vm);
	policy_unload(&t.policy);
}

/* One VMGEXIT with each value that the VMM chooses; none changes it. */
static void vmgexit_forever(void)
{
	for (;;) {
		guest_sync(0);
		wrmsr(GHCB_MSR, msr);
		vmpl_vmgexit();
		GUEST_ASSERT_EQ(rdmsr(GHCB_MSR), msr);
	}
}

static void run_vmpl_1(void)
{
	GUEST_ASSERT_EQ(vmpl_run_by_msr(1), 0);
	vmgexit_forever();
}

static void value_exits(int vmpl, __u64 value)
{
	msr = value;
	expect_vmgexit(vmpl);
	ASSERT_EQ(vm_get_msr(t.vm, vmpl, GHCB_MSR), value);
	expect_sync(0);
}

static void values(enum test_how how)
{
	const guest_code_t entry[] = { vmgexit_forever, vmgexit_forever };
	__u64 info;
	int vmpl;

	start(2, entry);
	for (vmpl = 0; vmpl < 2; vmpl++) {
		kvm_run_planes(t.vm->run)->plane = vmpl;
		expect_sync(0);
		value_exits(vmpl, 0);
		for (info = 1; info <= GHCB_MSR_INFO; info++)
			if (info != GHCB_MSR_RUN_VMPL && info != GHCB_MSR_FEATURES)
				value_exits(vmpl, info | (info & 7) << 40);
	}
	finish();
}

static void no_pages(enum test_how how)
{
	const guest_code_t entry[] = { run_vmpl_1, vmgexit_forever };

	start(2, entry);
	expect_sync(0);
	value_exits(1, NO_MEMORY);
	value_exits(1, BEYOND);
	value_exits(1, 1ULL << 63);
	finish();
}

static volatile __u64 code;

static void page_forever(void)
{
	vmpl_enable_ghcb();
	for (;;) {
		vmpl_fill_ghcb(code, 1, 0);
		vmpl_ghcbs[0].usage = 1;
		vmpl_vmgexit();
		guest_sync(0);
	}
}

/* Userspace is to see all of the page as the guest left it, right or wrong. */
static void unknown_events(enum test_how how)
{
	static const __u64 codes[] = {
		0, 0x7b, GHCB_AP_CREATE, 0x80000010, 0x80000012, 0x80000015, 0x80000017,
		0x80000019, 0x8000fffe, 0xffffffff80000018ULL, GHCB_RUN_VMPL | 1ULL << 32, ~0ULL,
	};
	const guest_code_t entry[] = { page_forever, NULL };
	const struct ghcb *page = &vmpl_ghcbs[0];
	unsigned int i;

	start(2, entry);
	for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		code = codes[i];
		expect_vmgexit(0);
		ASSERT_EQ(page->sw_exit_code, codes[i]);
		ASSERT_EQ(page->sw_exit_info_1, 1);
		ASSERT_EQ(page->sw_exit_info_2, 0);
		ASSERT_EQ(page->valid_bitmap[0], 0);
		ASSERT_EQ(page->valid_bitmap[1], GHCB_VALID_1);
		expect_sync(0);
	}
	finish();
}

/* VMPL 1 asks for VMPL 0 by a page, which the VMM may have done something to. */

static void serve_and_sync(void)
{
	vmpl_enable_ghcb();
	for (;;) {
		vmpl_run_ok(1);
		guest_sync(10);
	}
}

static void ask_twice(void)
{
	struct ghcb_answer answer;

	vmpl_enable_ghcb();
	for (;;) {
		vmpl_fill_ghcb(GHCB_RUN_VMPL, 0, 0);
		guest_sync(11);
		vmpl_vmgexit();
		guest_sync(12);
		answer = vmpl_read_ghcb();
		GUEST_ASSERT_EQ(answer.info_1, GHCB_OK);
		GUEST_ASSERT_EQ(answer.info_2, 0);
	}
}

static void start_asking(void)
{
	const guest_code_t entry[] = { serve_and_sync, ask_twice };

	start(2, entry);
	expect_sync(11);
}

/* It works as it did, by the policy. */
static void works_again(void)
{
	__u64 switches = t.vmpl.switches;

	expect_sync(12);
	expect_sync(11);
	expect_sync(10);
	expect_sync(12);
	ASSERT_EQ(t.vmpl.switches, switches);
	finish();
}

static void not_resident(enum test_how how)
{
	struct ghcb *page = &vmpl_ghcbs[1], saved;

	start_asking();
	saved = *page;
	ASSERT_EQ(madvise(page, sizeof(*page), MADV_DONTNEED), 0);
	expect_vmgexit(1);
	*page = saved;
	ASSERT(vmpl_handle_exit(&t.vmpl));
	ASSERT_EQ(t.vmpl.switches, 1);
	expect_sync(10);
	works_again();
}

/* The VMM can have the guest make the request once more, which the policy then answers. */
static void made_again(enum test_how how)
{
	struct ghcb *page = &vmpl_ghcbs[1], saved;
	struct kvm_regs regs;

	start_asking();
	saved = *page;
	ASSERT_EQ(madvise(page, sizeof(*page), MADV_DONTNEED), 0);
	expect_vmgexit(1);
	*page = saved;
	vm_ioctl(t.vm->vcpu[1], KVM_GET_REGS, &regs);
	regs.rip -= VMGEXIT_LEN;
	vm_ioctl(t.vm->vcpu[1], KVM_SET_REGS, &regs);
	expect_sync(10);
	ASSERT_EQ(t.vmpl.switches, 0);
	works_again();
}

static void set_attributes(__u64 attributes)
{
	struct kvm_memory_attributes attrs = {
		.address = (unsigned long)&vmpl_ghcbs[1],
		.size = sizeof(vmpl_ghcbs[1]),
		.attributes = attributes,
	};

	vm_ioctl(t.vm->plane[1], KVM_SET_MEMORY_ATTRIBUTES, &attrs);
}

static void forbidden(__u64 attributes)
{
	const struct ghcb *page = &vmpl_ghcbs[1];

	start_asking();
	set_attributes(attributes);
	expect_vmgexit(1);
	ASSERT_EQ(page->valid_bitmap[1], GHCB_VALID_1);
	set_attributes(0);
	ASSERT(vmpl_handle_exit(&t.vmpl));
	ASSERT_EQ(t.vmpl.switches, 1);
	expect_sync(10);
	works_again();
}

static void not_readable(enum test_how how)
{
	forbidden(KVM_MEMORY_ATTRIBUTE_NR | KVM_MEMORY_ATTRIBUTE_NW |
		  KVM_MEMORY_ATTRIBUTE_NX);
}

static void not_writable(enum test_how how)
{
	forbidden(KVM_MEMORY_ATTRIBUTE_NW);
}

/* With a well-formed request that would run VMPL 0 */
static struct ghcb *map_request(void)
{
	struct ghcb *page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT(page != MAP_FAILED);
	page->sw_exit_code = GHCB_RUN_VMPL;
	page->valid_bitmap[1] = GHCB_VALID_1;
	return page;
}

/* 0 is no page, also where there is memory at 0. */
static void page_at_0(enum test_how how)
{
	const guest_code_t entry[] = { run_vmpl_1, vmgexit_forever };
	struct ghcb *page = map_request();
	struct kvm_userspace_memory_region slot = {
		.slot = OTHER_SLOT,
		.memory_size = sizeof(*page),
		.userspace_addr = (unsigned long)page,
	};

	start(2, entry);
	expect_sync(0);
	vm_ioctl(t.vm->fd, KVM_SET_USER_MEMORY_REGION, &slot);
	value_exits(1, 0);
	ASSERT_EQ(page->valid_bitmap[1], GHCB_VALID_1);
	finish();
}

/* A page that the VMM has filled in, as the guest cannot. */
static void read_only(enum test_how how)
{
	const guest_code_t entry[] = { run_vmpl_1, vmgexit_forever };
	struct ghcb *page = map_request();
	struct kvm_userspace_memory_region slot = {
		.slot = OTHER_SLOT,
		.flags = KVM_MEM_READONLY,
		.guest_phys_addr = OTHER_GPA,
		.memory_size = sizeof(*page),
		.userspace_addr = (unsigned long)page,
	};

	start(2, entry);
	expect_sync(0);
	vm_ioctl(t.vm->fd, KVM_SET_USER_MEMORY_REGION, &slot);
	value_exits(1, OTHER_GPA);
	ASSERT_EQ(page->valid_bitmap[1], GHCB_VALID_1);

	/* It is the slot that was the matter: VMPL 0 runs. */
	slot.flags = 0;
	slot.memory_size = 0;
	vm_ioctl(t.vm->fd, KVM_SET_USER_MEMORY_REGION, &slot);
	slot.memory_size = sizeof(*page);
	vm_ioctl(t.vm->fd, KVM_SET_USER_MEMORY_REGION, &slot);
	expect_sync(0);
	ASSERT_EQ(kvm_run_planes(t.vm->run)->plane, 0);
	ASSERT_EQ(page->valid_bitmap[1], GHCB_VALID_INFO);
	finish();
}

/* The policy writes to the page: that has to get to the other side of a migration. */
static void dirty_log(enum test_how how)
{
	start_asking();
	vm_set_dirty_log(t.vm, true);
	vm_page_dirty(t.vm, &vmpl_ghcbs[1]);
	ASSERT_EQ(vm_page_dirty(t.vm, &vmpl_ghcbs[1]), false);
	expect_sync(10);
	ASSERT_EQ(vm_page_dirty(t.vm, &vmpl_ghcbs[1]), true);
	works_again();
}

const struct test tests[] = {
	TEST("VMGEXIT with 0 or a request that the policy does not know exits to userspace",
	     values),
	TEST("with 0 it does so even if there is memory at 0", page_at_0),
	TEST("so it does with the address of a page that is not in a memory slot", no_pages),
	TEST("an event of a GHCB that the policy does not know exits, the page as it was",
	     unknown_events),
	TEST("a GHCB that is not in memory exits to userspace, which can answer", not_resident),
	TEST("or can bring it in and have the policy answer", made_again),
	TEST("a GHCB that the VMPL may not read exits, the page as it was", not_readable),
	TEST("a GHCB that the VMPL may not write exits, the page as it was", not_writable),
	TEST("a GHCB in a read-only slot exits, the page as it was", read_only),
	TEST("what the policy writes to a GHCB is in the dirty log", dirty_log),
	{ }
};
