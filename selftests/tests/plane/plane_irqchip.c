// SPDX-License-Identifier: GPL-2.0
/*
 * All interrupt controllers in KVM: those that a VM has once (PIC, IOAPIC, and
 * irqfds, which go through them) interrupt plane 0, whatever plane runs.
 *
 * Every plane counts its interrupts, all of them of one vector.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lapic.h"
#include "test.h"

#define NR_PLANES	2
#define PIC_BASE	0x50
#define GSI		5
#define RTC_GSI		8
#define VECTOR		(PIC_BASE + GSI)
#define PIC_PORT	0x20
#define PIC_EOI		0x20

enum source { IOAPIC, PIC, IRQFD };

static volatile __u64 taken[NR_PLANES];
static volatile __u64 icr;
static volatile bool eoi_now, pic_eoi, do_halt;

static void eoi(void)
{
	if (pic_eoi)
		asm volatile("outb %b0, %w1" : : "a"(PIC_EOI), "d"(PIC_PORT));
	else
		wrmsr(MSR_X2APIC_EOI, 0);
}

__attribute__((interrupt)) static void take(void *frame)
{
	taken[guest_plane()]++;
	if (eoi_now)
		eoi();
}

static void serve(void)
{
	asm volatile("sti");
	for (;;) {
		if (do_halt)
			asm volatile("hlt");
		if (icr)
			wrmsr(MSR_X2APIC_ICR, icr);
		guest_sync(0);
	}
}

static void spin(void)
{
	asm volatile("sti");
	for (;;)
		;
}

static void eoi_at_end(void)
{
	asm volatile("sti");
	guest_sync(0);
	eoi();
	serve();
}

static void set_pic(struct vm *vm, __u8 unmasked)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_PIC_MASTER };

	vm_ioctl(vm->fd, KVM_GET_IRQCHIP, &chip);
	chip.chip.pic.irq_base = PIC_BASE;
	chip.chip.pic.imr = ~unmasked;
	vm_ioctl(vm->fd, KVM_SET_IRQCHIP, &chip);
}

static void get_ioapic(struct vm *vm, struct kvm_irqchip *chip)
{
	*chip = (struct kvm_irqchip) { .chip_id = KVM_IRQCHIP_IOAPIC };
	vm_ioctl(vm->fd, KVM_GET_IRQCHIP, chip);
}

/* An entry that sends VECTOR to vCPU 0 */
static void set_ioapic(struct vm *vm, int pin, bool level)
{
	struct kvm_irqchip chip;

	get_ioapic(vm, &chip);
	chip.chip.ioapic.redirtbl[pin].bits = 0;
	chip.chip.ioapic.redirtbl[pin].fields.vector = VECTOR;
	chip.chip.ioapic.redirtbl[pin].fields.trig_mode = level;
	vm_ioctl(vm->fd, KVM_SET_IRQCHIP, &chip);
}

static bool waits_for_eoi(struct vm *vm)
{
	struct kvm_irqchip chip;

	get_ioapic(vm, &chip);
	return chip.chip.ioapic.redirtbl[GSI].fields.remote_irr;
}

static struct vm *start(guest_code_t plane0, guest_code_t plane1)
{
	struct vm *vm = vm_create_irqchip(NR_PLANES, IRQCHIP_FULL);
	int i;

	for (i = 0; i < NR_PLANES; i++) {
		vm_start(vm, i, i ? plane1 : plane0);
		vm_set_vector(i, VECTOR, take);
		lapic_enable_x2apic(vm->vcpu[i]);
	}
	eoi_now = true;
	set_pic(vm, 0);
	return vm;
}

static void set_level(struct vm *vm, int gsi, int level)
{
	struct kvm_irq_level line = { .irq = gsi, .level = level };

	vm_ioctl(vm->fd, KVM_IRQ_LINE, &line);
}

struct device {
	struct vm *vm;
	enum source source;
	int eventfd;
};

static struct device device_of(struct vm *vm, enum source source)
{
	struct device device = { .vm = vm, .source = source, .eventfd = eventfd(0, EFD_CLOEXEC) };
	struct kvm_irqfd irqfd = { .fd = device.eventfd, .gsi = GSI };

	if (source == IRQFD)
		vm_ioctl(vm->fd, KVM_IRQFD, &irqfd);
	pic_eoi = source == PIC;
	if (source == PIC)
		set_pic(vm, 1 << GSI);
	else
		set_ioapic(vm, GSI, false);
	return device;
}

/* An edge */
static void interrupt(struct device *device)
{
	__u64 one = 1;

	if (device->source == IRQFD) {
		ASSERT(write(device->eventfd, &one, sizeof(one)) == sizeof(one));
		/* KVM does the rest in a thread of its own. */
		while (!lapic_in_irr(device->vm->vcpu[0], VECTOR))
			usleep(1000);
		return;
	}
	set_level(device->vm, GSI, 1);
	set_level(device->vm, GSI, 0);
}

static void run(struct vm *vm, __u8 plane)
{
	kvm_run_planes(vm->run)->plane = plane;
	vm_run(vm);
}

static void sync_with(struct vm *vm, __u8 plane)
{
	run(vm, plane);
	ASSERT(vm_guest_call(vm));
}

static void expect_event(struct vm *vm)
{
	run(vm, 1);
	ASSERT_EXIT(vm, KVM_EXIT_PLANE_EVENT);
	ASSERT_EQ(kvm_run_plane_event(vm->run)->cause, KVM_PLANE_EVENT_INTERRUPT);
	ASSERT_EQ(kvm_run_plane_event(vm->run)->pending_event_planes, 1);
	ASSERT_EQ(kvm_run_plane_event(vm->run)->target, 0);
}

static void waits(enum source source)
{
	struct vm *vm = start(serve, serve);
	struct device device = device_of(vm, source);
	int i;

	sync_with(vm, 0);
	interrupt(&device);
	kvm_run_planes(vm->run)->suspended_planes = 1U << 0;
	for (i = 0; i < 5; i++)
		sync_with(vm, 1);
	ASSERT_EQ(taken[0], 0);
	kvm_run_planes(vm->run)->req_exit_planes = 1U << 0;
	expect_event(vm);

	for (i = 0; i < 5; i++) {
		sync_with(vm, 0);
		ASSERT_EQ(taken[0], 1);
		sync_with(vm, 1);
	}
	ASSERT_EQ(taken[1], 0);
	vm_free(vm);
}

static void ioapic_waits(enum test_how how)
{
	waits(IOAPIC);
}

static void pic_waits(enum test_how how)
{
	waits(PIC);
}

static void irqfd_waits(enum test_how how)
{
	waits(IRQFD);
}

static void *interrupt_later(void *device)
{
	usleep(50000);
	interrupt(device);
	return NULL;
}

static void arrives(guest_code_t plane1)
{
	static const enum source sources[] = { IOAPIC, PIC, IRQFD };
	struct device device;
	pthread_t thread;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		struct vm *vm = start(serve, plane1);

		device = device_of(vm, sources[i]);
		kvm_run_planes(vm->run)->req_exit_planes = 1U << 0;
		pthread_create(&thread, NULL, interrupt_later, &device);
		expect_event(vm);
		pthread_join(thread, NULL);
		vm_free(vm);
	}
}

static void arrives_while_running(enum test_how how)
{
	arrives(spin);
}

static void arrives_in_hlt(enum test_how how)
{
	do_halt = true;
	arrives(serve);
}

static void on_alarm(int signal)
{
}

/* It ends neither by itself nor at any of the events that exit. */
static void hlt_goes_on(enum test_how how)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct vm *vm = start(serve, serve);
	struct device device = device_of(vm, IOAPIC);
	pthread_t thread;

	do_halt = true;
	kvm_run_planes(vm->run)->plane = 1;
	sigaction(SIGALRM, &action, NULL);
	alarm(1);
	pthread_create(&thread, NULL, interrupt_later, &device);
	ASSERT_ERRNO(ioctl(vm->vcpu[0], KVM_RUN, 0), EINTR);
	pthread_join(thread, NULL);

	kvm_run_planes(vm->run)->req_exit_planes = 1U << 0;
	expect_event(vm);
	kvm_run_planes(vm->run)->req_exit_planes = 0;
	msi_send(vm->plane[1], VECTOR);
	sync_with(vm, 1);
	ASSERT_EQ(taken[0], 0);
	ASSERT_EQ(taken[1], 1);
	vm_free(vm);
}

/* Level-triggered, so that the IOAPIC waits for the EOI; the MSI's is one like that. */
static void ioapic_eoi(enum test_how how)
{
	struct vm *vm = start(eoi_at_end, serve);

	set_ioapic(vm, GSI, true);
	eoi_now = false;
	set_level(vm, GSI, 1);
	sync_with(vm, 0);
	ASSERT_EQ(taken[0], 1);
	ASSERT(waits_for_eoi(vm));
	set_level(vm, GSI, 0);

	eoi_now = true;
	sync_with(vm, 1);
	msi_send(vm->plane[1], VECTOR | MSI_LEVEL);
	sync_with(vm, 1);
	ASSERT_EQ(taken[1], 1);
	ASSERT(waits_for_eoi(vm));

	sync_with(vm, 0);
	ASSERT(!waits_for_eoi(vm));
	vm_free(vm);
}

/* Whether KVM delivers the interrupt, or says that the last one was not served yet */
static bool rtc_interrupt(struct vm *vm)
{
	struct kvm_irq_level line = { .irq = RTC_GSI, .level = 1 };

	vm_ioctl(vm->fd, KVM_IRQ_LINE_STATUS, &line);
	set_level(vm, RTC_GSI, 0);
	return line.status;
}

/* What KVM knows of the one interrupt that it counts, when the state of a plane is set */
static void rtc(enum test_how how)
{
	struct vm *vm = start(eoi_at_end, serve);

	set_ioapic(vm, RTC_GSI, false);
	eoi_now = false;
	ASSERT(rtc_interrupt(vm));
	sync_with(vm, 0);
	ASSERT_EQ(taken[0], 1);
	ASSERT(!rtc_interrupt(vm));
	lapic_enable(vm->vcpu[1]);
	ASSERT(!rtc_interrupt(vm));

	msi_send(vm->plane[1], VECTOR);
	lapic_enable(vm->vcpu[1]);
	sync_with(vm, 0);
	ASSERT(rtc_interrupt(vm));
	vm_free(vm);
}

static void isolated(enum test_how how)
{
	struct vm *vm = start(serve, serve);
	int plane;

	for (plane = 0; plane < NR_PLANES; plane++) {
		msi_send(plane ? vm->plane[1] : vm->fd, VECTOR);
		ASSERT(lapic_in_irr(vm->vcpu[plane], VECTOR));
		ASSERT(!lapic_in_irr(vm->vcpu[!plane], VECTOR));
		sync_with(vm, plane);
		sync_with(vm, plane);
		ASSERT_EQ(taken[plane], 1);

		icr = ICR_ALL | VECTOR;
		sync_with(vm, plane);
		icr = 0;
		sync_with(vm, plane);
		ASSERT_EQ(taken[plane], 2);
		ASSERT(!lapic_in_irr(vm->vcpu[!plane], VECTOR));
	}
	ASSERT_EQ(taken[0], 2);
	vm_free(vm);
}

const struct test tests[] = {
	TEST("an interrupt of the IOAPIC waits for plane 0, and ends KVM_RUN of another if asked",
	     ioapic_waits),
	TEST("so does one of the PIC", pic_waits),
	TEST("so does one of an irqfd", irqfd_waits),
	TEST("one of each that arrives while another plane runs ends KVM_RUN if asked",
	     arrives_while_running),
	TEST("one of each that arrives while another plane is halted does", arrives_in_hlt),
	TEST("but the HLT of the other plane is not over", hlt_goes_on),
	TEST("an EOI of another plane does not end an interrupt of the IOAPIC", ioapic_eoi),
	TEST("nor does its APIC count for the RTC interrupts that are not served yet", rtc),
	TEST("an MSI or IPI stays in its plane", isolated),
	{ }
};
