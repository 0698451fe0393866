package event

import (
	"bytes"
	"time"

	"weft/jetstream/subject"
)

// A Copy is a delivery copy as it was read. What it holds is valid as long as
// what it was read from.
type Copy struct {
	Subject []byte // that it came on: out.<subject>
	Seq     uint64
	// Previous is the sequence of the subject's message before; 0: none, or it is gone.
	Previous uint64
	Stamp    uint32 // see Stored.Stamp
	Type     string // "" for none
	Data     []byte
	Source   Source    // see Stored.Origin
	Since    time.Time // as well
	// TypeErr says why the event must not be delivered.
	TypeErr error
	// Err is ErrForged when it is not the stream's own.
	Err error

	header      []byte // as it was read
	headerBytes int    // of its Headers
}

// What the stream says of each copy.
var (
	stampStream   = []byte("Nats-Stream")
	stampSubject  = []byte("Nats-Subject")
	stampSequence = []byte("Nats-Sequence")
	stampPrevious = []byte("Nats-Last-Sequence")
	stampTime     = []byte("Nats-Time-Stamp")
	eventsName    = []byte(StreamName)
	outPrefix     = []byte(subject.Out)
)

// Parse reads a copy in place, from the subject that it came on, its header with the
// first and the empty line, and its payload. Of the headers that the stream adds only the last
// value counts, since a publisher's own would come first.
func (c *Copy) Parse(subject, header, data []byte) {
	*c = Copy{Subject: subject, Data: data, header: header}
	var stream, from, seq, previous, at []byte
	var publishers publisherHeader
	bytesOfHeaders := 0
	ok := scanHeader(header, func(name, value []byte) {
		switch {
		case bytes.Equal(name, stampStream):
			stream = value
		case bytes.Equal(name, stampSubject):
			from = value
		case bytes.Equal(name, stampSequence):
			seq = value
		case bytes.Equal(name, stampPrevious):
			previous = value
		case bytes.Equal(name, stampTime):
			at = value
		default:
			publishers.see(name, value)
			if own(name) {
				bytesOfHeaders += lineBytes(len(name), len(value))
			}
		}
	})
	to, out := bytes.CutPrefix(subject, outPrefix)
	c.Seq, c.Previous = sequence(seq), sequence(previous)
	switch {
	case !out || !bytes.Equal(from, to) || !bytes.Equal(stream, eventsName),
		c.Seq == 0, len(previous) == 0, c.Previous >= c.Seq, len(at) == 0,
		c.Previous == 0 && !bytes.Equal(previous, zero):
		c.Err = ErrForged
		return
	case !ok:
		c.TypeErr = ErrUnreadable
		return
	}
	c.Stamp = stamp(at)
	c.headerBytes = bytesOfHeaders
	c.Source, c.Since = origin(string(publishers.source), readStamp(string(at)))
	if publishers.any {
		c.Type, c.TypeErr = publishers.kind(c.Data)
	}
}

var zero = []byte("0")

// sequence reads a number that is no number as 0.
func sequence(b []byte) (n uint64) {
	if len(b) > 19 {
		return 0
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0
		}
		n = n*10 + uint64(c-'0')
	}
	return n
}

// scanHeader calls see with each header of a message, in order, as the client
// library reads them (nats.go, readMIMEHeader). It reports whether all can be read;
// if not, the others were seen nevertheless.
func scanHeader(header []byte, see func(name, value []byte)) (ok bool) {
	first, rest, _ := bytes.Cut(header, []byte("\n"))
	// Nothing that was published has a status in its first line.
	for ok = string(bytes.TrimSuffix(first, []byte("\r"))) == "NATS/1.0"; ; {
		var line []byte
		var ended bool
		if line, rest, ended = bytes.Cut(rest, []byte("\n")); !ended {
			return false
		}
		if line = bytes.TrimSuffix(line, []byte("\r")); len(line) == 0 {
			return ok
		}
		name, value, colon := bytes.Cut(line, []byte(":"))
		if !colon {
			ok = false
			continue
		}
		if len(name) > 0 {
			see(name, bytes.TrimLeft(value, " \t"))
		}
	}
}

// publisherHeader is what decides on the type of an event, as kindOf reads it.
type publisherHeader struct {
	any                 bool
	kinds, contentTypes [2][]byte
	source              []byte
}

func (p *publisherHeader) see(name, value []byte) {
	keep := func(to *[]byte) {
		p.any = true
		if *to == nil {
			*to = value
		}
	}
	switch string(name) {
	case HeaderSource:
		if p.source == nil {
			p.source = value
		}
	case HeaderType:
		keep(&p.kinds[0])
	case "Ce-Type":
		keep(&p.kinds[1])
	case HeaderContentType:
		keep(&p.contentTypes[0])
	case "Content-Type":
		keep(&p.contentTypes[1])
	}
}

func (p *publisherHeader) kind(data []byte) (string, error) {
	t := kindOf(func(name string) string {
		switch name {
		case HeaderType:
			return string(p.kinds[0])
		case "Ce-Type":
			return string(p.kinds[1])
		case HeaderContentType:
			return string(p.contentTypes[0])
		default:
			return string(p.contentTypes[1])
		}
	}, data)
	return t, CheckType(t)
}
