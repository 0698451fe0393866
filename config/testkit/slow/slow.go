// Package slow marks tests that wait: for an election, for a timeout, for seconds of
// load. With -short, as in make unit, they are left out; make test runs them all.
package slow

import "testing"

// Test leaves a test or a benchmark out with -short. It says what the test waits for.
func Test(t testing.TB, waitsFor string) {
	t.Helper()
	if testing.Short() {
		t.Skipf("not with -short: it waits for %s", waitsFor)
	}
}

// First is the list that a table of tests runs over: with -short only the first entry,
// when the others do the same over again in another setting.
func First[E any](list []E) []E {
	if testing.Short() {
		return list[:1]
	}
	return list
}
