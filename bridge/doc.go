// Package bridge is the ways in, and the way out to Kafka: what is published to Kafka or
// by HTTP becomes events for the store, and requests by routes become records. This
// package holds what they have in common, the configuration and the rules that say whom a
// record is for, or what is published by HTTP or NATS under the name of a rule;
// bridge/kafka, bridge/ingest and bridge/target do the work.
//
// A source is told that it has delivered only after the store has the event: a
// Kafka offset is committed and an HTTP request answered after that, never
// before. The ways in know nothing of one another: a further one is a package beside
// them, which cmd/weft makes and runs.
//
// What a Kafka record becomes:
//
//   - A CloudEvent in structured form (content-type application/cloudevents+json)
//     is taken apart: its data is passed on with its own type, its attributes travel as
//     ce-<name> headers; pointers look into the event: {/data/customer/id}, {/subject}.
//   - A CloudEvent in binary form (headers ce_specversion, ce_type, …): its value
//     is passed on, its attributes travel as ce-<name> headers; pointers look into
//     the same view, with the value as /data.
//   - Anything else: its value is passed on; pointers look into the value, which
//     must then be JSON in UTF-8. A rule that uses only {key} and {header:x} takes
//     any bytes, unless content-type says JSON. The type comes from the rule, if it
//     names one.
//   - A tombstone (null value, no CloudEvent) is no event: it is skipped and counted.
//   - An empty value is an event with an empty payload when the rule can place it
//     by key or header; else it is as any record that cannot be placed.
//
// A value that is a list makes one event for each of its elements. With several
// templates, an event goes to whatever each of them makes; one whose value is
// missing adds nothing, but one of them must make something.
//
// Of a record's headers only content-type, traceparent and CloudEvents attributes
// are passed on, so that nobody can forge a header of the store.
package bridge
