package names

import (
	"net/netip"
	"strings"
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
// resolvers answer in the asker's mix of cases, without the final dot.
type question struct {
	name  string
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
	name, ok := hostName(asked.Name)
	return h.ID, question{name, asked.Type, asked.Class}, ok
}

// answer is an address that answers a question, directly or by aliases.
type answer struct {
	addr netip.Addr
	age  time.Duration // the least time to live on the way to the address
}

// parseAnswers returns the addresses that the message gives for its question.
// Records that have nothing to do with the question do not count.
func parseAnswers(message []byte, q question) []answer {
	var p dnsmessage.Parser
	h, err := p.Start(message)
	if err != nil || h.RCode != dnsmessage.RCodeSuccess || p.SkipAllQuestions() != nil {
		return nil
	}
	type record struct {
		owner string
		answer
	}
	var addresses []record
	aliases := map[string]record{} // by owner; the target is in the record's owner
	for range maxAnswers {
		r, err := p.AnswerHeader()
		if err != nil {
			break
		}
		owner, ok := hostName(r.Name)
		if !ok || r.Class != dnsmessage.ClassINET {
			r.Type = 0
		}
		age := time.Duration(r.TTL) * time.Second
		switch r.Type {
		case dnsmessage.TypeA:
			var a dnsmessage.AResource
			a, err = p.AResource()
			addresses = append(addresses, record{owner, answer{netip.AddrFrom4(a.A), age}})
		case dnsmessage.TypeAAAA:
			var a dnsmessage.AAAAResource
			a, err = p.AAAAResource()
			addresses = append(addresses, record{owner, answer{netip.AddrFrom16(a.AAAA).Unmap(), age}})
		case dnsmessage.TypeCNAME:
			var c dnsmessage.CNAMEResource
			c, err = p.CNAMEResource()
			if target, ok := hostName(c.CNAME); ok {
				aliases[owner] = record{target, answer{age: age}}
			}
		default:
			err = p.SkipAnswer()
		}
		if err != nil {
			break // a truncated message still gives what it holds
		}
	}
	names := map[string]time.Duration{q.name: 1<<63 - 1}
	for name, age := q.name, time.Duration(1<<63-1); len(names) <= maxAliases; {
		alias, ok := aliases[name]
		if !ok {
			break
		}
		name, age = alias.owner, min(age, alias.age)
		if _, loop := names[name]; loop {
			break
		}
		names[name] = age
	}
	var found []answer
	for _, a := range addresses {
		if age, ok := names[a.owner]; ok {
			found = append(found, answer{a.addr, min(age, a.age)})
		}
	}
	return found
}

// hostName writes a name in lower case without the final dot; ok is false for
// the root and for names with bytes that do not belong in a host name.
func hostName(n dnsmessage.Name) (name string, ok bool) {
	name = strings.ToLower(strings.TrimSuffix(n.String(), "."))
	for i := range len(name) {
		if name[i] <= ' ' || name[i] >= 0x7f {
			return "", false
		}
	}
	return name, name != ""
}
