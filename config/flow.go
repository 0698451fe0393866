package config

import (
	"strings"

	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
)

// tokenize is the lexer with one difference. In a flow sequence a colon with no
// blank behind it is a part of a plain scalar (YAML 1.2.2, 7.3.3): [a:1] holds
// the text a:1. Inside of braces the lexer takes that colon for one between a
// key and its value, {seeds: [a:1]} would hold a mapping. Behind a key of a flow
// mapping it is left to the lexer, which forgives {a:1}.
func tokenize(text string) token.Tokens {
	var whole token.Tokens
	var open []token.Type // brackets, the innermost last
	tokens := lexer.Tokenize(text)
	for i := 0; i < len(tokens); i++ {
		t := tokens[i]
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			open = append(open, t.Type)
		case token.SequenceEndType, token.MappingEndType:
			open = open[:max(len(open)-1, 0)]
		case token.MappingValueType:
			if len(open) == 0 || open[len(open)-1] != token.SequenceStartType || i+1 == len(tokens) {
				break
			}
			after := tokens[i+1]
			if !isPlain(after) || startsBlank(after.Origin) {
				break
			}
			t = token.New(t.Value+after.Value, t.Origin+after.Origin, t.Position)
			i++
			if n := len(whole); n > 0 && isPlain(whole[n-1]) && !endsBlank(whole[n-1].Origin) {
				before := whole[n-1]
				t = token.New(before.Value+t.Value, before.Origin+t.Origin, before.Position)
				whole = whole[:n-1]
			}
		}
		whole.Add(t)
	}
	return whole
}

// isPlain reports whether t is a scalar without quotes.
func isPlain(t *token.Token) bool {
	return t.Indicator == token.NotIndicator && t.Type != token.InvalidType
}

const blanks = " \t\r\n"

func startsBlank(s string) bool { return s != strings.TrimLeft(s, blanks) }

func endsBlank(s string) bool { return s != strings.TrimRight(s, blanks) }
