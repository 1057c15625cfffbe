package persistence

import (
	"strconv"
	"strings"

	"go.etcd.io/bbolt"

	"sallyport.dev/sallyport/firewall"
)

// idPrefix and a number are the ID of a rule that came without one. The number
// is the sequence of the rules' bucket: no ID is given twice, also not after
// the rule was removed, since the log names rules by their IDs.
const idPrefix = "r"

// maxID is where the numbers that a document brings end to count, so that none
// exhausts them.
const maxID = 1 << 48

// giveID gives the rule an ID if it has none. One that it brings is not given
// to another rule later.
func giveID(tx *bbolt.Tx, r *firewall.Rule) error {
	if r.ID != "" {
		return skipIDs(tx, idNumber(r.ID))
	}
	rules := tx.Bucket(rulesBucket)
	for r.ID == "" || rules.Get([]byte(r.ID)) != nil || taken(tx, r.ID) {
		n, err := rules.NextSequence()
		if err != nil {
			return err
		}
		r.ID = firewall.RuleID(idPrefix + strconv.FormatUint(n, 10))
	}
	return nil
}

// skipIDs has the numbers up to n never be given.
func skipIDs(tx *bbolt.Tx, n uint64) error {
	if rules := tx.Bucket(rulesBucket); n > rules.Sequence() {
		return rules.SetSequence(n)
	}
	return nil
}

// idNumber is the number in an ID that giveID could give; 0 if it could not.
func idNumber(id firewall.RuleID) uint64 {
	digits, ok := strings.CutPrefix(string(id), idPrefix)
	n, err := strconv.ParseUint(digits, 10, 64)
	if !ok || err != nil || n > maxID || strconv.FormatUint(n, 10) != digits {
		return 0
	}
	return n
}

// IsNumbered tells whether the ID is one that a store gives.
func IsNumbered(id firewall.RuleID) bool { return idNumber(id) > 0 }

// taken tells whether an ID belongs to a record that was set aside.
func taken(tx *bbolt.Tx, id firewall.RuleID) bool {
	return tx.Bucket(asideBucket).Get([]byte("rules/"+string(id))) != nil
}
