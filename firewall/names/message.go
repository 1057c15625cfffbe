package names

import (
	"net/netip"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// maxAnswers bounds the records read of one answer, and maxAliases the length
// of a chain of aliases; resolvers themselves follow no more than 16.
const (
	maxAnswers = 128
	maxAliases = 16
)

// question is what a DNS message asks for. The name is in lower case, since
// resolvers answer in the asker's mix of cases.
type question struct {
	name  dnsmessage.Name
	kind  dnsmessage.Type
	class dnsmessage.Class
}

// wanted tells whether the answer to the question holds addresses.
func (q question) wanted() bool {
	return q.class == dnsmessage.ClassINET && (q.kind == dnsmessage.TypeA || q.kind == dnsmessage.TypeAAAA)
}

// isReply reads the bit that tells an answer from a question.
func isReply(message []byte) bool {
	return len(message) > 2 && message[2]&0x80 != 0
}

// parseQuestion reads the id and the one question of a message; ok is false if
// the message makes no sense, or its name is not one that can be shown.
func parseQuestion(message []byte) (id uint16, q question, ok bool) {
	var p dnsmessage.Parser
	h, err := p.Start(message)
	if err != nil || h.OpCode != 0 {
		return 0, question{}, false
	}
	asked, err := p.Question()
	if err != nil {
		return 0, question{}, false
	}
	if _, err = p.Question(); err != dnsmessage.ErrSectionDone {
		return 0, question{}, false
	}
	ok = lower(&asked.Name)
	return h.ID, question{asked.Name, asked.Type, asked.Class}, ok
}

// answer is an address that answers a question, directly or by aliases.
type answer struct {
	addr netip.Addr
	age  time.Duration // the least time to live on the way to the address
}

// parseAnswers returns the addresses that the message gives for the name that
// was asked for. Records that have nothing to do with it do not count.
func parseAnswers(message []byte, name string) []answer {
	var p dnsmessage.Parser
	h, err := p.Start(message)
	if err != nil || h.RCode != dnsmessage.RCodeSuccess || p.SkipAllQuestions() != nil {
		return nil
	}
	type record struct {
		owner, alias string
		answer
	}
	records := make([]record, 0, 16)
	for range maxAnswers {
		r, err := p.AnswerHeader()
		if err != nil {
			break
		}
		if !lower(&r.Name) || r.Class != dnsmessage.ClassINET {
			r.Type = 0
		}
		new := record{answer: answer{age: time.Duration(r.TTL) * time.Second}}
		switch r.Type {
		case dnsmessage.TypeA:
			var a dnsmessage.AResource
			a, err = p.AResource()
			new.addr = netip.AddrFrom4(a.A)
		case dnsmessage.TypeAAAA:
			var a dnsmessage.AAAAResource
			a, err = p.AAAAResource()
			new.addr = netip.AddrFrom16(a.AAAA).Unmap()
		case dnsmessage.TypeCNAME:
			var c dnsmessage.CNAMEResource
			c, err = p.CNAMEResource()
			if lower(&c.CNAME) {
				new.alias = hostName(c.CNAME)
			}
		default:
			err = p.SkipAnswer()
		}
		if err != nil {
			break // a truncated message still gives what it holds
		}
		if new.addr.IsValid() || new.alias != "" {
			new.owner = hostName(r.Name)
			records = append(records, new)
		}
	}
	var found []answer
	age := time.Duration(1<<63 - 1)
	for range maxAliases {
		next := -1
		for i, r := range records {
			switch {
			case r.owner != name:
			case r.alias != "":
				next = i
			default:
				found = append(found, answer{r.addr, min(r.age, age)})
			}
		}
		if next < 0 {
			break
		}
		// Once followed, an alias is none any more: they may form a circle.
		name, age = records[next].alias, min(age, records[next].age)
		records[next].owner = ""
	}
	return found
}

// lower writes a name in lower case; false for the root and for names with
// bytes that do not belong in a host name.
func lower(n *dnsmessage.Name) bool {
	b := n.Data[:n.Length]
	for i, c := range b {
		if c <= ' ' || c >= 0x7f {
			return false
		}
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return len(b) > 1 && b[len(b)-1] == '.'
}

// hostName is the name without the final dot.
func hostName(n dnsmessage.Name) string { return string(n.Data[:n.Length-1]) }
