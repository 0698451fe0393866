package event

import "testing"

func TestAnEventSaysByWhichWayItCame(t *testing.T) {
	for header, want := range map[string]Source{
		"kafka 1700000000000": SourceKafka, "http": SourceHTTP, "": SourceNATS, "nats": SourceNATS,
		"kafka": SourceKafka, "kafka x": SourceKafka, "kafka -1": SourceKafka, "carrier pigeon": SourceNATS, "kafka 99999999999999999999": SourceKafka,
	} {
		s := Stored{Header: map[string][]string{"Nats-Time-Stamp": {"2020-02-02T02:02:02.000000002Z"}}}
		if header != "" {
			s.Header[HeaderSource] = []string{header}
		}
		source, since := s.Origin()
		made := header == "kafka 1700000000000"
		if source != want || made && since.UnixMilli() != 1700000000000 || !made && since.Nanosecond() != 2 {
			t.Errorf("%q: %s since %v", header, source, since)
		}
	}
}
