// Package suggestion finds what somebody may have meant who mistyped a name.
package suggestion

import "slices"

// maxName bounds what is taken for a typing error, in bytes: the comparison is
// quadratic.
const maxName = 100

// Nearest returns the name of known that is nearest to a mistyped one, "" when
// none is near. Letters of the other case count as the same.
func Nearest(name string, known []string) string {
	if len(name) > maxName {
		return ""
	}
	best, least := "", max(2, len(name)/3)+1
	for _, k := range slices.Sorted(slices.Values(known)) {
		if d := distance(name, k); d < least {
			best, least = k, d
		}
	}
	return best
}

// DidYouMean is the end of a message about an unknown name, beginning with a
// semicolon; "" when nothing is near.
func DidYouMean(name string, known []string) string {
	if s := Nearest(name, known); s != "" {
		return "; did you mean " + s + "?"
	}
	return ""
}

// distance counts the letters to insert, remove, replace or swap with their
// neighbour to make b of a (optimal string alignment), in whatever case.
func distance(a, b string) int {
	var before []int
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if lower(a[i-1]) == lower(b[j-1]) {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

// lower is a letter of ASCII in lower case. In names of ours - and _ are told
// apart by many programs and confused by many people.
func lower(c byte) byte {
	switch {
	case 'A' <= c && c <= 'Z':
		return c + 'a' - 'A'
	case c == '-':
		return '_'
	}
	return c
}
