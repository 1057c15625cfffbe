// Package firewalltest has a backend without an operating system, for tests
// and demonstrations, and the conformance test that every backend passes.
package firewalltest
