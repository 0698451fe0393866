package edge_test

import (
	"fmt"
	"strings"

	"weft/config/testkit/clientframe"
	"weft/config/testkit/slow"
	"weft/edge/frames"
	"weft/edge/transport"
)

// somePing is the payload of a ping.
const somePing = "payload"

// What breaks the protocol is answered with these.
const (
	wantUnmasked = "close:1002 the frame is not masked"
	wantReserved = "close:1002 a reserved bit is set"
	wantOpcode   = "close:1002 the opcode is unknown"
	wantControl  = "close:1002 a control frame is longer than 125 bytes or not whole"
	wantNothing  = "close:1002 there is no message to continue"
	wantWithin   = "close:1002 a message begins within another one"
	wantClose    = "close:1002 the close frame is not valid"
	wantUTF8     = "close:1007 the text is not UTF-8"
	wantReason   = "close:1007 the reason is not UTF-8"
	wantTooBig   = "close:1009 the message is too big"
)

// commandOf is a command of this size that asks for nothing: it is answered by an
// error that repeats its ref.
func commandOf(size int) string { return `{"ref":7}` + strings.Repeat(" ", size-9) }

// rfcCases are all of them, by the sections of Autobahn's.
func rfcCases() (all []rfcCase) {
	add := func(name string, sent [][]byte, want ...string) {
		all = append(all, rfcCase{name, sent, want})
	}
	one := func(frames ...[]byte) [][]byte { return frames }
	framingCases(add, one)
	reservedCases(add, one)
	fragmentCases(add, one)
	utf8Cases(add)
	closeCases(add, one)
	largeCases(add, one)
	return all
}

type (
	adding = func(name string, sent [][]byte, want ...string)
	spelt  = func(...[]byte) [][]byte
)

func framingCases(add adding, one spelt) {
	add("1.1.1 an empty text", one(clientframe.Masked(frames.Final|frames.Text, "")), "error:bad_request")
	add("1.2.1 an empty binary message", one(clientframe.Masked(frames.Final|frames.Binary, "")), "error:bad_request")
	for i, size := range []int{125, 126, 127, 128, 65535, 65536} {
		text, binary := clientframe.Masked(frames.Final|frames.Text, commandOf(size)), clientframe.Masked(frames.Final|frames.Binary, commandOf(size))
		add(fmt.Sprintf("1.1.%d a text of %d bytes", i+2, size), one(text), "ref:7")
		add(fmt.Sprintf("1.2.%d a binary message of %d bytes", i+2, size), one(binary), "error:bad_request")
	}
	add("1.1.8 a text of 65536 bytes in pieces", chopped(997, clientframe.Masked(frames.Final|frames.Text, commandOf(65536))), "ref:7")
	add("1.2.8 a binary message of 65536 bytes in pieces", chopped(997, clientframe.Masked(frames.Final|frames.Binary, commandOf(65536))), "error:bad_request")
	add("1 lengths in more bytes than needed", one(clientFrame(frames.Final|frames.Text, []byte(commandOf(9)))), "ref:7") // 5.2 wants them minimal; clients are forgiven
	add("1 no mask", one([]byte{frames.Final | frames.Text, 2, '{', '}'}), wantUnmasked)
	add("1 no mask, which shows before the length", one([]byte{frames.Final | frames.Text, 127}), wantUnmasked)

	add("2.1 an empty ping", one(clientframe.Masked(frames.Final|frames.Ping, "")), "pong:")
	add("2.2 a ping", one(clientframe.Masked(frames.Final|frames.Ping, somePing)), "pong:"+somePing)
	add("2.3 a ping of bytes", one(clientframe.Masked(frames.Final|frames.Ping, "\x00\xff\xfe\xfd\xfc\xfb\x00\xff")), "pong:\x00\xff\xfe\xfd\xfc\xfb\x00\xff")
	long := strings.Repeat("\xfe", 125)
	add("2.4 a ping of 125 bytes", one(clientframe.Masked(frames.Final|frames.Ping, long)), "pong:"+long)
	add("2.5 a ping of 126 bytes", one(clientframe.Masked(frames.Final|frames.Ping, long+"\xfe")), wantControl)
	add("2.6 a ping of 125 bytes, byte by byte", chopped(1, clientframe.Masked(frames.Final|frames.Ping, long)), "pong:"+long)
	add("2.7 an empty pong", one(clientframe.Masked(frames.Final|frames.Pong, "")))
	add("2.8 a pong", one(clientframe.Masked(frames.Final|frames.Pong, "unasked")))
	add("2.9 a pong and a ping", one(clientframe.Masked(frames.Final|frames.Pong, "unasked"), clientframe.Masked(frames.Final|frames.Ping, somePing)), "pong:"+somePing)
	var pings [][]byte
	var pongs []string
	for i := range 10 {
		payload := fmt.Sprint(somePing, i)
		pings, pongs = append(pings, clientframe.Masked(frames.Final|frames.Ping, payload)), append(pongs, "pong:"+payload)
	}
	add("2.10 ten pings", pings, pongs...)
	add("2.11 ten pings, byte by byte", chopped(1, pings...), pongs...)
	add("2 a ping's length in two bytes", one([]byte{frames.Final | frames.Ping, 0x80 | 126, 0, 1, 0, 0, 0, 0, 'x'}), wantControl)
}

func reservedCases(add adding, one spelt) {
	for bits := byte(1); bits < 8; bits++ {
		add(fmt.Sprintf("3.%d reserved bits %03b", bits, bits), one(clientframe.Masked(frames.Final|bits<<4|frames.Text, `{"ref":1}`)), wantReserved)
		add(fmt.Sprintf("3.%d reserved bits %03b behind a message", bits, bits), chopped(1,
			clientframe.Masked(frames.Final|frames.Text, `{"ref":1}`), clientframe.Masked(frames.Final|bits<<4|frames.Text, `{"ref":2}`), clientframe.Masked(frames.Final|frames.Ping, "")), "ref:1", wantReserved)
	}
	add("3.5 reserved bits of a binary message", one(clientframe.Masked(frames.Final|0x50|frames.Binary, "x")), wantReserved)
	add("3.6 reserved bits of a ping", one(clientframe.Masked(frames.Final|0x60|frames.Ping, "x")), wantReserved)
	add("3.7 reserved bits of a close", one(clientframe.Masked(frames.Final|0x70|frames.Close, closing(1000, ""))), wantReserved)
	for i, opcode := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		section, n := 1+i/5, 1+i%5
		add(fmt.Sprintf("4.%d.%d opcode %d", section, n, opcode), one(clientframe.Masked(frames.Final|opcode, "")), wantOpcode)
		add(fmt.Sprintf("4.%d.%d opcode %d with a payload", section, n, opcode), one(clientframe.Masked(frames.Final|opcode, "payload")), wantOpcode)
		add(fmt.Sprintf("4.%d.%d opcode %d behind a message", section, n, opcode), chopped(1,
			clientframe.Masked(frames.Final|frames.Text, `{"ref":1}`), clientframe.Masked(frames.Final|opcode, ""), clientframe.Masked(frames.Final|frames.Ping, "")), "ref:1", wantOpcode)
	}
}

func fragmentCases(add adding, one spelt) {
	first, last := clientframe.Masked(frames.Text, `{"ref"`), clientframe.Masked(frames.Final|frames.Continuation, `:"two"}`)
	whole := clientframe.Masked(frames.Final|frames.Text, `{"ref":"whole"}`)
	ping, pong := clientframe.Masked(frames.Final|frames.Ping, somePing), "pong:"+somePing
	add("5.1 a ping in fragments", one(clientframe.Masked(frames.Ping, "frag"), clientframe.Masked(frames.Final|frames.Continuation, "ment")), wantControl)
	add("5.2 a pong in fragments", one(clientframe.Masked(frames.Pong, "frag"), clientframe.Masked(frames.Final|frames.Continuation, "ment")), wantControl)
	add("5 a close in fragments", one(clientframe.Masked(frames.Close, closing(1000, ""))), wantControl)
	for n, size := range []int{1 << 20, 7, 1} {
		add(fmt.Sprintf("5.%d a text in two fragments", n+3), chopped(size, first, last), "ref:two")
		add(fmt.Sprintf("5.%d a text in two fragments and a ping", n+6), chopped(size, first, ping, last), pong, "ref:two")
	}
	for n, size := range []int{1 << 20, 7, 1} {
		add(fmt.Sprintf("5.%d nothing to continue", n+9), chopped(size, clientframe.Masked(frames.Final|frames.Continuation, "non-sense"), whole), wantNothing)
		add(fmt.Sprintf("5.%d nothing to continue, and more to come", n+12), chopped(size, clientframe.Masked(frames.Continuation, "non-sense"), whole), wantNothing)
	}
	add("5.15 a fragment behind a message", one(first, last, clientframe.Masked(frames.Continuation, "frag"), whole), "ref:two", wantNothing)
	add("5.16 fragments that begin in the middle", one(clientframe.Masked(frames.Continuation, "f"), first, last), wantNothing)
	add("5.17 fragments that begin at the end", one(clientframe.Masked(frames.Final|frames.Continuation, "f"), first, last), wantNothing)
	add("5.18 a message within a message", one(first, clientframe.Masked(frames.Final|frames.Text, `:1}`)), wantWithin)
	add("5 a binary message within a text", one(first, clientframe.Masked(frames.Binary, `:1}`)), wantWithin)
	five := one(clientframe.Masked(frames.Text, `{"re`), clientframe.Masked(frames.Continuation, `f":`), ping, clientframe.Masked(frames.Continuation, `"fi`),
		clientframe.Masked(frames.Continuation, `ve"`), ping, clientframe.Masked(frames.Final|frames.Continuation, `}`))
	add("5.19 five fragments and two pings", five, pong, pong, "ref:five")
	add("5.20 five fragments and two pings, byte by byte", chopped(1, five...), pong, pong, "ref:five")
	add("5 empty fragments of a binary message", one(clientframe.Masked(frames.Binary, ""), clientframe.Masked(frames.Continuation, ""), clientframe.Masked(frames.Final|frames.Continuation, "")), "error:bad_request")
	add("5 a fragment that says nothing of an end", one(clientframe.Masked(frames.Text, ""), clientframe.Masked(frames.Final|frames.Continuation, `{"ref":1}`)), "ref:1")
	add("5 a second first fragment that follows an empty one", one(clientframe.Masked(frames.Text, ""), whole), wantWithin)
}

func closeCases(add adding, one spelt) {
	bye, ping := clientframe.Masked(frames.Final|frames.Close, closing(1000, "")), clientframe.Masked(frames.Final|frames.Ping, "")
	hello := clientframe.Masked(frames.Final|frames.Text, `{"ref":"hello"}`)
	add("7.1.1 a message and a close", one(hello, bye), "ref:hello", "close:1000 ")
	add("7.1.1 a message and a close in one", chopped(1<<20, hello, bye), "ref:hello", "close:1000 ")
	add("7.1.2 two closes", one(bye, bye), "close:1000 ")
	add("7.1.3 a ping behind a close", one(bye, ping), "close:1000 ")
	add("7.1.4 a message behind a close", one(bye, hello), "close:1000 ")
	add("7.1.5 a close within a message", one(clientframe.Masked(frames.Text, `{"ref"`), bye, clientframe.Masked(frames.Final|frames.Continuation, `:1}`)), "close:1000 ")
	add("7.1.6 a large message, a close and a ping", chopped(1<<20, clientframe.Masked(frames.Final|frames.Text, commandOf(256<<10)), bye, ping), "ref:7", "close:1000 ")
	add("7.1.6 a close, byte by byte", chopped(1, bye), "close:1000 ")
	add("7.3.1 no code", one(clientframe.Masked(frames.Final|frames.Close, "")), "close:")
	add("7.3.2 half a code", one(clientframe.Masked(frames.Final|frames.Close, "a")), wantClose)
	add("7.3.3 a code", one(bye), "close:1000 ")
	add("7.3.4 a code and a reason", one(clientframe.Masked(frames.Final|frames.Close, closing(1000, "so be it"))), "close:1000 ")
	add("7.3.5 the longest reason", one(clientframe.Masked(frames.Final|frames.Close, closing(1000, strings.Repeat("*", 123)))), "close:1000 ")
	add("7.3.6 a longer one", one(clientframe.Masked(frames.Final|frames.Close, closing(1000, strings.Repeat("*", 124)))), wantControl)
	add("7.5.1 a reason that is no UTF-8", one(clientframe.Masked(frames.Final|frames.Close, closing(1000, "\xce\xba\xed\xa0\x80edited"))), wantReason)
	for n, code := range []uint16{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999, 1012, 1013, 1014} {
		add(fmt.Sprintf("7.7.%d code %d", n+1, code), one(clientframe.Masked(frames.Final|frames.Close, closing(code, ""))), fmt.Sprintf("close:%d ", code))
	}
	for n, code := range []uint16{0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		add(fmt.Sprintf("7.9.%d code %d", n+1, code), one(clientframe.Masked(frames.Final|frames.Close, closing(code, ""))), wantClose)
		add(fmt.Sprintf("7.9.%d code %d with a reason", n+1, code), one(clientframe.Masked(frames.Final|frames.Close, closing(code, "reason"))), wantClose)
	}
}

func largeCases(add adding, one spelt) {
	for _, size := range slow.First([]int{64 << 10, 256 << 10, 1 << 20}) {
		text := commandOf(size)
		add(fmt.Sprintf("9.1 a text of %d bytes", size), one(clientframe.Masked(frames.Final|frames.Text, text)), "ref:7")
		add(fmt.Sprintf("9.2 a binary message of %d bytes", size), one(clientframe.Masked(frames.Final|frames.Binary, text)), "error:bad_request")
		for _, part := range []int{64, 1 << 10, 64 << 10} {
			fragments := fragmentsOf(text, part)
			add(fmt.Sprintf("9.3 a text of %d bytes in frames of %d", size, part), chopped(32<<10, fragments...), "ref:7")
		}
		for _, part := range []int{997, 16 << 10} {
			add(fmt.Sprintf("9.5 a text of %d bytes in writes of %d", size, part), chopped(part, clientframe.Masked(frames.Final|frames.Text, text)), "ref:7")
		}
	}
	add("9 the largest message", one(clientframe.Masked(frames.Final|frames.Text, commandOf(transport.MaxMessage))), "ref:7")
	add("9 a larger one", one(clientframe.Masked(frames.Final|frames.Text, commandOf(transport.MaxMessage+1))[:14]), wantTooBig)
	add("9 a larger one in frames", one(clientframe.Masked(frames.Text, commandOf(transport.MaxMessage)), clientframe.Masked(frames.Continuation, " ")), wantTooBig)
	add("10.1.1 a text of 65536 bytes in frames of 1300", fragmentsOf(commandOf(65536), 1300), "ref:7")
}

// fragmentsOf spells a text in frames of so many bytes.
func fragmentsOf(text string, size int) (out [][]byte) {
	for first := byte(frames.Text); ; first = frames.Continuation {
		if len(text) <= size {
			return append(out, clientframe.Masked(frames.Final|first, text))
		}
		out, text = append(out, clientframe.Masked(first, text[:size])), text[size:]
	}
}
