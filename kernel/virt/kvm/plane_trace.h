/* SPDX-License-Identifier: GPL-2.0-only */
#if !defined(__KVM_PLANE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define __KVM_PLANE_TRACE_H

#include <linux/tracepoint.h>

#undef TRACE_SYSTEM
#define TRACE_SYSTEM kvm

/* KVM goes on with another plane, as a policy said. */
TRACE_EVENT(kvm_plane_switch,
	TP_PROTO(struct kvm_vcpu *from, struct kvm_vcpu *to),
	TP_ARGS(from, to),

	TP_STRUCT__entry(
		__field(unsigned int,	vcpu_id)
		__field(u8,		from)
		__field(u8,		to)
		__field(u8,		cause)
		__field(u16,		suspended)
	),

	TP_fast_assign(
		__entry->vcpu_id	= from->vcpu_id;
		__entry->from		= from->plane.id;
		__entry->to		= to->plane.id;
		__entry->cause		= from->plane.switch_cause;
		__entry->suspended	= from->plane.vcpu0->plane.suspended;
	),

	TP_printk("vcpu %u plane %u to %u cause %s suspended 0x%x",
		  __entry->vcpu_id, __entry->from, __entry->to,
		  __print_symbolic(__entry->cause,
				   { KVM_PLANE_CAUSE_HYPERCALL,		"hypercall" },
				   { KVM_PLANE_CAUSE_MSR,		"msr" },
				   { KVM_PLANE_CAUSE_MEMORY_FAULT,	"memory_fault" },
				   { KVM_PLANE_CAUSE_EVENT,		"event" },
				   { KVM_PLANE_CAUSE_HALT,		"halt" }),
		  __entry->suspended)
);

/* A policy broke a rule, and the VM does not have it any more. */
TRACE_EVENT(kvm_plane_eject,
	TP_PROTO(u64 vm_id, unsigned int vcpu_id, const char *policy, u32 kind, s64 code,
		 const char *message),
	TP_ARGS(vm_id, vcpu_id, policy, kind, code, message),

	TP_STRUCT__entry(
		__field(u64,		vm_id)
		__field(unsigned int,	vcpu_id)
		__string(policy,	policy)
		__field(u32,		kind)
		__field(s64,		code)
		__string(message,	message)
	),

	TP_fast_assign(
		__entry->vm_id		= vm_id;
		__entry->vcpu_id	= vcpu_id;
		__assign_str(policy);
		__entry->kind		= kind;
		__entry->code		= code;
		__assign_str(message);
	),

	TP_printk("vm %llu vcpu %u policy %s kind %u code %lld: %s",
		  __entry->vm_id, __entry->vcpu_id, __get_str(policy), __entry->kind,
		  __entry->code, __get_str(message))
);

#endif /* __KVM_PLANE_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH ../../virt/kvm
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE plane_trace

#include <trace/define_trace.h>
