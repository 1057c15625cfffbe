// Package firewall decides which program may use the network.
//
// # The life of a held flow
//
// A [Backend] meets the first packet of a flow whose program is not decided,
// says who sent it (an [Attempt]) and hands it to the [Engine] as [Held]. The
// engine asks the [Mode] and the [Ruleset]. If they decide, the flow is
// released at once, and the [Scope] and [Bounds] of the [Decision] tell the
// backend for which other flows the answer will be the same, so that it need
// not ask.
//
// A flow that another computer opens is a question of its own: whether the
// program may serve ([In]). What answers a flow is a part of it, and never asked
// about.
//
// If nothing decides, the flow waits under a [Question], one for each program
// and direction, and a [Prompt] is shown: the first destination, and how many
// others. A packet sent again joins its flow. Then one of these happens:
//
//   - An [Answer] releases every flow that it covers. What it does not cover is
//     asked again, as a new prompt. With a rule, the caller first puts the rule
//     into force, which judges everything that waits again.
//   - Rules or mode change, and decide it.
//   - The patience ends: all flows of the question are blocked as [Unanswered].
//     The question stays open. The program's next flow makes it wait again; an
//     answer before that holds for the next try, be it a rule or "just this
//     once", which is then for the next flow that it covers.
//   - It turns out what the program is ([Engine.Known]), or what started it
//     ([Engine.Started]), and that decides it.
//   - The program gives up: its flow is logged as [Gone]. When none is left the
//     question is unanswered, as above.
//   - The backend ends and sends on what it holds: the flow is allowed as
//     [HandedBack].
//   - The engine stops: the flow is blocked as [Stopping].
//
// # The end of a run
//
// The backend ends first, the engine after it. What still waits then, nobody
// will ever decide, and networking is to be as it was found:
//
//   - With [ErrHandOver] as the cause it is blocked: the next engine asks about
//     the program's next try.
//   - Under fail closed it is blocked: no packet passes undecided.
//   - Under fail open, a backend that has the packets itself (package
//     windivert) sends them on unchanged before it lets go of the network, those
//     included that the driver still had for it, and calls [Sink.HandBack].
//   - A backend whose kernel has the packets (package netfilter) drops them with
//     its queue. A connection's first segment is sent again by its system within
//     a second or so, and then nothing is in its way.
//
// Mode off and mode lock decide also then: what a lock held back is not sent.
//
// # What decides
//
// Mode off decides alone, mode lock save for what rules let pass it. Otherwise the first matching rule does:
// rules that name the program before rules for any program, narrower before
// wider, and block before ask before allow among equals. Before them counts only
// the zone of blocked addresses ([Zones]). Of the names that a
// program has, a service is narrower than the path of its host, a script than
// the path of its interpreter, a path than the package that it belongs to, and
// that than the verified signer and product that versions of a program have in
// common. A rule is narrower then by its address (one address, one host name;
// then a place; then a longer prefix; names below a name are in between; then a
// zone), then by remote port or the shorter range, protocol, local port, what
// started the process, user, and process. A rule that asks does so in the
// modes ask, allow and learn; in mode block it blocks. Without a rule the mode
// asks, allows or blocks.
//
// [Explain] says which of these decided an attempt, and what would have without
// it; a [Replay] says what other rules, or another mode, would have made of
// attempts of the past. Both only look.
//
// # What fails closed
//
// The zero [Verdict] blocks, the zero [Scope] is this flow only, the zero
// [ProgramKind] is unidentified. An unidentified program matches no rule that
// names a program, is not allowed by a person's rule for any program, and can
// be answered once only. The same is true of a service that is not identified,
// save that rules for the path of its host match it. What an interpreter runs
// from no file, or nobody knows from which, is inline code: it can be answered
// once or until its process exits, and is never a script that rules name. A
// program or script that is another file than the one that rules for it were
// made for ([Changed]) is not allowed by them, and counts as such until it is
// known to be the same ([Identify], [Engine.Known]). A signature counts only when the
// system has verified it. A flow beyond the limits is blocked and logged as
// [TooMany]. Silence blocks. A rule for what started a process matches nothing
// of which that is not known. When the engine stops, everything that still
// waits is blocked, and so is what comes later, unless the backend handed it
// back before. What depends on a host name, on one process or on a time is not
// known beyond it: see [Bounds].
//
// # Who owns what
//
// The package imports the standard library only. One goroutine, [Engine.Run],
// owns all state; everyone else sends it a message. Rules and mode are an
// immutable value that [Engine.Judge] reads without waiting.
package firewall
