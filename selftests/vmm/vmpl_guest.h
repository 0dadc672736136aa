/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a guest with AMD VMPLs does: VMPL n is plane n, and lower is more privileged.
 *
 * It speaks the protocol of GHCBs as on real hardware, in a machine that is none: nothing is
 * encrypted, and the hypervisor sees all registers. See ghcb.h.
 */
#ifndef VMPL_GUEST_H
#define VMPL_GUEST_H

#include "ghcb.h"
#include "guest.h"

/* One for each VMPL, in memory that all may access. */
extern struct ghcb vmpl_ghcbs[GUEST_PLANES];

/* VMGEXIT, and a RET; also for guest_run(). All registers stay as they are. */
void vmpl_vmgexit(void);

/* Registers for guest_run() to VMGEXIT with. */
struct guest_regs vmpl_vmgexit_regs(void);

/* A request of the MSR protocol; returns the answer. The MSR is then what it was before. */
__u64 vmpl_msr_request(__u64 request);

/* Run a VMPL; returns, when this one runs again, 0 or the error. */
__u32 vmpl_run_by_msr(int vmpl);
__u64 vmpl_features_by_msr(void);

/* Use the GHCB of the VMPL that executes this. */
void vmpl_enable_ghcb(void);

/* What the hypervisor answers to a request by the GHCB. */
struct ghcb_answer {
	__u64 info_1;
	__u64 info_2;
};

/* Fill in the GHCB as a request has it that is well formed. */
void vmpl_fill_ghcb(__u64 code, __u64 info_1, __u64 info_2);

/* What is in it afterwards; what has to be marked valid is. */
struct ghcb_answer vmpl_read_ghcb(void);

/* The two, and a VMGEXIT between them. */
struct ghcb_answer vmpl_ghcb_request(__u64 code, __u64 info_1, __u64 info_2);

/* Run a VMPL; returns when this one runs again. */
struct ghcb_answer vmpl_run(int vmpl);
__u64 vmpl_features(void);

/* The same, and it works. */
void vmpl_run_ok(int vmpl);

/* The whole of a VMPL that has nothing to do but to run another one, by its GHCB. */
__noreturn void vmpl_run_forever(int vmpl);

/* That for VMPL 0, as a guest_code_t */
void vmpl_run_0_forever(void);

/* Let what is in a VMSA be @vmpl of this vCPU; @request is GHCB_AP_*. */
struct ghcb_answer vmpl_ap_create(int request, int vmpl, struct vmsa *vmsa);

/* A VMSA for @vmpl to start at @entry as vm_start() has it; its tables are there already. */
void vmpl_fill_vmsa(struct vmsa *vmsa, int vmpl, guest_code_t entry);

/* GHCB_HV_DOORBELL; @operation is GHCB_DOORBELL_* */
struct ghcb_answer vmpl_doorbell(int operation, __u64 gpa);

/* What RMPADJUST grants in memory, on real hardware */
#define VMPL_MAY_READ		(1 << 0)
#define VMPL_MAY_WRITE		(1 << 1)
#define VMPL_MAY_EXECUTE	(1 << 2)

struct vmpl_rmpadjust {
	__u64 gpa;
	__u64 size;
	__u32 vmpl;
	__u32 may;
};

/* What the VMM is asked for in place of the instruction */
extern struct vmpl_rmpadjust vmpl_rmpadjust_request;

/* What @vmpl, a less privileged one, may do with memory from now on: VMPL_MAY_* */
void vmpl_rmpadjust(__u64 gpa, __u64 size, int vmpl, int may);

/* Calls of a service module (SVSM) in VMPL 0; AMD publication 58019 */

/**
 * struct svsm_call - registers of a call, there and back
 * @rax: the protocol << 32 | the call; then the result
 */
struct svsm_call {
	__u64 rax;
	__u64 rcx;
	__u64 rdx;
	__u64 r8;
	__u64 r9;
};

/**
 * struct svsm_ca - the calling area
 *
 * A real one is the first eight bytes, and the SVSM has the registers from the caller's VMSA.
 * There is none to look at here: they are in the page, too.
 */
struct svsm_ca {
	__u8 call_pending;
	__u8 memory_available;
	__u8 no_eoi_required;
	__u8 reserved[5];
	struct svsm_call regs;
};

#define SVSM_CALL(protocol, call)	((__u64)(protocol) << 32 | (call))

#define SVSM_OK				0
#define SVSM_INCOMPLETE			0x80000000
#define SVSM_UNSUPPORTED_PROTOCOL	0x80000001
#define SVSM_UNSUPPORTED_CALL		0x80000002
#define SVSM_INVALID_ADDRESS		0x80000003
#define SVSM_INVALID_FORMAT		0x80000004
#define SVSM_INVALID_PARAMETER		0x80000005
#define SVSM_INVALID_REQUEST		0x80000006
#define SVSM_BUSY			0x80000007
#define SVSM_PROTOCOL_RESULT		0x80001000

/* The core protocol, and those of its calls that the test SVSM knows */
#define SVSM_CORE			0
#define SVSM_CORE_REMAP_CA		0
#define SVSM_CORE_QUERY_PROTOCOL	6

/* Puts a call into the calling area, without running VMPL 0. */
void svsm_put_call(struct svsm_ca *ca, const struct svsm_call *call);

/* What has become of it; false if it was not serviced. */
bool svsm_get_answer(struct svsm_ca *ca, struct svsm_call *call);

/* Both, with VMPL 0 run between them. */
bool svsm_make_call(struct svsm_ca *ca, struct svsm_call *call);
bool svsm_make_call_by_msr(struct svsm_ca *ca, struct svsm_call *call);

#endif /* VMPL_GUEST_H */
