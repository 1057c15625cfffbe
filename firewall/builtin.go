package firewall

const builtinPrefix = "builtin-"

// timekeeper is a program that keeps the clock; id ends its rule's ID.
type timekeeper struct{ id, program string }

// BuiltinRules returns the rules that a first start puts into force: without
// them a computer would lose its address, its names and its clock, or ask
// about each. They are ordinary rules otherwise: visible, and removable.
func BuiltinRules() []Rule {
	rules := []Rule{
		{ID: "loopback", Program: AnyProgram, Place: Loopback, Note: "programs of this computer among themselves"},
		{ID: "kernel", Program: KernelProgram, Note: "the kernel's own traffic, such as neighbour discovery"},
		{ID: "dhcp", Program: AnyProgram, Protocol: UDP, LocalPort: 68, Port: 67, Note: "this computer's address (DHCP)"},
		{ID: "dhcpv6", Program: AnyProgram, Protocol: UDP, LocalPort: 546, Port: 547, Note: "this computer's address (DHCPv6)"},
		{ID: "dns-udp", Program: AnyProgram, Place: Resolver, Protocol: UDP, Port: 53, Note: "names, from the configured resolvers"},
		{ID: "dns-tcp", Program: AnyProgram, Place: Resolver, Protocol: TCP, Port: 53, Note: "names, from the configured resolvers"},
		{ID: "kernel-in", Program: KernelProgram, Direction: In, Note: "the kernel's own servers, and what answers it"},
	}
	for _, k := range timekeepers() {
		rules = append(rules, Rule{ID: RuleID("ntp-" + k.id), Program: k.program, Protocol: UDP, Port: 123, Note: "the clock (NTP)"})
	}
	for i := range rules {
		rules[i].ID = builtinPrefix + rules[i].ID
		rules[i].Builtin = true
		rules[i].Verdict = Allow
	}
	return rules
}
