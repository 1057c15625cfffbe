// Package firewall decides which program may use the network.
//
// The life of a held flow: a [Backend] meets the first packet of a flow whose
// program is not decided, says who sent it (an [Attempt]) and hands it to the
// [Engine] as [Held]. The engine asks the [Ruleset]. If a rule decides, the
// flow is released at once. If none does, the flow waits under a [Question],
// one for each program and direction, and a [Prompt] is shown. An [Answer]
// releases every flow that it covers and judges all others again. A flow that
// nobody answers within the patience is blocked.
//
// What fails closed: the zero [Verdict] blocks; an unidentified program is
// never any program; a flow beyond the limits is blocked and logged; when the
// engine stops, everything that still waits is blocked.
//
// The package imports the standard library only. One goroutine, [Engine.Run],
// owns all state; everyone else sends it a message.
package firewall
