package subject_test

import (
	"errors"
	"fmt"

	"weft/jetstream/subject"
)

// Whatever a user is called, the inbox is one token, from which the name comes back.
func ExampleOfUser() {
	s, err := subject.OfUser("ann@x.org")
	fmt.Println(s, err)
	fmt.Println(subject.UserOf(s))

	_, err = subject.OfUser("")
	fmt.Println(errors.Is(err, subject.ErrToken))
	// Output:
	// user.ann=40x=2Eorg <nil>
	// ann@x.org
	// true
}

// A claim or a field fills a template with one subject for each of its values. Whatever
// the values are, they add no token and no wildcard.
func ExampleParseSubjectTemplate() {
	t, err := subject.ParseSubjectTemplate("topic.team.{/teams}", false, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	claims := map[string][]string{"/teams": {"red", "red.>", "*"}}
	subjects, err := t.Expand(func(name string) []string { return claims[name] })
	fmt.Println(subjects, err)

	_, err = t.Expand(func(string) []string { return nil })
	fmt.Println(errors.Is(err, subject.ErrMissing))
	// Output:
	// [topic.team.red topic.team.red=2E=3E topic.team.=2A] <nil>
	// true
}

// Wildcards are those of NATS: * is one token, > is one and more.
func ExampleMatch() {
	for _, pattern := range []string{"topic.hotel.*", "topic.>", "topic.hotel"} {
		fmt.Println(pattern, subject.Match(pattern, "topic.hotel.42"))
	}
	// Output:
	// topic.hotel.* true
	// topic.> true
	// topic.hotel false
}
