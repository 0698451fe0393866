package event

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"weft/jetstream/subject"
)

const testSecret = "c2VjcmV0c2VjcmV0"

func TestAMessageIDIsReadable(t *testing.T) {
	long := strings.Repeat("x", 190)
	for want, id := range map[string]MsgID{
		"k/kafka/orders/3/17/user.ann":      RecordID("kafka", "orders", 3, 17),
		"ph/ann/k=2F1/0/user.ann":           PublicUser("ann").KeyID("k/1", 0),
		"ah//k/2/user.ann":                  Operators.KeyID("k", 2),
		"pc/ann/=2Fs/a=20b=3D/user.ann":     PublicUser("ann").EventID("/s", "a b="),
		"ac//s#1/=E2=82=AC=0A/user.ann":     Operators.EventID("s#1", "€\n"),
		"n/shop/h=2Fadmin=2Fk=2F0/user.ann": NATSID("shop", "h/admin/k/0"),
	} {
		if got := id.Text(testSecret, "user.ann"); got != testSecret+"/"+want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	id := NATSID("shop", long)
	if got := id.Text(testSecret, "user.ann"); !strings.HasPrefix(got, testSecret+"/#") || len(got) != len(testSecret)+2+43 {
		t.Errorf("a long one is %s", got)
	}
	if none := (&Event{}).ID; !none.IsZero() {
		t.Error("an event without an id has one")
	}
	if id := NATSID("", ""); id.IsZero() {
		t.Error("an id with empty parts is none")
	}
}

// parse reads a text back, in a way of its own.
func parse(text string) (id MsgID, subject string, err error) {
	fields := strings.Split(text, "/")
	for d := range scopes {
		if d > 0 && scopes[d].name == fields[0] {
			id.scope = scope(d)
		}
	}
	parts, numbers := scopes[id.scope].parts, scopes[id.scope].numbers
	if id.scope == noScope || len(fields) != 2+parts+numbers {
		return id, "", fmt.Errorf("%q has %d fields", text, len(fields))
	}
	for i, field := range fields[1 : 1+parts] {
		var b strings.Builder
		for head, rest, more := strings.Cut(field, "="); ; head, rest, more = strings.Cut(rest, "=") {
			b.WriteString(head)
			if !more {
				break
			}
			c, err := strconv.ParseUint(rest[:2], 16, 8)
			if err != nil {
				return id, "", err
			}
			b.WriteByte(byte(c))
			rest = rest[2:]
		}
		id.parts[i] = b.String()
	}
	for i, field := range fields[1+parts : 1+parts+numbers] {
		if id.numbers[i], err = strconv.ParseInt(field, 10, 64); err != nil {
			return id, "", err
		}
	}
	return id, fields[len(fields)-1], nil
}

// FuzzTwoIDsNeverShareAText reads each text back, so that it can belong to one id
// and subject only, and holds it against that of a neighbour: the same id at
// another scope, with a byte moved over the border of two parts, or for another
// subject.
func FuzzTwoIDsNeverShareAText(f *testing.F) {
	f.Add("a", "b/0", "s", int64(0), int32(0), "ann", byte(1))
	f.Add("a/b", "0", "1", int64(17), int32(3), "bob@x", byte(2))
	f.Add("", "=2F", "#", int64(-1), int32(-1), "=", byte(3))
	f.Add("admin", strings.Repeat("k", 190), "\x00\xff\r\n", int64(1)<<62, int32(5), "k/1", byte(0))
	f.Fuzz(func(t *testing.T, a, b, c string, n int64, m int32, user string, which byte) {
		inbox, err := subject.OfUser(user)
		if err != nil {
			return
		}
		all := []MsgID{
			RecordID(a, b, m, n), PublicUser(a).KeyID(b, int(m)), PublicUser(a).EventID(b, c),
			Operators.KeyID(b, int(m)), Operators.EventID(b, c), NATSID(a, b),
		}
		id := all[int(which)%len(all)]
		written := string(id.write(nil, inbox))
		if back, of, err := parse(written); err != nil || back != id || of != inbox {
			t.Fatalf("%+v for %s becomes %q, which reads as %+v for %s, %v", id, inbox, written, back, of, err)
		}
		text := id.Text(testSecret, inbox)
		if !strings.HasPrefix(text, testSecret+"/") || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			t.Fatalf("%+v becomes %q", id, text)
		}
		if len(text) > len(testSecret)+1+maxMsgID {
			t.Fatalf("%+v has %d bytes", id, len(text))
		}
		if id.Text(testSecret, "topic."+inbox[len("user."):]) == text {
			t.Fatalf("%+v is the same for two subjects", id)
		}
		for _, other := range all {
			if other != id && other.Text(testSecret, inbox) == text {
				t.Fatalf("%+v and %+v are both %q", id, other, text)
			}
		}
		for i := range scopes[id.scope].parts - 1 {
			if moved := id; moved.parts[i] != "" {
				last := len(moved.parts[i]) - 1
				moved.parts[i], moved.parts[i+1] = moved.parts[i][:last], moved.parts[i][last:]+moved.parts[i+1]
				if moved.Text(testSecret, inbox) == text {
					t.Fatalf("%+v and %+v are both %q", id, moved, text)
				}
			}
		}
	})
}

func TestAnIDAllocatesItsTextAndNothingElse(t *testing.T) {
	id := RecordID("kafka", "orders", 3, 123456789)
	if n := testing.AllocsPerRun(100, func() { _ = id.Text(testSecret, "user.ann=40x=2Eorg") }); n > 1 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkMsgID measures what an id costs at each publish.
func BenchmarkMsgID(b *testing.B) {
	long := strings.Repeat("k", 255)
	for name, id := range map[string]MsgID{
		"record": RecordID("kafka", "orders", 3, 123456789), "key": PublicUser("ann@x.org").KeyID("3f2b8c1e-9d4a", 0),
		"NATS": NATSID("shop", "3f2b8c1e-9d4a"), "long": NATSID("shop", long),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = id.Text(testSecret, "user.ann=40x=2Eorg")
			}
		})
	}
}

// The series of a partition is what the ids of all its records begin with.
func TestTheSeriesOfAPartitionIsThatOfItsRecords(t *testing.T) {
	for _, c := range []struct {
		cluster, topic string
		partition      int32
	}{{"kafka", "orders", 0}, {"a/b", "o=1 x", 41}, {"", "ü", 7}} {
		id := RecordID(c.cluster, c.topic, c.partition, 12)
		series, number, ok := SplitSeries(id.Text("", "user.ann")[1:], "user.ann")
		if want := RecordSeries(c.cluster, c.topic, c.partition); !ok || series != want || number != 12 {
			t.Errorf("%+v: series %q, number %d, %v; want %q", c, series, number, ok, want)
		}
	}
}
