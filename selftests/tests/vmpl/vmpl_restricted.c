// SPDX-License-Identifier: GPL-2.0
/*
 * Restricted injection: a VMPL that has set a doorbell page is told of interrupts and NMIs by #HV
 * and that page, and by nothing else (GHCB specification, "#HV doorbell page"). Only a policy
 * can do that.
 */
#include <linux/kvm_plane_vmpl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lapic.h"
#include "vmpl_guest.h"
#include "vmpl_test.h"

#define VECTOR		0x50
#define VECTOR_2	0x60	/* of a higher priority class */
#define LOW_VECTOR	0x51
#define NFS		(GHCB_DOORBELL_NO_FURTHER_SIGNAL << 8)
#define NMI		(GHCB_DOORBELL_NMI << 8)
#define NO_MEMORY	0xd0100000ULL

static struct vmpl_test t;
static struct ghcb_doorbell doorbells[GUEST_PLANES];

/* Of each VMPL, the exceptions and interrupts it got, and what it found in the doorbell page */
static volatile __u32 irqs[GUEST_PLANES][256];
static volatile __u32 told[GUEST_PLANES][256];
static volatile __u16 last_event[GUEST_PLANES];

/* VMPLs that leave the page alone for now */
static volatile bool looks_away[GUEST_PLANES];

static volatile __u16 *bell(int vmpl)
{
	return (volatile __u16 *)&doorbells[vmpl];
}

static void eoi(void)
{
	wrmsr(MSR_X2APIC_EOI, 0);
}

/* Allows further signals, and takes what the page has; the EOI comes after that. */
static __u16 look(int vmpl)
{
	__u16 event = __atomic_exchange_n((__u16 *)&doorbells[vmpl], 0, __ATOMIC_SEQ_CST);

	last_event[vmpl] = event;
	if (event & NMI)
		told[vmpl][X86_NMI]++;
	if (event & 0xff) {
		told[vmpl][event & 0xff]++;
		eoi();
	}
	return event;
}

static void on_irq(__u8 vector, const __u64 *gpr)
{
	int vmpl = guest_plane();

	irqs[vmpl][vector]++;
	if (vector >= X86_FIRST_IRQ)
		eoi();
	else if (vector == X86_HV && !looks_away[vmpl])
		look(vmpl);
}

static void set_doorbell(void)
{
	struct ghcb_answer answer;

	vmpl_enable_ghcb();
	answer = vmpl_doorbell(GHCB_DOORBELL_SET, (unsigned long)&doorbells[guest_plane()]);
	GUEST_ASSERT_EQ(answer.info_1, GHCB_OK);
}

static void clear_doorbell(void)
{
	GUEST_ASSERT_EQ(vmpl_doorbell(GHCB_DOORBELL_CLEAR, 0).info_1, GHCB_OK);
}

static void start(int nr_vmpls, const guest_code_t *entry)
{
	int i;

	guest_irq_handler = on_irq;
	vmpl_test_start(&t, BY_POLICY, nr_vmpls, entry);
	for (i = 0; i < nr_vmpls; i++)
		lapic_enable_x2apic(t.vm->vcpu[i]);
}

static void send(int vmpl, __u32 data)
{
	msi_send(vmpl ? t.vm->plane[vmpl] : t.vm->fd, data);
}

static void expect_sync(int vmpl, __u64 value)
{
	const struct guest_call *call = vmpl_test_run(&t);

	ASSERT_EQ(call->cmd, GUEST_SYNC);
	ASSERT_EQ(call->plane, vmpl);
	ASSERT_EQ(call->arg[0], value);
}

static void finish(void)
{
	vm_free(t.vm);
	policy_unload(&t.policy);
}

static bool in_service(int vmpl, __u8 vector)
{
	return lapic_get(t.vm->vcpu[vmpl], APIC_ISR + vector / 32 * 0x10) & 1U << vector % 32;
}

/* @vmpl has had @n exceptions for events, and no interrupt or NMI as such. */
static void expect_hvs(int vmpl, __u32 n)
{
	__u32 i;

	ASSERT_EQ(irqs[vmpl][X86_HV], n);
	for (i = 0; i < 256; i++)
		if (i != X86_HV)
			ASSERT_EQ(irqs[vmpl][i], 0);
}

static void sync_forever(void)
{
	int i;

	for (i = 1;; i++)
		guest_sync(i);
}

/* Interrupts disabled or not: an exception cannot be. */
static void vmpl0_syncs(void)
{
	set_doorbell();
	sync_forever();
}

static void vmpl0_syncs_sti(void)
{
	set_doorbell();
	asm volatile("sti");
	sync_forever();
}

static void tells(guest_code_t code)
{
	const guest_code_t entry[] = { code, NULL };

	start(2, entry);
	expect_sync(0, 1);
	send(0, VECTOR);
	expect_sync(0, 2);
	expect_hvs(0, 1);
	ASSERT_EQ(told[0][VECTOR], 1);
	ASSERT_EQ(last_event[0], NFS | VECTOR);
	ASSERT(!in_service(0, VECTOR));
	send(0, MSI_NMI);
	expect_sync(0, 3);
	expect_hvs(0, 2);
	ASSERT_EQ(told[0][X86_NMI], 1);
	ASSERT_EQ(last_event[0], NFS | NMI);
	/* No NMI is masked by that one. */
	send(0, MSI_NMI);
	expect_sync(0, 4);
	expect_hvs(0, 3);
	ASSERT_EQ(told[0][X86_NMI], 2);
	finish();
}

static void tells_disabled(enum test_how how)
{
	tells(vmpl0_syncs);
}

static void tells_enabled(enum test_how how)
{
	tells(vmpl0_syncs_sti);
}

/* The page but for the first two bytes is the guest's. */
static void rest_of_page(enum test_how how)
{
	const guest_code_t entry[] = { vmpl0_syncs, NULL };
	const __u8 *page = (const void *)&doorbells[0];
	int i;

	memset(&doorbells[0], 0xa5, sizeof(doorbells[0]));
	*bell(0) = 0;
	looks_away[0] = true;
	start(2, entry);
	expect_sync(0, 1);
	send(0, VECTOR);
	expect_sync(0, 2);
	ASSERT_EQ(*bell(0), NFS | VECTOR);
	for (i = 2; i < 4096; i++)
		ASSERT_EQ(page[i], 0xa5);
	finish();
}

/*
 * VMPL 0, told of something, looks when it is asked to, and is told of the next one without
 * doing anything for that.
 */
static void vmpl0_looks(void)
{
	set_doorbell();
	guest_sync(1);
	guest_sync(2);
	guest_sync(3);
	look(0);
	while (!*bell(0))
		guest_spin();
	guest_sync(4);
	look(0);
	guest_sync(5);
	guest_done();
}

static void further(__u32 first, __u16 first_event, __u32 second, __u16 second_event)
{
	const guest_code_t entry[] = { vmpl0_looks, NULL };

	looks_away[0] = true;
	start(2, entry);
	expect_sync(0, 1);
	send(0, first);
	expect_sync(0, 2);
	expect_hvs(0, 1);
	ASSERT_EQ(*bell(0), NFS | first_event);
	send(0, second);
	expect_sync(0, 3);
	expect_hvs(0, 1);
	ASSERT_EQ(*bell(0), NFS | first_event);
	if (second != MSI_NMI)
		ASSERT(lapic_in_irr(t.vm->vcpu[0], second));
	expect_sync(0, 4);
	expect_hvs(0, 2);
	ASSERT_EQ(last_event[0], NFS | first_event);
	ASSERT_EQ(*bell(0), NFS | second_event);
	expect_sync(0, 5);
	expect_hvs(0, 2);
	ASSERT_EQ(last_event[0], NFS | second_event);
	ASSERT_EQ(*bell(0), 0);
	ASSERT_EQ(vmpl_test_run(&t)->cmd, GUEST_DONE);
	finish();
}

static void irq_then_irq(enum test_how how)
{
	further(VECTOR, VECTOR, VECTOR_2, VECTOR_2);
}

static void irq_then_nmi(enum test_how how)
{
	further(VECTOR, VECTOR, MSI_NMI, NMI);
}

static void nmi_then_irq(enum test_how how)
{
	further(MSI_NMI, NMI, VECTOR, VECTOR);
}

static void nmi_then_nmi(enum test_how how)
{
	further(MSI_NMI, NMI, MSI_NMI, NMI);
}

/* What is in service holds back interrupts of the same class until EOI, as for any other. */
static void vmpl0_late_eoi(void)
{
	set_doorbell();
	guest_sync(1);
	GUEST_ASSERT_EQ(__atomic_exchange_n((__u16 *)&doorbells[0], 0, __ATOMIC_SEQ_CST),
			NFS | VECTOR);
	guest_sync(2);
	guest_sync(3);
	eoi();
	guest_sync(4);
}

static void in_service_until_eoi(enum test_how how)
{
	const guest_code_t entry[] = { vmpl0_late_eoi, NULL };

	looks_away[0] = true;
	start(2, entry);
	expect_sync(0, 1);
	send(0, VECTOR);
	expect_sync(0, 2);
	ASSERT(in_service(0, VECTOR));
	send(0, LOW_VECTOR);
	expect_sync(0, 3);
	expect_hvs(0, 1);
	ASSERT_EQ(*bell(0), 0);
	expect_sync(0, 4);
	expect_hvs(0, 2);
	ASSERT_EQ(*bell(0), NFS | LOW_VECTOR);
	ASSERT(!in_service(0, VECTOR));
	finish();
}

/* A guest that allows further signals before it takes the vector */
static void vmpl0_keeps_vector(void)
{
	set_doorbell();
	guest_sync(1);
	GUEST_ASSERT_EQ(*bell(0), NFS | VECTOR);
	doorbells[0].flags = 0;
	guest_sync(2);
	guest_sync(3);
	look(0);
	guest_sync(4);
}

static void vector_is_kept(enum test_how how)
{
	const guest_code_t entry[] = { vmpl0_keeps_vector, NULL };

	looks_away[0] = true;
	start(2, entry);
	expect_sync(0, 1);
	send(0, VECTOR);
	expect_sync(0, 2);
	send(0, VECTOR_2);
	expect_sync(0, 3);
	expect_hvs(0, 1);
	ASSERT_EQ(*bell(0), VECTOR);
	expect_sync(0, 4);
	ASSERT_EQ(told[0][VECTOR], 1);
	expect_hvs(0, 2);
	ASSERT_EQ(*bell(0), NFS | VECTOR_2);
	finish();
}

/* While other VMPLs run */

static volatile int other;

/* Forced or asked for, it goes back. */
static void vmpl0_serves(void)
{
	set_doorbell();
	for (;;)
		vmpl_run_ok(other);
}

static void other_syncs(void)
{
	sync_forever();
}

static void forced(enum test_how how)
{
	const guest_code_t entry[] = { vmpl0_serves, other_syncs, other_syncs, other_syncs };
	int n;

	for (other = 1; other < GUEST_PLANES; other++) {
		n = 2 * (other - 1);
		start(GUEST_PLANES, entry);
		expect_sync(other, 1);
		send(0, VECTOR);
		expect_sync(other, 2);
		expect_hvs(0, n + 1);
		ASSERT_EQ(last_event[0], NFS | VECTOR);
		send(0, MSI_NMI);
		expect_sync(other, 3);
		expect_hvs(0, n + 2);
		ASSERT_EQ(last_event[0], NFS | NMI);
		ASSERT_EQ(irqs[other][X86_HV], 0);
		finish();
	}
}

/* VMPL 0 that leaves, having been told and not having looked. */
static void vmpl0_leaves(void)
{
	set_doorbell();
	guest_sync(1);
	vmpl_run_ok(2);
	guest_sync(2);
	look(0);
	guest_sync(3);
	look(0);
	/* It may be forced to run, for the last of the events. */
	for (;;)
		vmpl_run_ok(2);
}

static void vmpl2_calls(void)
{
	guest_sync(10);
	guest_sync(11);
	guest_sync(12);
	vmpl_enable_ghcb();
	vmpl_run_ok(0);
	guest_sync(13);
	guest_sync(14);
}

static void not_forced(enum test_how how)
{
	const guest_code_t entry[] = { vmpl0_leaves, NULL, vmpl2_calls };

	looks_away[0] = true;
	start(3, entry);
	expect_sync(0, 1);
	send(0, VECTOR);
	expect_sync(2, 10);
	ASSERT_EQ(*bell(0), NFS | VECTOR);
	expect_hvs(0, 1);
	send(0, VECTOR_2);
	expect_sync(2, 11);
	send(0, MSI_NMI);
	expect_sync(2, 12);
	ASSERT_EQ(kvm_run_planes(t.vm->run)->suspended_planes, 0);
	ASSERT(lapic_in_irr(t.vm->vcpu[0], VECTOR_2));
	expect_hvs(0, 1);
	expect_sync(0, 2);
	expect_hvs(0, 1);
	/* The NMI comes first. */
	expect_sync(0, 3);
	expect_hvs(0, 2);
	ASSERT_EQ(*bell(0), NFS | NMI);
	looks_away[0] = false;
	expect_sync(2, 13);
	expect_hvs(0, 3);
	ASSERT_EQ(told[0][VECTOR], 1);
	ASSERT_EQ(told[0][VECTOR_2], 1);
	ASSERT_EQ(told[0][X86_NMI], 1);
	expect_sync(2, 14);
	finish();
}

/* It halts, and is told. */
static void vmpl0_halts(void)
{
	set_doorbell();
	guest_sync(1);
	asm volatile("sti; hlt");
	GUEST_ASSERT_EQ(told[0][VECTOR], 1);
	guest_done();
}

static void *send_later(void *unused)
{
	usleep(100000);
	send(0, VECTOR);
	return NULL;
}

static void halted(enum test_how how)
{
	const guest_code_t entry[] = { vmpl0_halts, NULL };
	pthread_t thread;

	start(2, entry);
	expect_sync(0, 1);
	pthread_create(&thread, NULL, send_later, NULL);
	ASSERT_EQ(vmpl_test_run(&t)->cmd, GUEST_DONE);
	pthread_join(thread, NULL);
	expect_hvs(0, 1);
	finish();
}

/* Without a doorbell */

static void vmpl0_clears(void)
{
	set_doorbell();
	asm volatile("sti");
	guest_sync(1);
	guest_sync(2);
	clear_doorbell();
	sync_forever();
}

static void cleared(enum test_how how)
{
	const guest_code_t entry[] = { vmpl0_clears, NULL };

	start(2, entry);
	expect_sync(0, 1);
	send(0, VECTOR);
	expect_sync(0, 2);
	expect_hvs(0, 1);
	expect_sync(0, 1);
	send(0, VECTOR);
	expect_sync(0, 2);
	ASSERT_EQ(irqs[0][VECTOR], 1);
	send(0, MSI_NMI);
	expect_sync(0, 3);
	ASSERT_EQ(irqs[0][X86_NMI], 1);
	ASSERT_EQ(irqs[0][X86_HV], 1);
	ASSERT_EQ(*bell(0), 0);
	finish();
}

/* What is pending when the doorbell is cleared comes as such. */
static void vmpl0_clears_busy(void)
{
	set_doorbell();
	asm volatile("sti");
	guest_sync(1);
	guest_sync(2);
	clear_doorbell();
	guest_sync(3);
}

static void cleared_pending(enum test_how how)
{
	const guest_code_t entry[] = { vmpl0_clears_busy, NULL };

	looks_away[0] = true;
	start(2, entry);
	expect_sync(0, 1);
	send(0, VECTOR);
	expect_sync(0, 2);
	send(0, VECTOR_2);
	expect_sync(0, 3);
	ASSERT_EQ(irqs[0][VECTOR], 0);
	ASSERT_EQ(irqs[0][VECTOR_2], 1);
	ASSERT_EQ(irqs[0][X86_HV], 1);
	finish();
}

static void vmpl2_plain(void)
{
	vmpl_enable_ghcb();
	asm volatile("sti");
	guest_sync(1);
	guest_sync(2);
	guest_sync(3);
	set_doorbell();
	guest_sync(4);
	guest_sync(5);
}

static void each_its_own(enum test_how how)
{
	const guest_code_t entry[] = { vmpl0_serves, NULL, vmpl2_plain };

	other = 2;
	start(3, entry);
	expect_sync(2, 1);
	send(2, VECTOR);
	expect_sync(2, 2);
	ASSERT_EQ(irqs[2][VECTOR], 1);
	send(2, MSI_NMI);
	expect_sync(2, 3);
	ASSERT_EQ(irqs[2][X86_NMI], 1);
	ASSERT_EQ(irqs[2][X86_HV], 0);
	expect_hvs(0, 0);
	expect_sync(2, 4);
	send(2, VECTOR);
	expect_sync(2, 5);
	ASSERT_EQ(irqs[2][VECTOR], 1);
	ASSERT_EQ(irqs[2][X86_HV], 1);
	ASSERT_EQ(told[2][VECTOR], 1);
	ASSERT_EQ(last_event[2], NFS | VECTOR);
	expect_hvs(0, 0);
	ASSERT_EQ(*bell(0), 0);
	finish();
}

/* A page that the policy cannot access */

static void expect_inject_exit(int vmpl)
{
	const struct kvm_plane_event *event = kvm_run_plane_event(t.vm->run);

	vm_run(t.vm);
	if (vm_guest_call(t.vm))
		fail("the guest goes on");
	ASSERT_EXIT(t.vm, KVM_EXIT_PLANE_EVENT);
	ASSERT_EQ(event->cause, KVM_PLANE_EVENT_INJECT);
	ASSERT_EQ(event->target, vmpl);
	ASSERT_EQ(kvm_run_planes(t.vm->run)->plane, vmpl);
}

static void drop_page(int vmpl)
{
	ASSERT_EQ(madvise(&doorbells[vmpl], sizeof(doorbells[vmpl]), MADV_DONTNEED), 0);
}

static void not_resident(enum test_how how)
{
	const guest_code_t entry[] = { vmpl0_syncs, NULL };

	start(2, entry);
	expect_sync(0, 1);
	drop_page(0);
	send(0, VECTOR);
	/* Nothing is lost if the VMM does nothing. */
	expect_inject_exit(0);
	expect_inject_exit(0);
	ASSERT(lapic_in_irr(t.vm->vcpu[0], VECTOR));
	ASSERT(vmpl_handle_exit(&t.vmpl));
	expect_sync(0, 2);
	expect_hvs(0, 1);
	ASSERT_EQ(last_event[0], NFS | VECTOR);
	finish();
}

static void not_resident_forced(enum test_how how)
{
	const guest_code_t entry[] = { vmpl0_serves, NULL, other_syncs };

	other = 2;
	start(3, entry);
	expect_sync(2, 1);
	drop_page(0);
	send(0, MSI_NMI);
	expect_inject_exit(0);
	ASSERT_EQ(kvm_run_planes(t.vm->run)->suspended_planes, 1 << 2);
	ASSERT(vmpl_handle_exit(&t.vmpl));
	expect_sync(2, 2);
	expect_hvs(0, 1);
	ASSERT_EQ(last_event[0], NFS | NMI);
	finish();
}

static void vmpl0_no_page(void)
{
	vmpl_enable_ghcb();
	GUEST_ASSERT_EQ(vmpl_doorbell(GHCB_DOORBELL_SET, NO_MEMORY).info_1, GHCB_OK);
	asm volatile("sti");
	sync_forever();
}

/* With no page the VMM gives up, and the guest gets the interrupt as such. */
static void no_memory(enum test_how how)
{
	const guest_code_t entry[] = { vmpl0_no_page, NULL };

	start(2, entry);
	expect_sync(0, 1);
	send(0, VECTOR);
	expect_inject_exit(0);
	expect_inject_exit(0);
	ASSERT(vmpl_handle_exit(&t.vmpl));
	ASSERT_EQ(vm_get_msr(t.vm, 0, KVM_PLANE_VMPL_MSR_DOORBELL), 0);
	expect_sync(0, 2);
	ASSERT_EQ(irqs[0][VECTOR], 1);
	ASSERT_EQ(irqs[0][X86_HV], 0);
	finish();
}

static void vmpl0_runs_1(void)
{
	vmpl_enable_ghcb();
	vmpl_run_ok(1);
}

static void not_writable(enum test_how how)
{
	const guest_code_t entry[] = { vmpl0_runs_1, vmpl0_syncs };
	struct kvm_memory_attributes attrs = {
		.address = (unsigned long)&doorbells[1],
		.size = sizeof(doorbells[1]),
		.attributes = KVM_MEMORY_ATTRIBUTE_NW,
	};

	start(2, entry);
	expect_sync(1, 1);
	vm_ioctl(t.vm->plane[1], KVM_SET_MEMORY_ATTRIBUTES, &attrs);
	send(1, VECTOR);
	expect_inject_exit(1);
	ASSERT_EQ(*bell(1), 0);
	attrs.attributes = 0;
	vm_ioctl(t.vm->plane[1], KVM_SET_MEMORY_ATTRIBUTES, &attrs);
	expect_sync(1, 2);
	expect_hvs(1, 1);
	ASSERT_EQ(last_event[1], NFS | VECTOR);
	finish();
}

/* Nobody can tell by #HV any more. */
static void removed(enum test_how how)
{
	const guest_code_t entry[] = { vmpl0_syncs_sti, NULL };

	looks_away[0] = true;
	start(2, entry);
	expect_sync(0, 1);
	send(0, VECTOR);
	expect_sync(0, 2);
	send(0, VECTOR_2);
	expect_sync(0, 3);
	expect_hvs(0, 1);
	policy_unload(&t.policy);
	expect_sync(0, 4);
	ASSERT_EQ(irqs[0][VECTOR], 0);
	ASSERT_EQ(irqs[0][VECTOR_2], 1);
	vm_free(t.vm);
}

static void dirty_log(enum test_how how)
{
	const guest_code_t entry[] = { vmpl0_syncs, NULL };

	looks_away[0] = true;
	start(2, entry);
	expect_sync(0, 1);
	vm_set_dirty_log(t.vm, true);
	vm_page_dirty(t.vm, &doorbells[0]);
	send(0, VECTOR);
	expect_sync(0, 2);
	expect_hvs(0, 1);
	ASSERT_EQ(vm_page_dirty(t.vm, &doorbells[0]), true);
	finish();
}

const struct test tests[] = {
	TEST("#HV tells of an interrupt or NMI, which does not come as such", tells_disabled),
	TEST("so it is if the VMPL has interrupts enabled", tells_enabled),
	TEST("only the first two bytes of the doorbell page are written", rest_of_page),
	TEST("with no-further-signal an interrupt stays pending until it is clear", irq_then_irq),
	TEST("so does an NMI after an interrupt", irq_then_nmi),
	TEST("so does an interrupt after an NMI", nmi_then_irq),
	TEST("so does an NMI after an NMI", nmi_then_nmi),
	TEST("an interrupt that #HV told of is in service until EOI", in_service_until_eoi),
	TEST("a vector that is still in the page is not overwritten", vector_is_kept),
	TEST("#HV for VMPL 0 forces it while 1, 2 or 3 runs", forced),
	TEST("with no-further-signal VMPL 0 is not forced, and told when it has looked",
	     not_forced),
	TEST("a halted VMPL is told, and goes on", halted),
	TEST("without a doorbell page any more, interrupts and NMIs come as such", cleared),
	TEST("so does what is pending then", cleared_pending),
	TEST("a VMPL without a doorbell page gets interrupts as such", each_its_own),
	TEST("a doorbell page that is not in memory exits to userspace, which brings it in",
	     not_resident),
	TEST("so it does if VMPL 0 is forced to run", not_resident_forced),
	TEST("a doorbell page that is no memory does so each time, and nothing is lost", no_memory),
	TEST("a doorbell page that the VMPL may not write exits to userspace", not_writable),
	TEST("without the policy, interrupts come as such", removed),
	TEST("what the policy writes to a doorbell page is in the dirty log", dirty_log),
	{ }
};
