package bridge

import (
	"errors"
	"fmt"
	"strings"

	"weft/bridge/cloudevent"
	"weft/jetstream/event"
)

// ErrNoRule is wrapped by the error about a name that no rule has.
var ErrNoRule = errors.New("there is no such rule")

// Rules are those of ingest.rules, by name. They are immutable and may be used concurrently.
type Rules map[string]*Rule

// NewRules compiles rules, which Config.Check has passed.
func NewRules(list []IngestRule) (Rules, error) {
	rules := make(Rules, len(list))
	for _, r := range list {
		rule, err := newRule(r.To, r.Type)
		if err != nil {
			return nil, fmt.Errorf("ingest.rules %s: %w", r.Name, err)
		}
		rules[r.Name] = rule
	}
	return rules, nil
}

// Named returns the rule of that name, or ErrNoRule.
func (r Rules) Named(name string) (*Rule, error) {
	if rule := r[name]; rule != nil {
		return rule, nil
	}
	return nil, fmt.Errorf("%w in ingest.rules: %.80q", ErrNoRule, name)
}

// Message makes the events of what was published by NATS for the rule of that name. header
// has one value of each name; the one of ce-type, of what is no CloudEvent, goes before the
// type of the rule. They may lie in data, and share their headers.
func (r Rules) Message(name string, header map[string]string, data []byte) ([]event.Event, error) {
	rule, err := r.Named(name)
	if err != nil {
		return nil, err
	}
	rec := Record{Value: data, Request: true}
	kind := ""
	for name, value := range header {
		if strings.EqualFold(name, event.HeaderType) {
			kind = cloudevent.Decoded(value)
		}
		rec.Headers = append(rec.Headers, Header{name, []byte(value)})
	}
	if rec.Value == nil {
		rec.Value = []byte{} // there are no tombstones
	}
	events, own, err := rule.Place(&rec)
	if err != nil || own.ID != "" || kind == "" {
		return events, err
	}
	if err := event.CheckType(kind); err != nil {
		return nil, &Refusal{CauseType, err}
	}
	for i := range events {
		events[i].Type = kind
	}
	return events, nil
}
