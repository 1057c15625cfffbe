package process

import "testing"

func TestTheServiceOfAFlow(t *testing.T) {
	all := []service{
		{"Dnscache", 10, false}, {"wuauserv", 20, false}, {"BITS", 20, false}, {"CDPUserSvc_1a2b3", 30, true}, {"My_Service", 40, false},
	}
	for _, test := range []struct {
		what  string
		pid   uint32
		named string
		want  string
	}{
		{"the only one", 10, "", "Dnscache"},
		{"one of two, named by the system", 20, "BITS", "BITS"},
		{"named in other letters", 20, "bits", "BITS"},
		{"one of two, nobody knows which", 20, "", ""},
		{"named, but not running there", 10, "wuauserv", ""},
		{"no service at all", 50, "", ""},
		{"a user's, with the number of the sign-in", 30, "", "CDPUserSvc"},
		{"an underscore that belongs to the name", 40, "", "My_Service"},
	} {
		if got := serviceOf(all, test.pid, test.named); got != test.want {
			t.Errorf("%s: %q, want %q", test.what, got, test.want)
		}
	}
}
