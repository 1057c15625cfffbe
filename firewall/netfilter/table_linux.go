package netfilter

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"golang.org/x/sys/unix"
)

// rejectMark sends a blocked packet, run through the table once more, to the
// rule that tells its program.
const rejectMark = 0x5a11f0e5

const (
	loopbackIndex = 1 // of lo, in every network namespace
	bypassFlag    = 1 // of a queue: pass packets while nobody listens
)

// table is our nft table: what leaves and is not decided goes to the queue.
type table struct {
	conn   *nftables.Conn
	name   string
	native bool // the kernel has nft's own queue expression
}

// tableFacts are what the rules depend on.
type tableFacts struct {
	queue              uint16
	bypass             bool
	loopback           bool // loopback passes
	lock               bool // also established connections are looked at
	undecided, blocked string
}

func newTable(name string) (*table, error) {
	conn, err := nftables.New(nftables.AsLasting())
	if err != nil {
		return nil, fmt.Errorf("open nftables: %w", err)
	}
	return &table{conn: conn, name: name, native: true}, nil
}

// put replaces the rules in one step. The chain that is hooked stays: with its
// end, the kernel would drop every packet that is held.
func (t *table) put(f tableFacts) error {
	err := t.try(f)
	if t.native && errors.Is(err, unix.ENOENT) {
		loadModule("xt_bpf")
		if err = t.try(f); errors.Is(err, unix.ENOENT) {
			t.native = false
			err = t.try(f)
		}
	}
	if err != nil {
		return fmt.Errorf("write the nft table: %w", err)
	}
	return nil
}

func (t *table) try(f tableFacts) error {
	tb := t.conn.AddTable(&nftables.Table{Name: t.name, Family: nftables.TableFamilyINet})
	accept := nftables.ChainPolicyAccept
	held := t.conn.AddChain(&nftables.Chain{Name: "held", Table: tb})
	refused := t.conn.AddChain(&nftables.Chain{Name: "refused", Table: tb})
	output := t.conn.AddChain(&nftables.Chain{
		Name: "output", Table: tb, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookOutput,
		Priority: nftables.ChainPriorityMangle, Policy: &accept,
	})
	t.conn.FlushChain(output)
	t.conn.FlushChain(held)
	t.conn.FlushChain(refused)
	add := func(c *nftables.Chain, es ...expr.Any) {
		t.conn.AddRule(&nftables.Rule{Table: tb, Chain: c, Exprs: es})
	}
	tcp := []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_TCP}},
	}
	if !f.lock {
		add(output, append(tcp[:2:2],
			&expr.Payload{OperationType: expr.PayloadLoad, DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 13, Len: 1},
			&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 1, Mask: []byte{0x07}, Xor: []byte{0}},
			&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: []byte{0x02}}, // of SYN, FIN and RST anything but SYN alone
			&expr.Verdict{Kind: expr.VerdictAccept})...)
	}
	if f.loopback || f.lock {
		add(output,
			&expr.Meta{Key: expr.MetaKeyOIF, Register: 1},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.NativeEndian.PutUint32(loopbackIndex)},
			&expr.Verdict{Kind: expr.VerdictAccept})
	}
	add(output, matcher(f.undecided), &expr.Verdict{Kind: expr.VerdictJump, Chain: held.Name})

	add(held,
		&expr.Meta{Key: expr.MetaKeyMARK, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.NativeEndian.PutUint32(rejectMark)},
		&expr.Verdict{Kind: expr.VerdictGoto, Chain: refused.Name})
	refusal := &expr.Verdict{Kind: expr.VerdictGoto, Chain: refused.Name}
	if f.lock {
		refusal = &expr.Verdict{Kind: expr.VerdictDrop} // connections outlive a lock
	}
	add(held, matcher(f.blocked), refusal)
	add(held, t.queue(f))

	add(refused, append(tcp[:2:2], &expr.Reject{Type: unix.NFT_REJECT_TCP_RST})...)
	add(refused, &expr.Reject{Type: unix.NFT_REJECT_ICMPX_UNREACH, Code: unix.NFT_REJECT_ICMPX_ADMIN_PROHIBITED})
	return t.conn.Flush()
}

func (t *table) queue(f tableFacts) expr.Any {
	if t.native {
		q := &expr.Queue{Num: f.queue, Total: 1}
		if f.bypass {
			q.Flag = expr.QueueFlagBypass
		}
		return q
	}
	info := make([]byte, 8) // struct xt_NFQ_info_v3: queue, queues, flags; padded
	binary.NativeEndian.PutUint16(info[0:], f.queue)
	binary.NativeEndian.PutUint16(info[2:], 1)
	if f.bypass {
		binary.NativeEndian.PutUint16(info[4:], bypassFlag)
	}
	u := xt.Unknown(info)
	return &expr.Target{Name: "NFQUEUE", Rev: 3, Info: &u}
}

// matcher matches what a pinned BPF program says.
func matcher(pin string) expr.Any {
	info := make([]byte, 528) // struct xt_bpf_info_v1: mode, …, path at 8
	binary.NativeEndian.PutUint16(info, 1)
	copy(info[8:8+511], pin)
	u := xt.Unknown(info)
	return &expr.Match{Name: "bpf", Rev: 1, Info: &u}
}

// remove deletes the table; a missing one is no error.
func (t *table) remove() error {
	t.conn.DelTable(&nftables.Table{Name: t.name, Family: nftables.TableFamilyINet})
	if err := t.conn.Flush(); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("delete the nft table %s: %w", t.name, err)
	}
	return nil
}

func (t *table) close() { t.conn.CloseLasting() }
